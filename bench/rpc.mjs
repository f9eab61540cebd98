// AcquireCredential against a bare grpc-js server that sends the same answer: called alternately,
// call by call, in one run; the median of the rounds' ratios of the medians.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { clientConstructor, SERVICES } from "../dist/rpc/schema.js";
import {
  call,
  client,
  keyConfig,
  median,
  putKeys,
  show,
  startBroker,
  startProgram,
  temporaryHome,
} from "./world.mjs";

const ROUNDS = 9;
const CALLS = 500;
const PROVIDERS = 10;
const bareProgram = new URL("./bare-server.mjs", import.meta.url).pathname;

async function world(profiles) {
  const home = temporaryHome();
  writeFileSync(join(home, "config.json"), keyConfig(PROVIDERS));
  const broker = await startBroker(home);
  await putKeys(home, profiles, PROVIDERS);
  const brokerClient = client(home, "credential");
  const request = { provider: "bench-3", model: "m" };
  const answer = await call(brokerClient, "AcquireCredential", request);
  const socket = join(home, "bare.sock");
  const bare = await startProgram(bareProgram, [socket, JSON.stringify(answer)]);
  const bareClient = new (clientConstructor(SERVICES.credential))(
    `unix:${socket}`,
    credentials.createInsecure(),
  );
  return { broker, bare, brokerClient, bareClient, request };
}

async function timed(client, request) {
  const began = performance.now();
  await call(client, "AcquireCredential", request);
  return performance.now() - began;
}

async function rounds(w) {
  const ratios = [];
  let brokerMs = 0;
  let bareMs = 0;
  for (let round = -1; round < ROUNDS; round += 1) {
    const own = [];
    const floor = [];
    for (let i = 0; i < CALLS; i += 1) {
      own.push(await timed(w.brokerClient, w.request));
      floor.push(await timed(w.bareClient, w.request));
    }
    if (round < 0) continue; // warm-up
    ratios.push(median(own) / median(floor));
    brokerMs = median(own);
    bareMs = median(floor);
  }
  return { ratio: median(ratios), brokerMs, bareMs };
}

const rows = [];
for (const profiles of [10, 1_000]) {
  const w = await world(profiles);
  const { ratio, brokerMs, bareMs } = await rounds(w);
  rows.push({
    profiles,
    "broker p50 µs": Math.round(brokerMs * 1000),
    "bare p50 µs": Math.round(bareMs * 1000),
    ratio: Number(ratio.toFixed(3)),
  });
  w.broker.kill();
  w.bare.kill();
  w.brokerClient.close();
  w.bareClient.close();
}
rows.push({ profiles: "1,000 : 10", ratio: Number((rows[1].ratio / rows[0].ratio).toFixed(3)) });
show("rpc", rows);
process.exit(0);
