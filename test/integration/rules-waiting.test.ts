import { expect, test } from "vitest";
import { HOUR, refusal, SECOND, type World, watchful, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;

/** One profile that cools down for 30 s. */
async function cooling(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "RATE_LIMIT");
  return broker;
}

test("without max_wait the answer comes at once", async () => {
  await using broker = await cooling();
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("ALL_COOLING_DOWN");
  expect((await refusal(broker.acquire({ provider: CODEX, maxWait: "0s" }))).reason).toBe("ALL_COOLING_DOWN");
});

test("the end of a cooldown is awaited up to max_wait", async () => {
  await using broker = await cooling();
  const call = watchful(broker.acquire({ provider: CODEX, maxWait: "30s" }));
  await broker.advance(30 * SECOND - 1);
  expect(call.settled).toBe(false);
  await broker.advance(1);
  expect((await call.promise).lease.profile).toBe(A);
});

test("after max_wait comes the typed error that would have come at once", async () => {
  await using broker = await cooling();
  const call = watchful(refusal(broker.acquire({ provider: CODEX, maxWait: "10s" })));
  await broker.advance(10 * SECOND);
  expect(await call.promise).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "ALL_COOLING_DOWN",
    retryDelayMs: 20 * SECOND,
  });
});

test("an operator's clear ends the wait", async () => {
  await using broker = await cooling();
  const call = watchful(broker.acquire({ provider: CODEX, maxWait: "20s" }));
  await broker.settle();
  expect(call.settled).toBe(false);
  await broker.clear(A);
  expect((await call.promise).lease.profile).toBe(A);
});

test("a login is awaited, too", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "AUTH_PERMANENT");
  const call = watchful(broker.acquire({ provider: CODEX, maxWait: "20s" }));
  await broker.settle();
  expect(call.settled).toBe(false);
  await broker.put(A, {
    accessToken: "at-FAKE-2",
    refreshToken: "rt-FAKE-2",
    expireTime: broker.inTime(20 * HOUR),
  });
  expect((await call.promise).credential.oauth?.accessToken).toBe("at-FAKE-2");
});

test("the first profile of a provider is awaited", async () => {
  await using broker = await world();
  const call = watchful(broker.acquire({ provider: CODEX, maxWait: "20s" }));
  await broker.settle();
  expect(call.settled).toBe(false);
  await broker.put(A);
  expect((await call.promise).lease.profile).toBe(A);
});

test("50 ms before its deadline the caller gets the typed error instead of a bare timeout", async () => {
  await using broker = await cooling();
  const call = watchful(
    refusal(broker.acquire({ provider: CODEX, maxWait: "600s" }, { deadlineMs: 20_000 })),
  );
  await broker.advance(19 * SECOND);
  expect(call.settled).toBe(false);
  await broker.advance(SECOND - 45);
  expect(await call.promise).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ALL_COOLING_DOWN" });
});

test("without a deadline 35 s apply", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "USAGE_LIMIT");
  const call = watchful(refusal(broker.acquire({ provider: CODEX, maxWait: "600s" })));
  await broker.advance(34 * SECOND);
  expect(call.settled).toBe(false);
  await broker.advance(SECOND);
  expect(await call.promise).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ALL_COOLING_DOWN" });
});

test("a caller that goes away leaves nothing waiting", async () => {
  await using broker = await cooling();
  await broker.settle();
  let cancel = () => {};
  const call = refusal(
    broker.acquire({ provider: CODEX, maxWait: "20s" }, { onCall: (made) => (cancel = () => made.cancel()) }),
  );
  await broker.settle();
  cancel();
  expect((await call).code).toBe("CANCELLED");
  await broker.advance(30 * SECOND);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a wait that is in vain for a bad request is not begun", async () => {
  await using broker = await cooling();
  const unknown = await refusal(broker.acquire({ provider: "no-such", maxWait: "20s" }));
  expect(unknown.reason).toBe("PROVIDER_UNKNOWN");
});
