import { expect, test } from "vitest";
import { at, DAY, HOUR, MINUTE, refusal, SECOND, watchful, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;

test("a cooldown ends as soon as either clock says so: the wall clock steps forward by a day", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(10 * DAY) });
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(6 * HOUR) });
  broker.clock.stepWall(DAY);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a cooldown ends as soon as either clock says so: the wall clock steps back by a day", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(10 * DAY) });
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(6 * HOUR) });
  broker.clock.stepWall(-DAY);
  const error = await refusal(broker.acquire(CODEX));
  expect(at(error.unavailable?.retryTime)).toBe(broker.nowMs + 6 * HOUR);
  expect(error.retryDelayMs).toBe(6 * HOUR);
  await broker.advance(6 * HOUR);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a token is good only while both clocks say so", async () => {
  await using broker = await world();
  await broker.putToken(A, { expireTime: broker.inTime(HOUR) });
  broker.clock.stepWall(-DAY);
  await broker.advance(HOUR);
  const back = await refusal(broker.acquire({ provider: CODEX, minValidFor: "0s" }));
  expect(back.reason).toBe("LOGIN_REQUIRED");
  await broker.putToken("qwen:a", { expireTime: broker.inTime(HOUR) });
  broker.clock.stepWall(DAY);
  const forward = await refusal(broker.acquire({ provider: "qwen", minValidFor: "0s" }));
  expect(forward.reason).toBe("LOGIN_REQUIRED");
});

test("a cooldown never lasts longer after a restart than its own length", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(10 * DAY) });
  await broker.fails(CODEX, "USAGE_LIMIT");
  await broker.restart(-DAY);
  const error = await refusal(broker.acquire(CODEX));
  expect(error.retryDelayMs).toBeLessThanOrEqual(15 * MINUTE);
  await broker.advance(15 * MINUTE);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("after a sleep of the machine a refresh that fell due is started within 30 s", async () => {
  await using broker = await world();
  await broker.put(A);
  broker.clock.sleepHost(9.9 * HOUR);
  await broker.advance(30 * SECOND);
  expect(broker.token.requests).toHaveLength(1);
  expect((await broker.get(A)).generation).toBe(2);
});

test("an acquire right after a sleep past the token's end waits for the refresh, and never gives an expired token", async () => {
  await using broker = await world();
  await broker.put(A);
  broker.clock.sleepHost(11 * HOUR);
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-1");
});

test("no timer is ever set further ahead than 30 s, but for a caller's own wait", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(300 * DAY) });
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(7 * DAY) });
  await broker.settle();
  expect(Math.max(...broker.clock.timers())).toBeLessThanOrEqual(30 * SECOND);
});

test("a watch lives through a step of the wall clock in either direction, and still learns of the end of a cooldown", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(10 * DAY) });
  const watch = broker.agent.watch({ provider: CODEX });
  const { granted } = await watch.next();
  broker.clock.stepWall(-DAY);
  await broker.advance(2 * MINUTE);
  await broker.report(granted?.lease.leaseId ?? "", "USAGE_LIMIT");
  await watch.until(({ unavailable }) => unavailable !== undefined);
  await broker.advance(15 * MINUTE);
  await watch.until((message) => message.granted !== undefined);
  broker.clock.stepWall(2 * DAY);
  await broker.advance(2 * HOUR);
  const after = watchful(watch.next());
  await broker.refresh(A);
  expect((await after.promise).granted).toBeDefined();
  watch.cancel();
});

test("a session's idle hour and a lease's hours are not upset by a step back", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(10 * DAY) });
  await broker.put(`${CODEX}:b`, { expireTime: broker.inTime(10 * DAY) });
  await broker.serves({ provider: CODEX, sessionId: "s", profile: `${CODEX}:b` });
  const { lease } = await broker.acquire(CODEX);
  broker.clock.stepWall(-DAY);
  expect(await broker.serves({ provider: CODEX, sessionId: "s" })).toBe(`${CODEX}:b`);
  expect((await broker.report(lease.leaseId, "OK")).applied).toBe(true);
});
