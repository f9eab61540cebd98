import { expect, test } from "vitest";
import {
  at,
  DAY,
  HOUR,
  MINUTE,
  refusal,
  SECOND,
  type World,
  watchful,
  world,
} from "../support/broker-world.ts";
import { fakeJwt } from "../support/jwt.ts";
import { tokens } from "../support/token-endpoint.ts";

// The clock does what clocks do while callers wait. Nobody waits longer than the rules say on either
// clock, nobody is forgotten, and nothing is sent twice.

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const CROWD = 8;
const JUMPS: [string, (broker: World) => void][] = [
  ["a step forward by a day", (broker) => broker.clock.stepWall(DAY)],
  ["a step back by a day", (broker) => broker.clock.stepWall(-DAY)],
  ["a sleep of three hours", (broker) => broker.clock.sleepHost(3 * HOUR)],
];

/** So many callers who wait for the one profile. */
function crowd(broker: World, request: object) {
  return Array.from({ length: CROWD }, () =>
    watchful(broker.acquire({ provider: CODEX, ...request }, { deadlineMs: HOUR })),
  );
}

async function cooling(livesMs: number): Promise<World> {
  const broker = await world();
  await broker.put(A, { expireTime: broker.inTime(livesMs) });
  await broker.fails(CODEX, "RATE_LIMIT", { retryTime: broker.inTime(15 * MINUTE) });
  return broker;
}

test.each(JUMPS)(
  "%s while callers wait for the end of a cooldown: all are served, none too early",
  async (what, jump) => {
    await using broker = await cooling(10 * DAY);
    const calls = crowd(broker, { maxWait: "3600s" });
    await broker.settle();
    jump(broker);
    const isAhead = what !== "a step back by a day";
    await broker.advance(isAhead ? 30 * SECOND : 15 * MINUTE - SECOND);
    if (!isAhead) {
      expect(calls.some(({ settled }) => settled)).toBe(false);
      await broker.advance(SECOND);
    }
    const served = await Promise.all(calls.map(({ promise }) => promise));
    expect(served.map(({ lease }) => lease.profile)).toEqual(Array(CROWD).fill(A));
  },
);

test("a step back by a day while callers wait: nobody waits longer than asked", async () => {
  await using broker = await cooling(10 * DAY);
  const calls = crowd(broker, { maxWait: "20s" }).map(({ promise }) => watchful(refusal(promise)));
  await broker.settle();
  broker.clock.stepWall(-DAY);
  await broker.advance(20 * SECOND - 1);
  expect(calls.some(({ settled }) => settled)).toBe(false);
  await broker.advance(1);
  for (const { promise } of calls) {
    const error = await promise;
    expect(error.reason).toBe("ALL_COOLING_DOWN");
    expect(error.retryDelayMs).toBe(15 * MINUTE - 20 * SECOND);
  }
});

test.each(JUMPS)(
  "%s while callers wait for a refresh: one request, and what it brings is judged by both clocks",
  async (_what, jump) => {
    await using broker = await world();
    await broker.put(A, { expireTime: broker.inTime(HOUR) });
    const held = broker.token.hold();
    const calls = crowd(broker, { minValidFor: "7200s" });
    await held.arrived;
    await broker.settle();
    jump(broker);
    // Good for two days from when it was asked for, so also after the step.
    held.answer(tokens(1, { expires_in: 2 * 86_400 }));
    for (const { promise } of calls) {
      const { credential } = await promise;
      expect(credential.oauth?.accessToken).toBe("at-FAKE-new-1");
    }
    await broker.advance(30 * SECOND);
    expect(broker.token.requests).toHaveLength(1);
  },
);

test("a step beyond the life of what a refresh brings: nobody gets it, all get what the next one brings", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(MINUTE) });
  const held = broker.token.hold();
  const calls = crowd(broker, { minValidFor: "600s" });
  await held.arrived;
  await broker.settle();
  broker.clock.stepWall(DAY);
  held.answer(tokens("old", { expires_in: 3600 }));
  for (const { promise } of calls) {
    const { credential } = await promise;
    expect(credential.oauth?.accessToken).toBe("at-FAKE-new-1");
    expect(at(credential.oauth?.expireTime)).toBeGreaterThan(broker.nowMs);
  }
  expect(broker.token.requests.map(({ fields }) => fields.refresh_token)).toEqual([
    "rt-FAKE-a",
    "rt-FAKE-new-old",
  ]);
});

test.each([
  ["ahead", 10 * MINUTE, HOUR],
  ["behind", -10 * MINUTE, 50 * MINUTE],
])(
  "a server whose clock is 10 min %s: all who wait get the token, and nobody is told that it lives longer than it does",
  async (_what, skewMs, livesMs) => {
    await using broker = await world();
    await broker.put(A, { expireTime: broker.inTime(MINUTE) });
    const held = broker.token.hold();
    const calls = crowd(broker, { minValidFor: "1800s" });
    await held.arrived;
    const iat = (broker.nowMs + skewMs) / SECOND;
    const access_token = fakeJwt({ iat, exp: iat + 3600 });
    held.answer(tokens(1, { access_token, expires_in: undefined }));
    for (const { promise } of calls) {
      const { credential } = await promise;
      expect(credential.oauth?.accessToken).toBe(access_token);
      expect(at(credential.oauth?.expireTime) - broker.nowMs).toBe(livesMs);
    }
    await broker.advance(30 * MINUTE);
    expect(broker.token.requests).toHaveLength(1);
  },
);
