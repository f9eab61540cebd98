// What identity, policy and audit cost a call: the broker's own time (user and system) for the same calls through the plain
// endpoint and through one whose policy names programs and units, in turn. With BASE=path of another build's main.js
// the plain endpoint of that one takes part too.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { call, client, keyConfig, median, putKeys, show, temporaryHome } from "./world.mjs";

const [ROUNDS, CALLS] = [11, 2_000];
const TICKS_PER_SECOND = 100;
const OWN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

async function brokerOf(main, endpoints) {
  const home = temporaryHome();
  const config = JSON.parse(keyConfig(1));
  const listed = endpoints.map(({ name, ...policy }) => ({
    name,
    path: join(home, "run", `${name}.sock`),
    ...policy,
  }));
  writeFileSync(join(home, "config.json"), JSON.stringify({ ...config, endpoints: listed }));
  const child = spawn(process.execPath, [main, "serve"], {
    env: { ...process.env, AUTH_BROKER_HOME: home },
    stdio: "ignore",
  });
  process.once("exit", () => child.kill("SIGKILL"));
  const health = client(home, "health");
  while ((await call(health, "Check", { service: "" }, 1_000).catch(() => undefined))?.status !== "SERVING");
  health.close();
  await putKeys(home, 1, 1);
  return { home, pid: child.pid };
}

/** Seconds of processor time that a process has taken so far. */
function spent(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function cost({ pid, caller }) {
  const before = spent(pid);
  for (let i = 0; i < CALLS / 20; i += 1) {
    await Promise.all(
      Array.from({ length: 20 }, () => call(caller, "AcquireCredential", { provider: "bench-0" })),
    );
  }
  return ((spent(pid) - before) / CALLS) * 1e6;
}

const own = await brokerOf(OWN, [
  { name: "named", allow: { executables: [process.execPath, "/usr/bin/true"] } },
]);
const ways = [
  { way: "plain endpoint", pid: own.pid, caller: client(own.home, "credential") },
  { way: "endpoint that names programs", pid: own.pid, caller: client(own.home, "credential", "named") },
];
if (process.env.BASE) {
  const base = await brokerOf(process.env.BASE, []);
  ways.unshift({ way: "base: plain endpoint", pid: base.pid, caller: client(base.home, "credential") });
}
const taken = ways.map(() => []);
for (let round = -2; round < ROUNDS; round += 1) {
  for (const [i, way] of ways.entries()) {
    const us = await cost(way);
    if (round >= 0) taken[i].push(us);
  }
}
show(
  "identity",
  ways.map(({ way }, i) => ({
    way,
    "µs of the broker per call": Math.round(median(taken[i])),
    "more than the first, paired": Math.round(median(taken[i].map((us, round) => us - taken[0][round]))),
  })),
);
process.exit(0);
