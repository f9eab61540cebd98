import { expect, test } from "vitest";
import { at, MINUTE, refusal, SECOND, type World, watchful, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;

/** A profile whose guessed plan limit has just run out: the next use is a trial. */
async function halfOpen(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "USAGE_LIMIT");
  await broker.advance(15 * MINUTE);
  return broker;
}

test("the first acquire after a guessed plan limit gets a trial lease; for others the profile is cooling", async () => {
  await using broker = await halfOpen();
  const { candidates } = await broker.agent.explain({ provider: CODEX });
  expect(candidates).toMatchObject([{ eligible: true, reason: "TRIAL" }]);
  expect((await broker.acquire(CODEX)).lease.trial).toBe(true);
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ALL_COOLING_DOWN" });
  expect(error.why(A)).toBe("TRIAL_IN_PROGRESS");
  expect(at(error.unavailable?.retryTime)).toBe(broker.nowMs + 60 * SECOND);
});

test("the first watch gets a trial of its own", async () => {
  await using broker = await halfOpen();
  expect((await broker.acquire(CODEX)).lease.trial).toBe(true);
  const watch = broker.agent.watch({ provider: CODEX });
  expect((await watch.next()).granted?.lease.trial).toBe(true);
  const second = broker.agent.watch({ provider: CODEX });
  expect((await second.next()).unavailable?.profiles[0]?.reason).toBe("TRIAL_IN_PROGRESS");
  watch.cancel();
  second.cancel();
});

test("a trial that fails sets the cooldown again, longer; the others do not get through meanwhile", async () => {
  await using broker = await halfOpen();
  const { retryTime } = await broker.fails(CODEX, "USAGE_LIMIT");
  expect(at(retryTime)).toBe(broker.nowMs + 30 * MINUTE);
  expect((await refusal(broker.acquire(CODEX))).why(A)).toBe("COOLING_DOWN");
});

test("a trial that succeeds clears the limit and the strikes", async () => {
  await using broker = await halfOpen();
  await broker.fails(CODEX, "OK");
  expect((await broker.acquire(CODEX)).lease.trial).toBe(false);
  expect(at((await broker.fails(CODEX, "USAGE_LIMIT")).retryTime)).toBe(broker.nowMs + 15 * MINUTE);
});

test("silence for 60 s clears the limit, and the strikes are kept", async () => {
  await using broker = await halfOpen();
  const { lease } = await broker.acquire(CODEX);
  expect(lease.trial).toBe(true);
  await broker.advance(60 * SECOND - 1);
  expect((await refusal(broker.acquire(CODEX))).why(A)).toBe("TRIAL_IN_PROGRESS");
  await broker.advance(1);
  expect((await broker.acquire(CODEX)).lease.trial).toBe(false);
  expect(await broker.serves(CODEX)).toBe(A);
  expect(at((await broker.fails(CODEX, "USAGE_LIMIT")).retryTime)).toBe(broker.nowMs + 30 * MINUTE);
});

test("a release ends the trial", async () => {
  await using broker = await halfOpen();
  const { lease } = await broker.acquire(CODEX);
  await broker.agent.release(lease.leaseId);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("who waits for a trial with max_wait is served when it has succeeded", async () => {
  await using broker = await halfOpen();
  const { lease } = await broker.acquire(CODEX);
  const waiting = watchful(broker.acquire({ provider: CODEX, maxWait: "20s" }));
  await broker.settle();
  expect(waiting.settled).toBe(false);
  await broker.report(lease.leaseId, "OK");
  expect((await waiting.promise).lease.trial).toBe(false);
});

test("an operator's clear ends a trial", async () => {
  await using broker = await halfOpen();
  expect((await broker.acquire(CODEX)).lease.trial).toBe(true);
  await broker.clear(A);
  expect((await broker.acquire(CODEX)).lease.trial).toBe(false);
  expect((await broker.acquire(CODEX)).lease.trial).toBe(false);
});

test("a stated reset is never tested before its time, and needs no trial after it", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(40 * MINUTE) });
  await broker.advance(40 * MINUTE - 1);
  expect((await refusal(broker.acquire(CODEX))).why(A)).toBe("COOLING_DOWN");
  await broker.advance(1);
  expect((await broker.acquire(CODEX)).lease.trial).toBe(false);
  expect((await broker.acquire(CODEX)).lease.trial).toBe(false);
});

test("a profile that waits for a trial is passed over while another is usable only by order", async () => {
  await using broker = await halfOpen();
  await broker.put(`${CODEX}:b`);
  expect((await broker.acquire(CODEX)).lease).toMatchObject({ profile: A, trial: true });
  expect((await broker.acquire(CODEX)).lease).toMatchObject({ profile: `${CODEX}:b`, trial: false });
});

test("after a restart a half-open profile is still tried by one only", async () => {
  await using broker = await halfOpen();
  await broker.restart();
  expect((await broker.acquire(CODEX)).lease.trial).toBe(true);
  expect((await refusal(broker.acquire(CODEX))).why(A)).toBe("TRIAL_IN_PROGRESS");
});
