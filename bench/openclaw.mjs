// What the plugin of OpenClaw adds to a model request: the time from OpenClaw's call to the plugin's own
// call of OpenClaw's transport, against a broker in a process of its own. Then, with the real OpenClaw, how
// soon the next account is asked after a limit, and how many requests are wasted: `test/bench/openclaw.test.ts`.
import { setTimeout as sleep } from "node:timers/promises";
import { sharedConnection } from "../dist/openclaw-plugin/connection.js";
import { authbroker } from "../dist/openclaw-plugin/provider.js";
import { call, client, quantile, show, startBroker, temporaryHome } from "./world.mjs";

const REQUESTS = 500;
const MODEL = { id: "gpt-5.6-terra", api: "openai-responses", provider: "authbroker", baseUrl: "" };
const DONE = { type: "done", message: { stopReason: "stop" } };

const home = temporaryHome();
const broker = await startBroker(home);
const admin = client(home, "profile", "admin");
for (const name of ["a", "b"]) {
  const oauth = {
    accessToken: `at-FAKE-${name}`,
    refreshToken: `rt-FAKE-${name}`,
    accountId: `acct-${name}`,
  };
  await call(admin, "PutProfile", { profile: `openai-codex:${name}`, oauth });
}

let sentAt = 0;
const streamFn = () => {
  sentAt = performance.now();
  return {
    async *[Symbol.asyncIterator]() {
      yield DONE;
    },
    result: async () => DONE.message,
  };
};
const connection = sharedConnection({ env: { AUTH_BROKER_HOME: home } });
const request = authbroker({}, connection).wrapStreamFn({ streamFn });

/** A model takes its time, and by then the report of the last request is over. */
const PAUSE_MS = 10;
const bare = [];
const before = [];
const library = await connection();
for (let i = -50; i < REQUESTS; i += 1) {
  const sessionId = `s${i & 7}`;
  const began = performance.now();
  for await (const _ of request(MODEL, {}, { sessionId }));
  const took = sentAt - began;
  await sleep(PAUSE_MS);
  const asked = performance.now();
  const { lease } = await library.acquire({ provider: "openai-codex", model: MODEL.id, sessionId });
  const answered = performance.now();
  await library.release(lease);
  if (i < 0) continue;
  before.push(took);
  bare.push(answered - asked);
}
const ms = (values, q) => Number(quantile(values, q).toFixed(2));
show("openclaw plugin, added to a model request", [
  {
    requests: REQUESTS,
    "before it is sent, p50 ms": ms(before, 0.5),
    "p99 ms": ms(before, 0.99),
    "the broker's answer alone, p50 ms": ms(bare, 0.5),
  },
]);
await library.close();
admin.close();
broker.kill();
