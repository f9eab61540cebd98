import { expect, test } from "vitest";
import { at, DAY, HOUR, MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const M1 = { provider: CODEX, model: "m1" };
const M2 = { provider: CODEX, model: "m2" };

async function one(config?: Record<string, unknown>): Promise<World> {
  const broker = await world(config === undefined ? {} : { config });
  await broker.put(A);
  return broker;
}

/** How long each of so many failures in a row holds the profile, tried again as soon as it is back. */
async function ladder(broker: World, outcome: string, times: number): Promise<number[]> {
  const lengths: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const { retryTime } = await broker.fails(CODEX, outcome);
    lengths.push(at(retryTime) - broker.nowMs);
    expect((await broker.get(A)).cooldowns).toMatchObject([
      { outcome: `OUTCOME_${outcome}`, strikes: i + 1 },
    ]);
    await broker.advance(at(retryTime) - broker.nowMs);
  }
  return lengths;
}

async function lease(broker: World, request: Record<string, unknown> | string = CODEX): Promise<string> {
  return (await broker.acquire(request)).lease.leaseId;
}

/** Milliseconds until the profile's one cooldown ends. */
async function left(broker: World): Promise<number> {
  const { cooldowns } = await broker.get(A);
  expect(cooldowns.length).toBeLessThanOrEqual(1);
  return cooldowns[0] === undefined ? 0 : at(cooldowns[0].untilTime) - broker.nowMs;
}

test("RATE_LIMIT without a stated time: 30 s · 2ⁿ, at most 15 min", async () => {
  await using broker = await one();
  const expected = [30 * SECOND, MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE, 15 * MINUTE, 15 * MINUTE];
  expect(await ladder(broker, "RATE_LIMIT", 7)).toEqual(expected);
});

test("USAGE_LIMIT without a stated time: 15 min · 2ⁿ, at most 6 h, half-open", async () => {
  await using broker = await one();
  const minutes = [15, 30, 60, 120, 240, 360, 360];
  expect(await ladder(broker, "USAGE_LIMIT", 7)).toEqual(minutes.map((m) => m * MINUTE));
  expect((await broker.acquire(CODEX)).lease.trial).toBe(true);
});

test("BILLING without a stated time: 10 min · 2ⁿ, at most 6 h, half-open", async () => {
  await using broker = await one();
  const minutes = [10, 20, 40, 80, 160, 320, 360];
  expect(await ladder(broker, "BILLING", 7)).toEqual(minutes.map((m) => m * MINUTE));
  expect((await broker.acquire(CODEX)).lease.trial).toBe(true);
});

test("after RATE_LIMIT the profile is simply back, without a trial", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "RATE_LIMIT");
  await broker.advance(30 * SECOND);
  expect((await broker.acquire(CODEX)).lease.trial).toBe(false);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a cooldown ends at its moment, not a millisecond before", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "RATE_LIMIT");
  await broker.advance(30 * SECOND - 1);
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("ALL_COOLING_DOWN");
  await broker.advance(1);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("RATE_LIMIT has scope PROFILE_MODEL if the model is known, else PROFILE", async () => {
  await using broker = await one();
  const known = await broker.fails(M1, "RATE_LIMIT");
  expect(known).toMatchObject({ scope: "SCOPE_PROFILE_MODEL", profileState: "PROFILE_STATE_READY" });
  const error = await refusal(broker.acquire(M1));
  expect(error.reason).toBe("ALL_COOLING_DOWN");
  expect(error.why(A)).toBe("MODEL_COOLING_DOWN");
  expect(await broker.serves(M2)).toBe(A);
  expect(await broker.serves(CODEX)).toBe(A);
  const unknown = await broker.fails(CODEX, "RATE_LIMIT");
  expect(unknown).toMatchObject({ scope: "SCOPE_PROFILE", profileState: "PROFILE_STATE_COOLING_DOWN" });
  expect((await refusal(broker.acquire(M2))).why(A)).toBe("COOLING_DOWN");
});

test("the model of the report goes before that of the lease", async () => {
  await using broker = await one();
  await broker.fails(M1, "RATE_LIMIT", { model: "m2" });
  expect(await broker.serves(M1)).toBe(A);
  expect((await refusal(broker.acquire(M2))).why(A)).toBe("MODEL_COOLING_DOWN");
});

test("USAGE_LIMIT and BILLING have scope PROFILE, also when the model is known", async () => {
  await using broker = await one();
  for (const outcome of ["USAGE_LIMIT", "BILLING"]) {
    expect((await broker.fails(M1, outcome)).scope).toBe("SCOPE_PROFILE");
    expect((await refusal(broker.acquire(M2))).why(A)).toBe("COOLING_DOWN");
    await broker.clear(A);
  }
});

test("MODEL_NOT_FOUND takes this model from the profile for 12 h", async () => {
  await using broker = await one();
  const answer = await broker.fails(M1, "MODEL_NOT_FOUND");
  expect(answer.scope).toBe("SCOPE_PROFILE_MODEL");
  expect(at(answer.retryTime)).toBe(broker.nowMs + 12 * HOUR);
  expect(await broker.serves(M2)).toBe(A);
  await broker.advance(12 * HOUR - 1);
  expect((await refusal(broker.acquire({ ...M1, minValidFor: "0s" }))).why(A)).toBe("MODEL_COOLING_DOWN");
  await broker.advance(1);
  expect(await broker.serves(M1)).toBe(A);
});

test("MODEL_NOT_FOUND for an unknown model leaves the account's other models alone", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "MODEL_NOT_FOUND");
  expect(await broker.serves(M2)).toBe(A);
});

test("TIMEOUT changes nothing until the third in a row on one profile and model: 30 s · 2ⁿ, at most 5 min", async () => {
  await using broker = await one();
  for (let i = 0; i < 2; i += 1) {
    const answer = await broker.fails(M1, "TIMEOUT");
    expect(answer).toMatchObject({ scope: "SCOPE_NONE", profileState: "PROFILE_STATE_READY" });
    await broker.fails(M2, "TIMEOUT");
    expect(await left(broker)).toBe(0);
  }
  const lengths: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    const third = await broker.fails(M1, "TIMEOUT");
    expect(third.scope).toBe("SCOPE_PROFILE_MODEL");
    lengths.push(await left(broker));
    expect((await refusal(broker.acquire(M1))).why(A)).toBe("MODEL_COOLING_DOWN");
    expect(await broker.serves(M2)).toBe(A);
    await broker.advance(lengths.at(-1) ?? 0);
  }
  expect(lengths).toEqual([30 * SECOND, MINUTE, 2 * MINUTE, 4 * MINUTE, 5 * MINUTE, 5 * MINUTE]);
});

test("an OK resets the count of timeouts", async () => {
  await using broker = await one();
  await broker.fails(M1, "TIMEOUT");
  await broker.fails(M1, "TIMEOUT");
  await broker.fails(M1, "OK");
  await broker.fails(M1, "TIMEOUT");
  await broker.fails(M1, "TIMEOUT");
  expect(await broker.serves(M1)).toBe(A);
});

for (const outcome of ["OVERLOADED", "SERVER_ERROR"]) {
  test(`${outcome} is about the provider: no profile changes, the advice waits 2 s · 2ⁿ, at most 60 s, in memory`, async () => {
    await using broker = await one();
    const delays: unknown[] = [];
    for (let i = 0; i < 7; i += 1) {
      const answer = await broker.fails(CODEX, outcome);
      expect(answer).toMatchObject({ scope: "SCOPE_PROVIDER", profileState: "PROFILE_STATE_READY" });
      expect(answer.advice?.action).toBe("ADVICE_ACTION_RETRY_SAME");
      delays.push(answer.advice?.delay);
      expect(at(answer.retryTime)).toBe(
        broker.nowMs + Number.parseInt(answer.advice?.delay ?? "", 10) * SECOND,
      );
      expect(await left(broker)).toBe(0);
      await broker.advance(at(answer.retryTime) - broker.nowMs);
    }
    expect(delays).toEqual(["2s", "4s", "8s", "16s", "32s", "60s", "60s"]);
    await broker.restart();
    expect((await broker.fails(CODEX, outcome)).advice?.delay).toBe("2s");
  });
}

test("NETWORK, BAD_REQUEST and UNRECOGNIZED change no profile and only advise", async () => {
  await using broker = await one();
  for (const outcome of ["NETWORK", "BAD_REQUEST", "UNRECOGNIZED"]) {
    const answer = await broker.fails(M1, outcome);
    expect(answer).toMatchObject({
      applied: true,
      scope: "SCOPE_NONE",
      profileState: "PROFILE_STATE_READY",
    });
    expect(await broker.serves(M1)).toBe(A);
  }
  expect((await broker.fails(M1, "BAD_REQUEST")).advice?.action).toBe("ADVICE_ACTION_GIVE_UP");
  expect((await broker.fails(M1, "NETWORK")).advice?.action).toBe("ADVICE_ACTION_RETRY_SAME");
});

test("a plausible time stated by the provider wins over the guess", async () => {
  await using broker = await one();
  const until = broker.inTime(3 * DAY);
  const answer = await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: until });
  expect(at(answer.retryTime)).toBe(at(until));
  expect((await broker.get(A)).cooldowns).toMatchObject([
    { model: "", outcome: "OUTCOME_USAGE_LIMIT", source: "COOLDOWN_SOURCE_PROVIDER", strikes: 1 },
  ]);
  expect(await left(broker)).toBe(3 * DAY);
  const error = await refusal(broker.acquire(CODEX));
  expect(at(error.unavailable?.retryTime)).toBe(at(until));
  expect(error.retryDelayMs).toBe(3 * DAY);
});

test("a stated time that is past, or beyond the longest known window, is not believed", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(-MINUTE) });
  expect((await broker.get(A)).cooldowns[0]).toMatchObject({ source: "COOLDOWN_SOURCE_GUESS" });
  expect(await left(broker)).toBe(15 * MINUTE);
  await broker.clear(A);
  await broker.fails(CODEX, "RATE_LIMIT", { retryTime: broker.inTime(400 * DAY) });
  expect(await left(broker)).toBe(30 * SECOND);
});

test("within one outcome a stated time replaces a guess even if it is earlier", async () => {
  await using broker = await one();
  const [first, second] = [await lease(broker), await lease(broker)];
  await broker.report(first, "USAGE_LIMIT");
  expect(await left(broker)).toBe(15 * MINUTE);
  await broker.report(second, "USAGE_LIMIT", { retryTime: broker.inTime(5 * MINUTE) });
  expect(await left(broker)).toBe(5 * MINUTE);
});

test("of two stated times the later one holds, and a guess never shortens", async () => {
  await using broker = await one();
  const leases = [
    await lease(broker),
    await lease(broker),
    await lease(broker),
    await lease(broker),
  ] as const;
  await broker.report(leases[0], "USAGE_LIMIT", { retryTime: broker.inTime(2 * HOUR) });
  await broker.report(leases[1], "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  expect(await left(broker)).toBe(2 * HOUR);
  await broker.report(leases[2], "USAGE_LIMIT");
  expect(await left(broker)).toBe(2 * HOUR);
  await broker.report(leases[3], "USAGE_LIMIT", { retryTime: broker.inTime(3 * HOUR) });
  expect(await left(broker)).toBe(3 * HOUR);
});

test("each outcome keeps its own cooldown per profile and model; the latest end decides", async () => {
  await using broker = await one();
  const leases = [await lease(broker, M1), await lease(broker, M1), await lease(broker, M1)] as const;
  await broker.report(leases[0], "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.report(leases[1], "RATE_LIMIT", { retryTime: broker.inTime(2 * HOUR) });
  await broker.report(leases[2], "BILLING");
  const { cooldowns } = await broker.get(A);
  expect(cooldowns.map((c) => [c.outcome, c.model]).sort()).toEqual([
    ["OUTCOME_BILLING", ""],
    ["OUTCOME_RATE_LIMIT", "m1"],
    ["OUTCOME_USAGE_LIMIT", ""],
  ]);
  const own = await refusal(broker.acquire(M1));
  expect(at(own.unavailable?.retryTime)).toBe(broker.nowMs + 2 * HOUR);
  const other = await refusal(broker.acquire(M2));
  expect(at(other.unavailable?.retryTime)).toBe(broker.nowMs + HOUR);
});

test("several failures inside one window count as one strike", async () => {
  await using broker = await one();
  const leases = [await lease(broker), await lease(broker), await lease(broker)] as const;
  await broker.report(leases[0], "RATE_LIMIT");
  await broker.advance(10 * SECOND);
  await broker.report(leases[1], "RATE_LIMIT");
  await broker.report(leases[2], "RATE_LIMIT");
  expect((await broker.get(A)).cooldowns).toMatchObject([{ strikes: 1 }]);
  await broker.advance(MINUTE);
  await broker.fails(CODEX, "RATE_LIMIT");
  expect((await broker.get(A)).cooldowns).toMatchObject([{ strikes: 2 }]);
});

test("strikes are forgotten 24 h after the last", async () => {
  await using broker = await one();
  await ladder(broker, "RATE_LIMIT", 3);
  await broker.advance(DAY);
  await broker.fails(CODEX, "RATE_LIMIT");
  expect(await left(broker)).toBe(30 * SECOND);
});

test("strikes survive a restart", async () => {
  await using broker = await one();
  await ladder(broker, "RATE_LIMIT", 2);
  await broker.restart();
  await broker.fails(CODEX, "RATE_LIMIT");
  expect(await left(broker)).toBe(2 * MINUTE);
});

test("an OK begins the count of strikes anew", async () => {
  await using broker = await one();
  await ladder(broker, "RATE_LIMIT", 3);
  await broker.fails(CODEX, "OK");
  await broker.fails(CODEX, "RATE_LIMIT");
  expect(await left(broker)).toBe(30 * SECOND);
});

test("an OK clears a guessed cooldown of its own model, never another model's, nor a stated one", async () => {
  await using broker = await one();
  await broker.fails(M1, "RATE_LIMIT");
  await broker.fails(M2, "RATE_LIMIT");
  await broker.fails({ ...M1, model: "m3" }, "RATE_LIMIT", { retryTime: broker.inTime(MINUTE) });
  await broker.advance(1);
  await broker.fails(CODEX, "OK", { model: "m1" });
  await broker.fails(CODEX, "OK", { model: "m3" });
  expect((await broker.get(A)).cooldowns.map((c) => c.model).sort()).toEqual(["m2", "m3"]);
  expect(await broker.serves(M1)).toBe(A);
});

test("an OK of a lease older than the cooldown clears nothing", async () => {
  await using broker = await one();
  const [failing, working] = [await lease(broker), await lease(broker)];
  await broker.advance(SECOND);
  await broker.report(failing, "RATE_LIMIT");
  await broker.advance(SECOND);
  expect((await broker.report(working, "OK")).profileState).toBe("PROFILE_STATE_COOLING_DOWN");
  expect(await left(broker)).toBe(29 * SECOND);
});

test("cooldowns survive a restart with their end, and one that ended meanwhile is over", async () => {
  await using broker = await one();
  await broker.fails(M1, "RATE_LIMIT");
  const leaseId = await lease(broker);
  await broker.report(leaseId, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.restart(10 * SECOND);
  expect((await broker.get(A)).cooldowns).toHaveLength(2);
  expect(at((await refusal(broker.acquire(CODEX))).unavailable?.retryTime)).toBe(
    broker.nowMs + HOUR - 10 * SECOND,
  );
  await broker.restart(HOUR);
  expect((await broker.get(A)).cooldowns).toEqual([]);
  expect(await broker.serves(M1)).toBe(A);
});

test("an operator's clear ends all cooldowns, or those of one model", async () => {
  await using broker = await one();
  await broker.fails(M1, "RATE_LIMIT");
  await broker.fails(M2, "RATE_LIMIT");
  const leaseId = await lease(broker);
  await broker.report(leaseId, "USAGE_LIMIT");
  expect((await broker.clear(A, "m1")).cooldowns.map((c) => c.model).sort()).toEqual(["", "m2"]);
  const cleared = await broker.clear(A);
  expect(cleared).toMatchObject({ state: "PROFILE_STATE_READY", cooldowns: [] });
  expect(await broker.serves(M2)).toBe(A);
});

test("a usage reading newer than the refusal that shows room ends a USAGE_LIMIT", async () => {
  await using broker = await one();
  const leases = [await lease(broker), await lease(broker), await lease(broker)] as const;
  const reset = broker.inTime(3 * HOUR);
  const full = [{ name: "primary", windowMinutes: 300, usedPercent: 100, resetTime: reset }];
  await broker.report(leases[0], "USAGE_LIMIT", { retryTime: reset, usageWindows: full });
  await broker.advance(MINUTE);
  const room = (observeTime: string) => [
    { name: "primary", windowMinutes: 300, usedPercent: 20, resetTime: broker.inTime(5 * HOUR), observeTime },
  ];
  await broker.report(leases[1], "OK", { usageWindows: room(broker.inTime(-2 * MINUTE)) });
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_COOLING_DOWN");
  await broker.report(leases[2], "OK", { usageWindows: room(broker.inTime(0)) });
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_READY");
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a new login does not end plan limits", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.put(A, {
    accessToken: "at-FAKE-2",
    refreshToken: "rt-FAKE-2",
    expireTime: broker.inTime(20 * HOUR),
  });
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("ALL_COOLING_DOWN");
});

test("a put may bring cooldowns along", async () => {
  await using broker = await world();
  const untilTime = broker.inTime(2 * HOUR);
  const put = await broker.put(
    A,
    {},
    { cooldowns: [{ model: "m1", outcome: "USAGE_LIMIT", source: "PROVIDER", untilTime }] },
  );
  expect(put.cooldowns).toMatchObject([{ model: "m1", source: "COOLDOWN_SOURCE_PROVIDER" }]);
  expect(at(put.cooldowns[0]?.untilTime)).toBe(at(untilTime));
  expect((await refusal(broker.acquire(M1))).why(A)).toBe("MODEL_COOLING_DOWN");
  expect(await broker.serves(M2)).toBe(A);
});

test("base, cap and longestWindow of the configuration replace the defaults", async () => {
  await using broker = await one({
    cooldown: { RATE_LIMIT: { base: "10s", cap: "25s" }, longestWindow: "1h" },
  });
  expect(await ladder(broker, "RATE_LIMIT", 3)).toEqual([10 * SECOND, 20 * SECOND, 25 * SECOND]);
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(2 * HOUR) });
  expect((await broker.get(A)).cooldowns).toMatchObject([
    { outcome: "OUTCOME_USAGE_LIMIT", source: "COOLDOWN_SOURCE_GUESS" },
  ]);
});

test("with all profiles cooling the caller learns at once why, for each, and when to come back", async () => {
  await using broker = await one();
  await broker.put(`${CODEX}:b`);
  await broker.fails({ provider: CODEX, profile: A }, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.fails({ provider: CODEX, profile: `${CODEX}:b` }, "RATE_LIMIT");
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "ALL_COOLING_DOWN",
    domain: "auth-broker",
    retryDelayMs: 30 * SECOND,
  });
  const times = error.unavailable?.profiles.map((p) => [p.profile, p.reason, at(p.untilTime) - broker.nowMs]);
  expect(times).toEqual([
    [A, "COOLING_DOWN", HOUR],
    [`${CODEX}:b`, "COOLING_DOWN", 30 * SECOND],
  ]);
});

test("a raw reading of the usage address that shows room ends a plan limit, too", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  const reset = Math.floor((broker.nowMs + 3 * HOUR) / 1000);
  await broker.report(lease.leaseId, "USAGE_LIMIT", { retryTime: broker.inTime(3 * HOUR) });
  await broker.advance(MINUTE);
  const window = { used_percent: 3, limit_window_seconds: 18_000, reset_at: reset + 7200 };
  await broker.reportRaw(lease.leaseId, {
    source: "USAGE_API",
    httpStatus: 200,
    body: { plan_type: "plus", rate_limit: { allowed: true, limit_reached: false, primary_window: window } },
  });
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a limit of one model does not keep another model's failures from counting", async () => {
  await using broker = await one();
  await broker.fails(M1, "RATE_LIMIT");
  await broker.fails(M2, "RATE_LIMIT");
  expect((await broker.get(A)).cooldowns.map((c) => [c.model, c.strikes])).toEqual([
    ["m1", 1],
    ["m2", 1],
  ]);
});

test("what the profile shows of a cooldown: outcome, source, when it was set, until when, and the strikes", async () => {
  await using broker = await one();
  await broker.fails(M1, "RATE_LIMIT");
  const [cooldown] = (await broker.get(A)).cooldowns;
  expect(cooldown).toMatchObject({
    model: "m1",
    outcome: "OUTCOME_RATE_LIMIT",
    source: "COOLDOWN_SOURCE_GUESS",
    strikes: 1,
  });
  expect(at(cooldown?.setTime)).toBe(broker.nowMs);
  expect(at(cooldown?.untilTime)).toBe(broker.nowMs + 30 * SECOND);
});
