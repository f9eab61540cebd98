import { expect, test } from "vitest";
import { at, HOUR, MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

async function two(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  await broker.put(B);
  return broker;
}

test("an OK is applied and brings no advice", async () => {
  await using broker = await two();
  expect(await broker.fails(CODEX, "OK")).toMatchObject({
    applied: true,
    ignoredReason: "IGNORED_REASON_UNSPECIFIED",
    outcome: "OUTCOME_OK",
    advice: null,
    profileState: "PROFILE_STATE_READY",
    retryTime: null,
    next: null,
  });
});

test("the same failure reported again under the same lease is a DUPLICATE and counts once", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  expect((await broker.report(lease.leaseId, "USAGE_LIMIT")).applied).toBe(true);
  expect(await broker.report(lease.leaseId, "USAGE_LIMIT")).toMatchObject({
    applied: false,
    ignoredReason: "IGNORED_REASON_DUPLICATE",
    profileState: "PROFILE_STATE_COOLING_DOWN",
  });
  expect((await broker.get(A)).cooldowns).toMatchObject([{ strikes: 1 }]);
});

test("a lease takes any number of reports", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  for (const outcome of ["OK", "OK", "SERVER_ERROR", "OK", "RATE_LIMIT"]) {
    expect((await broker.report(lease.leaseId, outcome)).applied).toBe(true);
  }
});

test("a report about a profile that is gone changes nothing: PROFILE_GONE", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  await broker.remove(A);
  const answer = await broker.report(lease.leaseId, "USAGE_LIMIT", { acquireNext: true });
  expect(answer).toMatchObject({
    applied: false,
    ignoredReason: "IGNORED_REASON_PROFILE_GONE",
    profileState: "PROFILE_STATE_UNSPECIFIED",
  });
  expect(answer.next?.granted?.lease.profile).toBe(B);
});

test("a profile made anew under the id of a removed one is not punished by its old leases", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  await broker.remove(A);
  await broker.put(A, { accountId: "acct-other" });
  const answer = await broker.report(lease.leaseId, "USAGE_LIMIT");
  expect(answer.applied).toBe(false);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_READY");
});

test("a report about an id that passed to another account is ignored: OTHER_ACCOUNT", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  await broker.put(
    A,
    {
      accountId: "acct-new",
      accessToken: "at-FAKE-n",
      refreshToken: "rt-FAKE-n",
      expireTime: broker.inTime(20 * HOUR),
    },
    { allowAccountChange: true },
  );
  expect(await broker.report(lease.leaseId, "USAGE_LIMIT")).toMatchObject({
    applied: false,
    ignoredReason: "IGNORED_REASON_OTHER_ACCOUNT",
    profileState: "PROFILE_STATE_READY",
  });
});

test("acquire_next brings the next credential for the same request, or why there is none; the call is OK either way", async () => {
  await using broker = await two();
  const request = { provider: CODEX, model: "m1", sessionId: "s" };
  const first = await broker.fails(request, "USAGE_LIMIT", { acquireNext: true });
  expect(first.advice).toMatchObject({ action: "ADVICE_ACTION_RETRY_NEXT", delay: "0s" });
  expect(first.next?.granted?.lease).toMatchObject({ profile: B, sessionId: "s", provider: CODEX });
  expect(first.next?.granted?.credential.headers.authorization).toBe("Bearer at-FAKE-b");
  const leaseId = first.next?.granted?.lease.leaseId ?? "";
  const second = await broker.report(leaseId, "USAGE_LIMIT", {
    retryTime: broker.inTime(5 * MINUTE),
    acquireNext: true,
  });
  expect(second.advice).toMatchObject({ action: "ADVICE_ACTION_WAIT", delay: "300s" });
  const none = second.next?.unavailable;
  expect(none).toMatchObject({ reason: "ALL_COOLING_DOWN" });
  expect(at(none?.retryTime)).toBe(broker.nowMs + 5 * MINUTE);
  expect(none?.profiles.map((p) => p.profile)).toEqual([A, B]);
});

test("next keeps to the pool, the kinds and the exclusions of the request", async () => {
  await using broker = await world();
  await broker.put(A, {}, { pools: ["work"] });
  await broker.put(B);
  const answer = await broker.fails({ provider: CODEX, pool: "work" }, "USAGE_LIMIT", { acquireNext: true });
  expect(answer.advice?.action).toBe("ADVICE_ACTION_WAIT");
  expect(answer.next?.unavailable?.reason).toBe("ALL_COOLING_DOWN");
});

test("next for a pinned request gives the pinned profile's own reason", async () => {
  await using broker = await two();
  const answer = await broker.fails({ provider: CODEX, profile: A }, "USAGE_LIMIT", { acquireNext: true });
  expect(answer.advice?.action).toBe("ADVICE_ACTION_WAIT");
  expect(answer.next?.unavailable?.reason).toBe("ALL_COOLING_DOWN");
});

test("after PROVIDER and NONE the same profile may come back in next", async () => {
  await using broker = await two();
  for (const outcome of ["OVERLOADED", "SERVER_ERROR", "NETWORK", "TIMEOUT"]) {
    const answer = await broker.fails(CODEX, outcome, { acquireNext: true });
    expect(answer.advice?.action).toBe("ADVICE_ACTION_RETRY_SAME");
    expect(answer.next?.granted?.lease.profile).toBe(A);
  }
});

test("UNRECOGNIZED skips this profile once in next, and only there", async () => {
  await using broker = await two();
  const answer = await broker.fails(CODEX, "UNRECOGNIZED", { acquireNext: true });
  expect(answer.advice?.action).toBe("ADVICE_ACTION_RETRY_NEXT");
  expect(answer.next?.granted?.lease.profile).toBe(B);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("with one profile only, next after UNRECOGNIZED grants nothing, and nothing is held against it", async () => {
  await using broker = await world();
  await broker.put(A);
  const answer = await broker.fails(CODEX, "UNRECOGNIZED", { acquireNext: true });
  expect(answer.next?.granted).toBeUndefined();
  expect(answer.next?.unavailable?.profiles).toMatchObject([{ profile: A }]);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a cooldown for another model of the report moves the request on, too", async () => {
  await using broker = await two();
  const answer = await broker.fails(CODEX, "RATE_LIMIT", { model: "m1", acquireNext: true });
  expect(answer).toMatchObject({ scope: "SCOPE_PROFILE_MODEL", profileState: "PROFILE_STATE_READY" });
  expect(answer.next?.granted?.lease.profile).toBe(B);
});

test("advice is never RETRY_* once a response has started", async () => {
  await using broker = await two();
  for (const outcome of [
    "SERVER_ERROR",
    "NETWORK",
    "AUTH_INVALID_TOKEN",
    "UNRECOGNIZED",
    "TIMEOUT",
    "RATE_LIMIT",
  ]) {
    const { advice } = await broker.fails(CODEX, outcome, { responseStarted: true });
    expect(advice?.action).not.toMatch(/RETRY/);
    await broker.clear(A);
  }
});

test("BAD_REQUEST: the request is at fault, GIVE_UP", async () => {
  await using broker = await two();
  const answer = await broker.fails(CODEX, "BAD_REQUEST");
  expect(answer).toMatchObject({ scope: "SCOPE_NONE", advice: { action: "ADVICE_ACTION_GIVE_UP" } });
});

test("LOGIN is advised when only a login helps", async () => {
  await using broker = await world();
  await broker.put(A);
  const { advice } = await broker.fails(CODEX, "AUTH_PERMANENT");
  expect(advice?.action).toBe("ADVICE_ACTION_LOGIN");
});

test("retry_time is the moment read, whatever the scope", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.report(lease.leaseId, "SERVER_ERROR", { retryTime: broker.inTime(7 * SECOND) });
  expect(at(answer.retryTime)).toBe(broker.nowMs + 7 * SECOND);
});

test("a raw usage limit is read with its reset and its windows", async () => {
  await using broker = await two();
  const resetsAt = Math.floor((broker.nowMs + 3 * HOUR) / 1000);
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.reportRaw(lease.leaseId, {
    httpStatus: 429,
    headers: {
      "X-Codex-Primary-Used-Percent": "100",
      "x-codex-primary-window-minutes": "300",
      "x-codex-primary-reset-at": String(resetsAt),
    },
    body: { error: { type: "usage_limit_reached", plan_type: "plus", resets_at: resetsAt } },
  });
  expect(answer).toMatchObject({ applied: true, outcome: "OUTCOME_USAGE_LIMIT", scope: "SCOPE_PROFILE" });
  expect(at(answer.retryTime)).toBe(resetsAt * 1000);
  const profile = await broker.get(A);
  expect(profile.cooldowns).toMatchObject([{ source: "COOLDOWN_SOURCE_PROVIDER" }]);
  expect(profile.usageWindows).toMatchObject([{ name: "primary", usedPercent: 100, windowMinutes: 300 }]);
});

test("a raw 429 with retry-after cools down until then", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire({ provider: CODEX, model: "m1" });
  const answer = await broker.reportRaw(lease.leaseId, { httpStatus: 429, headers: { "Retry-After": "90" } });
  expect(answer.outcome).toBe("OUTCOME_RATE_LIMIT");
  expect(at(answer.retryTime)).toBe(broker.nowMs + 90 * SECOND);
});

test("a 2xx without a failure in it is OK and feeds the usage windows", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const resetsAt = Math.floor((broker.nowMs + 2 * HOUR) / 1000);
  const answer = await broker.reportRaw(lease.leaseId, {
    httpStatus: 200,
    headers: {
      "x-codex-primary-used-percent": "12.5",
      "x-codex-primary-window-minutes": "300",
      "x-codex-primary-reset-at": String(resetsAt),
    },
  });
  expect(answer).toMatchObject({ applied: true, outcome: "OUTCOME_OK", advice: null });
  const [window] = (await broker.get(A)).usageWindows;
  expect(window).toMatchObject({ name: "primary", windowMinutes: 300, usedPercent: 12.5 });
  expect(at(window?.resetTime as string)).toBe(resetsAt * 1000);
  expect(at(window?.observeTime as string)).toBe(broker.nowMs);
});

test("transport errors: a reset connection is NETWORK, a timeout is TIMEOUT", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const reset = await broker.reportRaw(lease.leaseId, { transportError: "ECONNRESET" });
  expect(reset).toMatchObject({ outcome: "OUTCOME_NETWORK", scope: "SCOPE_NONE" });
  const late = await broker.reportRaw(lease.leaseId, { transportError: "ETIMEDOUT" });
  expect(["OUTCOME_TIMEOUT", "OUTCOME_NETWORK"]).toContain(late.outcome);
});

test("a failure event in a stream that began well is read as such", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.reportRaw(
    lease.leaseId,
    {
      source: "STREAM_EVENT",
      httpStatus: 200,
      body: {
        type: "response.failed",
        response: {
          status: "failed",
          error: { code: "rate_limit_exceeded", message: "Please try again in 20s." },
        },
      },
    },
    { responseStarted: true },
  );
  expect(answer.outcome).toBe("OUTCOME_RATE_LIMIT");
  expect(at(answer.retryTime)).toBe(broker.nowMs + 20 * SECOND);
  expect(answer.advice?.action).not.toMatch(/RETRY/);
});

test("a failure of the usage address changes no profile", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.reportRaw(lease.leaseId, {
    source: "USAGE_API",
    httpStatus: 429,
    body: { error: { type: "rate_limit_error", message: "Rate limited." } },
  });
  expect(answer.profileState).toBe("PROFILE_STATE_READY");
  expect((await broker.get(A)).cooldowns).toEqual([]);
});

test("a body over 64 KiB is cut, not refused", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.reportRaw(lease.leaseId, { httpStatus: 429, body: "x".repeat(100 * 1024) });
  expect(answer).toMatchObject({ applied: true, outcome: "OUTCOME_RATE_LIMIT" });
});

test("receive_time is the moment from which relative times count", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const receiveTime = broker.inTime(-10 * SECOND);
  const answer = await broker.reportRaw(lease.leaseId, {
    httpStatus: 429,
    headers: { "retry-after": "60" },
    receiveTime,
  });
  expect(at(answer.retryTime)).toBe(broker.nowMs + 50 * SECOND);
});

test("a report without an outcome, with UNSPECIFIED, or with an unknown lease is refused", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const none = await refusal(broker.agent.report({ leaseId: lease.leaseId }));
  expect(none).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
  const zero = await refusal(broker.report(lease.leaseId, "OUTCOME_UNSPECIFIED"));
  expect(zero).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
  const unknown = await refusal(broker.report("no-such-lease", "OK"));
  expect(unknown).toMatchObject({ code: "NOT_FOUND", reason: "LEASE_UNKNOWN" });
  const empty = await refusal(broker.report("", "OK"));
  expect(empty).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
});

test("a time that the provider states wins over the guessed advice, if it is plausible", async () => {
  await using broker = await two();
  const stated = await broker.fails(CODEX, "OVERLOADED", { retryTime: broker.inTime(20 * SECOND) });
  expect(stated.advice).toMatchObject({ action: "ADVICE_ACTION_RETRY_SAME", delay: "20s" });
  expect(at(stated.retryTime)).toBe(broker.nowMs + 20 * SECOND);
  const absurd = await broker.fails(CODEX, "SERVER_ERROR", { retryTime: broker.inTime(9_000 * HOUR) });
  expect(at(absurd.retryTime)).toBeLessThanOrEqual(broker.nowMs + MINUTE);
});

test("usage windows of a report need a name, and a percentage that is none is refused", async () => {
  await using broker = await two();
  const { lease } = await broker.acquire(CODEX);
  const nameless = await refusal(broker.report(lease.leaseId, "OK", { usageWindows: [{ usedPercent: 3 }] }));
  expect(nameless.fields).toEqual(["usage_windows[0].name"]);
  const negative = [{ name: "5h", usedPercent: -3 }];
  expect((await refusal(broker.report(lease.leaseId, "OK", { usageWindows: negative }))).reason).toBe(
    "FIELD_INVALID",
  );
});
