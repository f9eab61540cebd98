// What more profiles cost: 10, 100, 1,000 and 2,000 of them, over 20 providers (10 over 10). One broker each, all
// running at once and asked in turn, call by call, so that the ratios are of the same moments.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  call,
  client,
  keyConfig,
  median,
  putKeys,
  rssMiB,
  show,
  startBroker,
  stop,
  temporaryHome,
} from "./world.mjs";

const ROUNDS = Number(process.argv[2] ?? 1_500);
const COMMITS = Math.ceil(ROUNDS / 5);
const STARTS = 5;

async function world(profiles) {
  const providers = Math.min(20, profiles);
  const home = temporaryHome();
  writeFileSync(join(home, "config.json"), keyConfig(20));
  const first = await startBroker(home);
  await putKeys(home, profiles, providers);
  await stop(first);
  const broker = await startBroker(home);
  return {
    profiles,
    home,
    broker,
    agent: client(home, "credential"),
    admin: client(home, "profile", "admin"),
    acquireMs: [],
    commitMs: [],
    startMs: [],
  };
}

async function timed(list, work) {
  const began = performance.now();
  await work();
  list.push(performance.now() - began);
}

const worlds = [];
for (const profiles of [10, 100, 1_000, 2_000]) worlds.push(await world(profiles));
for (let i = 0; i < ROUNDS + 200; i += 1) {
  for (const { agent, acquireMs } of worlds)
    await timed(acquireMs, () => call(agent, "AcquireCredential", { provider: "bench-3", model: "m" }));
}
for (let i = 0; i < COMMITS + 20; i += 1) {
  const baseUrl = `https://api-${i}.example.test`;
  for (const { admin, commitMs } of worlds)
    await timed(commitMs, () => call(admin, "UpdateProfile", { profile: "bench-3:p00003", baseUrl }));
}
for (const one of worlds) one.rss = Math.round(rssMiB(one.broker));
for (const { broker } of worlds) await stop(broker);
for (let i = 0; i < STARTS; i += 1) {
  for (const one of worlds) {
    let broker;
    await timed(one.startMs, async () => {
      broker = await startBroker(one.home);
    });
    await stop(broker);
  }
}

const [least] = worlds;
const ratio = (own, floor) => Number(median(own.map((ms, i) => ms / floor[i])).toFixed(3));
show(
  "scale",
  worlds.map(({ profiles, acquireMs, commitMs, startMs, rss }) => ({
    profiles,
    "acquire p50 µs": Math.round(median(acquireMs.slice(200)) * 1_000),
    "acquire : 10": ratio(acquireMs.slice(200), least.acquireMs.slice(200)),
    "commit p50 ms": Number(median(commitMs.slice(20)).toFixed(2)),
    "commit : 10": ratio(commitMs.slice(20), least.commitMs.slice(20)),
    "ready ms": Math.round(median(startMs)),
    "ready : 10": ratio(startMs, least.startMs),
    "memory MiB": rss,
  })),
);
process.exit(0);
