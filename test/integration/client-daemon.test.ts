import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Broker, connect } from "../../src/client/index.ts";
import { HOUR, SECOND, type World, world } from "../support/broker-world.ts";
import { errorOf } from "../support/fake-connection.ts";
import { type ModelApi, startModelApi, usageLimitReached } from "../support/model-api.mjs";

const CODEX = "openai-codex";

interface Scene {
  readonly daemon: World;
  readonly broker: Broker;
  readonly api: ModelApi;
  /** Calls the model API with a credential, as an agent would. */
  readonly call: (credential: { readonly headers: Readonly<Record<string, string>> }) => Promise<Response>;
  /** Whose requests reached the model API, and what they got. */
  readonly seen: () => (string | number | undefined)[][];
}

/** A real broker with two logins, a real client, and a stand-in for the model API. */
async function scene(): Promise<Scene> {
  const daemon = await world();
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const api = await startModelApi();
  onTestFinished(() => api.close());
  for (const label of ["a", "b"]) {
    await daemon.put(`${CODEX}:${label}`);
    api.accept(`at-FAKE-${label}`, `acct-${label}`);
  }
  const broker = await connect({ address: join(daemon.home, "run", "agent.sock") });
  onTestFinished(() => broker.close());
  return {
    daemon,
    broker,
    api,
    call: ({ headers }) => fetch(`${api.baseUrl}/responses`, { method: "POST", headers, body: "{}" }),
    seen: () => api.requests.map(({ account, status }) => [account, status]),
  };
}

test("use moves on to the next login when one is used up, and later calls begin there", async () => {
  const { daemon, broker, api, call, seen } = await scene();
  api.answer("acct-a", usageLimitReached({ resetsAtMs: daemon.nowMs + HOUR }));
  const response = await broker.use(CODEX, { model: "m" }, call);
  expect(await response.json()).toMatchObject({ account: "acct-b" });
  await broker.use(CODEX, { model: "m" }, call);
  expect(seen()).toEqual([
    ["acct-a", 429],
    ["acct-b", 200],
    ["acct-b", 200],
  ]);
  expect((await daemon.get(`${CODEX}:a`)).state).toBe("PROFILE_STATE_COOLING_DOWN");
});

test("use with every login used up gives the last answer, each asked once; the next use says until when", async () => {
  const { daemon, broker, api, call, seen } = await scene();
  const resetsAtMs = daemon.nowMs + HOUR;
  for (const account of ["acct-a", "acct-b"]) api.answer(account, usageLimitReached({ resetsAtMs }));
  const response = await broker.use(CODEX, {}, call);
  expect(response.status).toBe(429);
  expect(await response.json()).toMatchObject({ error: { type: "usage_limit_reached" } });
  expect(await errorOf(broker.use(CODEX, {}, call))).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "ALL_COOLING_DOWN",
    retryTime: new Date(resetsAtMs),
    profiles: [
      { profile: `${CODEX}:a`, reason: "COOLING_DOWN" },
      { profile: `${CODEX}:b`, reason: "COOLING_DOWN" },
    ],
  });
  expect(seen()).toHaveLength(2);
});

test("use waits within maxWait for a login to come back, and then asks again", async () => {
  const { daemon, broker, api, call, seen } = await scene();
  const resetsAtMs = daemon.nowMs + 30 * SECOND;
  for (const account of ["acct-a", "acct-b"]) api.answer(account, usageLimitReached({ resetsAtMs }));
  const running = broker.use(CODEX, { maxWait: "60s" }, call);
  await expect.poll(() => seen().length).toBe(2);
  api.answer("acct-a", undefined);
  while (seen().length === 2) await daemon.advance(10 * SECOND);
  expect((await running).status).toBe(200);
  expect(seen().at(-1)).toEqual(["acct-a", 200]);
});

test("use tries a refused login once more with the token that the refresh brought", async () => {
  const { daemon, broker, api, call, seen } = await scene();
  await daemon.put(`${CODEX}:a`, { accessToken: "at-FAKE-dead", refreshToken: "rt-FAKE-next" });
  await daemon.advance(2 * 60 * SECOND);
  api.accept("at-FAKE-new-1", "acct-a");
  const response = await broker.use(CODEX, { profile: `${CODEX}:a` }, call);
  expect(response.status).toBe(200);
  expect(seen()).toEqual([
    [undefined, 401],
    ["acct-a", 200],
  ]);
  expect(daemon.token.requests).toHaveLength(1);
});

test("a restart of the broker is not noticed: calls wait, leases count, watches and handles go on", async () => {
  const { daemon, broker } = await scene();
  const { lease } = await broker.acquire({ provider: CODEX });
  const live = await broker.live(CODEX);
  const states = broker.watch({ provider: CODEX })[Symbol.asyncIterator]();
  expect((await states.next()).value?.granted?.lease.profile).toBe(`${CODEX}:a`);

  await daemon.drain();
  await expect.poll(() => live.state).toBe("disconnected");
  expect(live.current().lease.profile).toBe(`${CODEX}:a`);
  const waiting = broker.acquire({ provider: CODEX });
  await daemon.start();
  const startedAt = performance.now();
  expect((await waiting).lease.profile).toBe(`${CODEX}:a`);
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeLessThan(700);

  const report = await broker.report({ lease, outcome: "USAGE_LIMIT", acquireNext: true });
  expect(report).toMatchObject({
    applied: true,
    advice: { action: "ADVICE_ACTION_RETRY_NEXT", delay: 0 },
    next: { granted: { lease: { profile: `${CODEX}:b` } } },
  });
  await expect.poll(() => live.state === "connected" && live.current().lease.profile).toBe(`${CODEX}:b`);
  let profile: string | undefined;
  while (profile !== `${CODEX}:b`) profile = (await states.next()).value?.granted?.lease.profile;
});

test("what the client shows of a failure holds no token", async () => {
  const { broker } = await scene();
  const errors = [
    await errorOf(broker.acquire({ provider: CODEX, profile: `${CODEX}:none` })),
    await errorOf(broker.acquire({ provider: CODEX, pool: "none" })),
    await errorOf(broker.acquire({ provider: "?" })),
    await errorOf(broker.report({ leaseId: "forged", outcome: "OK" })),
    await errorOf(broker.use(CODEX, { minValidFor: "100000s" }, () => 1)),
  ];
  expect(errors.map(({ reason }) => reason)).toEqual([
    "PROFILE_UNKNOWN",
    "NO_PROFILE",
    "FIELD_INVALID",
    "LEASE_UNKNOWN",
    "VALIDITY_UNREACHABLE",
  ]);
  for (const error of errors) expect(JSON.stringify({ ...error, text: error.stack })).not.toContain("FAKE");
});

test("status tells how many logins are usable, and when the next one is", async () => {
  const { daemon, broker } = await scene();
  const { lease } = await broker.acquire({ provider: CODEX });
  const retryTime = new Date(daemon.nowMs + HOUR);
  await broker.report({ lease, outcome: "USAGE_LIMIT", retryTime });
  expect(await broker.status()).toMatchObject({
    store: { kind: "lowdb", writable: true },
    providers: expect.arrayContaining([
      expect.objectContaining({ provider: CODEX, usable: 1, coolingDown: 1, nextUsableTime: retryTime }),
    ]),
  });
});
