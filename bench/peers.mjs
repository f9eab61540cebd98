// The same jobs on what a user would take instead: oh-my-pi's broker (over HTTP and its event stream), oidc-agent where
// the system has it, and a JSON file under a lock. Foreign programs run in a network namespace that has nothing but loopback, with made-up tokens, and
// refresh at the authorization server of the tests. Linux only.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../dist/client/index.js";
import { startAuthorizationServer } from "../test/support/authorization-server.mjs";
import { CACHE, installed } from "./cache.mjs";
import { startOidcAgent } from "./oidc-agent.mjs";
import { call, client, median, quantile, rssMiB, show, startBroker, stop, temporaryHome } from "./world.mjs";

const PROFILES = 1_000;
const CALLS = 100;
const WATCHERS = 256;
const CHANGES = 15;
const CALLERS = 500;
const OMP = { bun: "1.4.5", "@oh-my-pi/pi-coding-agent": "18.2.3" };
const URL_OF_OMP = "http://127.0.0.1:8765";

const load = installed({ ...OMP, "proper-lockfile": "4.1.2" });
if (process.argv[2] !== "inside") {
  const again = `ip link set lo up && exec "${process.execPath}" "${process.argv[1]}" inside`;
  const user = process.getuid() === 0 ? [] : ["--map-root-user"];
  process.exit(spawnSync("unshare", [...user, "--net", "sh", "-c", again], { stdio: "inherit" }).status ?? 1);
}

const server = await startAuthorizationServer({ rotation: "strict" });
const { tokenUrl, clientId } = server;
const rows = [await own(), await omp(), ...(await oidcAgent()), await lockedFile()];
show("peers", rows);
process.exit(0);

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function row(what, { startMs, rss, ask, change, refresh }) {
  const memoryMiB = rss?.();
  const cached = [];
  for (let i = -10; i < CALLS; i += 1) {
    const ms = await timed(ask);
    if (i >= 0) cached.push(ms);
  }
  const spread = [];
  for (let i = 0; change !== undefined && i < CHANGES; i += 1) spread.push(await change(i));
  const fanIn = refresh && (await refresh());
  const ms = (value) => Number(value.toFixed(2));
  return {
    what,
    "cached p50 ms": ms(median(cached)),
    ...(startMs && { [`ready with ${PROFILES} ms`]: Math.round(median(startMs)) }),
    ...(rss && { "memory MiB": Math.round(memoryMiB) }),
    ...(change && {
      [`change to ${WATCHERS} p50 ms`]: ms(median(spread)),
      [`change to ${WATCHERS} p99 ms`]: ms(quantile(spread, 0.99)),
    }),
    ...fanIn,
  };
}

/** Twenty-five at a time. */
async function eachProfile(put) {
  for (let i = 0; i < PROFILES; i += 25)
    await Promise.all(Array.from({ length: 25 }, (_, more) => put(i + more)));
}

/** N callers at once on one login that must be refreshed. */
async function fanIn(callers, ask) {
  const before = server.requests.length;
  const ms = await timed(() => Promise.all(Array.from({ length: callers }, ask)));
  const requests = server.requests.slice(before).filter((r) => r.grantType === "refresh_token").length;
  return { [`refresh for ${callers} ms`]: Math.round(ms), "token requests": requests };
}

async function own() {
  const home = temporaryHome();
  const providers = { "openai-codex": { tokenUrl, clientId }, many: { type: "api-key" } };
  writeFileSync(join(home, "config.json"), JSON.stringify({ providers }));
  let broker = await startBroker(home);
  let admin = client(home, "profile", "admin");
  await eachProfile((i) =>
    call(admin, "PutProfile", { profile: `many:p${i}`, apiKey: { key: `sk-FAKE-${i}` } }),
  );
  admin.close();
  const startMs = [];
  for (let i = 0; i < 4; i += 1) {
    await stop(broker);
    startMs.push(
      await timed(async () => {
        broker = await startBroker(home);
      }),
    );
  }
  admin = client(home, "profile", "admin");
  const library = await connect({ address: join(home, "run", "agent.sock") });
  const agent = client(home, "credential");
  let heard = () => {};
  const streams = Array.from({ length: WATCHERS }, () => agent.WatchCredential({ provider: "many" }));
  const first = everybody((one) => {
    heard = one;
  });
  for (const stream of streams) stream.on("data", () => heard()).on("error", () => {});
  await first;
  return row("auth-broker", {
    startMs,
    rss: () => rssMiB(broker),
    ask: () => library.acquire({ provider: "many" }),
    change: async () => {
      const { lease } = await library.acquire({ provider: "many" });
      const all = everybody((one) => {
        heard = one;
      });
      return timed(() => Promise.all([library.report({ lease, outcome: "USAGE_LIMIT" }), all]));
    },
    refresh: async () => {
      const { accessToken, refreshToken } = await server.login({ sub: "ann", email: "ann@example.test" });
      const expireTime = { seconds: Math.floor(Date.now() / 1_000) - 60, nanos: 0 };
      const oauth = { accessToken, refreshToken, expireTime };
      await call(admin, "PutProfile", { profile: "openai-codex:ann", oauth });
      return fanIn(CALLERS, () => library.acquire({ provider: "openai-codex" }));
    },
  });
}

function everybody(listen) {
  let left = WATCHERS;
  return new Promise((resolve) => {
    listen(() => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
}

async function omp() {
  const home = temporaryHome();
  const bin = join(CACHE, "node_modules", ".bin", "bun");
  const cli = join(CACHE, "node_modules/@oh-my-pi/pi-coding-agent/dist/cli.js");
  const env = { PATH: process.env.PATH, HOME: home };
  const token = spawnSync(bin, [cli, "auth-broker", "token"], { env, encoding: "utf8" }).stdout.trim();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const http = async (method, path, body) => {
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    const answer = await fetch(`${URL_OF_OMP}${path}`, init);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const start = async () => {
    const args = [cli, "auth-broker", "serve", `--bind=${URL_OF_OMP.slice("http://".length)}`];
    const child = spawn(bin, args, { env, stdio: "ignore" });
    process.once("exit", () => child.kill("SIGKILL"));
    while (!(await http("GET", "/v1/healthz").catch(() => undefined))) await new Promise(setImmediate);
    return child;
  };
  let broker = await start();
  await eachProfile((i) => {
    const credential = { type: "api_key", key: `sk-FAKE-${i}` };
    return http("POST", "/v1/credential", { provider: `many-${i}`, credential });
  });
  const startMs = [];
  for (let i = 0; i < 4; i += 1) {
    await stop(broker);
    startMs.push(
      await timed(async () => {
        broker = await start();
      }),
    );
  }
  let heard = () => {};
  const first = everybody((one) => {
    heard = one;
  });
  for (let i = 0; i < WATCHERS; i += 1) {
    const { body } = await fetch(`${URL_OF_OMP}/v1/snapshot/stream`, { headers });
    (async () => {
      for await (const text of body.pipeThrough(new TextDecoderStream()))
        for (const _ of text.matchAll(/^event: (?!keepalive)/gm)) heard();
    })().catch(() => {});
  }
  await first;
  const { credentials } = await http("GET", "/v1/snapshot");
  const { id } = credentials[0];
  return row("oh-my-pi broker", {
    startMs,
    rss: () => rssMiB(broker),
    ask: () => http("GET", "/v1/snapshot"),
    change: async (i) => {
      const all = everybody((one) => {
        heard = one;
      });
      const block = {
        providerKey: "many-0",
        blockScope: "",
        blockedUntilMs: Date.now() + 3_600_000 + i * 1_000,
      };
      return timed(() => Promise.all([http("POST", `/v1/credential/${id}/block`, block), all]));
    },
    // What is uploaded loses the address of its token endpoint (18.2.3), so no refresh can be led to our server.
  });
}

async function oidcAgent() {
  const agent = await startOidcAgent(server);
  return agent === undefined ? [] : [await row("oidc-agent", agent)];
}

async function lockedFile() {
  const lockfile = load("proper-lockfile");
  const directory = join(temporaryHome(), "agent");
  mkdirSync(directory);
  const file = join(directory, "auth.json");
  writeFileSync(file, JSON.stringify({ key: "sk-FAKE", padding: "x".repeat(5_000) }));
  return row("locked file", {
    ask: async () => {
      const release = await lockfile.lock(file, { retries: 100 });
      JSON.parse(readFileSync(file, "utf8"));
      await release();
    },
  });
}
