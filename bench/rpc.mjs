// AcquireCredential against (a) a bare grpc-js server that sends the same answer, (b) the same answer as a line of
// JSON on a socket, (c) reading a 5 KB JSON file under proper-lockfile, which is what agents do today. With 1,
// 16, 64 and 256 in flight from 1 and 4 client processes. All ways take turns in each round; what is shown are
// medians of the rounds and of the rounds' ratios. One in flight alternates call by call.
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { installed } from "./cache.mjs";
import {
  call,
  client,
  cpuMs,
  keyConfig,
  median,
  putKeys,
  show,
  startBare,
  startBroker,
  startProgram,
  temporaryHome,
} from "./world.mjs";

const ROUNDS = Number(process.argv[2] ?? 7);
const CALLS = 2_000;
const LOCKED_CALLS = 60;
const PROVIDERS = 10;
const here = (name) => new URL(name, import.meta.url).pathname;

const home = temporaryHome();
writeFileSync(join(home, "config.json"), keyConfig(PROVIDERS));
const broker = await startBroker(home);
await putKeys(home, 10, PROVIDERS);
const one = client(home, "credential");
const answer = await call(one, "AcquireCredential", { provider: "bench-3", model: "m" });
one.close();
const { socket, bare } = await startBare(home, answer);
const jsonSocket = join(home, "json.sock");
await startProgram(here("./json-server.mjs"), [jsonSocket], JSON.stringify(answer));
const file = join(home, "auth.json");
writeFileSync(
  file,
  JSON.stringify({ ...answer, padding: "x".repeat(5_000 - JSON.stringify(answer).length) }),
);

// Here, and not by four callers at once.
installed({ "proper-lockfile": "4.1.2" });
const callers = Array.from({ length: 4 }, () =>
  fork(here("./rpc-callers.mjs"), [home, socket, jsonSocket, file]),
);
process.once("exit", () => {
  for (const child of callers) child.kill("SIGKILL");
});
await Promise.all(callers.map(heard));

function heard(child) {
  return new Promise((resolve) => child.once("message", resolve));
}

function ask(processes, order) {
  return Promise.all(
    callers.slice(0, processes).map((child) => {
      const answered = heard(child);
      child.send(order);
      return answered;
    }),
  );
}

async function round(way, processes, inFlight) {
  const server = { broker, "bare grpc-js": bare }[way];
  const calls = Math.ceil((way === "locked file" ? LOCKED_CALLS : CALLS) / processes);
  const cpu = server && cpuMs(server);
  const ends = await ask(processes, { way, inFlight: Math.max(1, Math.floor(inFlight / processes)), calls });
  return {
    p50: median(ends.map(({ p50 }) => p50)),
    perSecond: (calls * processes * 1_000) / Math.max(...ends.map(({ tookMs }) => tookMs)),
    cpuUs: server && ((cpuMs(server) - cpu) * 1_000) / (calls * processes),
  };
}

const rows = [];
const paired = [];
for (let i = -1; i < ROUNDS; i += 1) {
  const [pair] = await ask(1, { way: "pairs", calls: CALLS / 2 });
  if (i >= 0) paired.push(pair);
}
rows.push({
  "in flight": 1,
  processes: 1,
  way: "broker : bare, call by call",
  "p50 µs": Math.round(median(paired.map(({ broker: own }) => own * 1_000))),
  "p50 : bare": ratio(paired.map(({ broker: own, bare: floor }) => own / floor)),
});

for (const [inFlight, processes] of [
  [1, 1],
  [16, 1],
  [64, 1],
  [256, 1],
  [4, 4],
  [64, 4],
  [256, 4],
]) {
  const ways = ["broker", "bare grpc-js", "JSON lines", ...(inFlight <= 16 ? ["locked file"] : [])];
  const seen = Object.fromEntries(ways.map((way) => [way, []]));
  for (let i = -1; i < ROUNDS; i += 1) {
    // Another one first each time, so that nobody always comes after the same neighbour.
    for (const [at] of ways.entries()) {
      const way = ways[(at + i + 1) % ways.length];
      const end = await round(way, processes, inFlight);
      if (i >= 0) seen[way].push(end);
    }
  }
  const floor = seen["bare grpc-js"];
  for (const way of ways) {
    const of = (key) => seen[way].map((end) => end[key]);
    rows.push({
      "in flight": inFlight,
      processes,
      way,
      "p50 µs": Math.round(median(of("p50")) * 1_000),
      "calls/s": Math.round(median(of("perSecond"))),
      "p50 : bare": ratio(of("p50").map((ms, i) => ms / floor[i].p50)),
      "calls/s : bare": ratio(of("perSecond").map((n, i) => n / floor[i].perSecond)),
      ...(of("cpuUs")[0] !== undefined && {
        "server CPU µs": Math.round(median(of("cpuUs"))),
        "CPU : bare": ratio([sum(of("cpuUs")) / sum(floor.map(({ cpuUs }) => cpuUs))]),
      }),
    });
  }
}

function ratio(values) {
  return Number(median(values).toFixed(3));
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

show("rpc", rows);
process.exit(0);
