// One client process of `bench:rpc`: asks one of four ways, so many in flight, and says how long each took.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { installed } from "./cache.mjs";
import { bareClient, call, client, median } from "./world.mjs";

const [home, bareSocket, jsonSocket, file] = process.argv.slice(2);
const REQUEST = { provider: "bench-3", model: "m" };
const own = client(home, "credential");
const bare = bareClient(bareSocket);
const lockfile = installed({ "proper-lockfile": "4.1.2" })("proper-lockfile");

const ways = {
  broker: () => call(own, "AcquireCredential", REQUEST),
  "bare grpc-js": () => call(bare, "AcquireCredential", REQUEST),
  "JSON lines": lines(jsonSocket),
  "locked file": async () => {
    const release = await lockfile.lock(file, { retries: { retries: 1_000, minTimeout: 1, maxTimeout: 10 } });
    try {
      return JSON.parse(readFileSync(file, "utf8"));
    } finally {
      await release();
    }
  },
};

function lines(path) {
  const socket = connect(path);
  const waiting = [];
  let rest = "";
  socket.setEncoding("utf8").on("data", (data) => {
    const all = (rest + data).split("\n");
    rest = all.pop();
    for (const line of all) waiting.shift()(JSON.parse(line));
  });
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      socket.write(`${JSON.stringify(REQUEST)}\n`);
    });
}

async function timed(way) {
  const began = performance.now();
  await ways[way]();
  return performance.now() - began;
}

async function flight(way, inFlight, calls) {
  const times = [];
  let left = calls;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      times.push(await timed(way));
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, one));
  return { p50: median(times), tookMs: performance.now() - began };
}

/** Call by call in turn, so that both meet the same moment of the machine. */
async function pairs(calls) {
  const times = { broker: [], "bare grpc-js": [] };
  for (let i = 0; i < calls; i += 1) for (const way of Object.keys(times)) times[way].push(await timed(way));
  return { broker: median(times.broker), bare: median(times["bare grpc-js"]) };
}

process.on("message", async ({ way, inFlight, calls }) => {
  process.send(way === "pairs" ? await pairs(calls) : await flight(way, inFlight, calls));
});
process.send("connected");
