import { describe, expect, it } from "vitest";
import { type Answer, classified, reading } from "../support/classified.ts";
import { SOME_DAY } from "../vectors/samples.ts";

const HOUR = 3_600_000;
const iso = (afterMs: number) => new Date(SOME_DAY + afterMs).toISOString();
const epoch = (afterMs: number) => (SOME_DAY + afterMs) / 1_000;
const error = (fields: object) => ({ error: fields });
const windowsOf = (provider: string, answer: Answer) =>
  Object.fromEntries(classified(provider, answer).windows.map((w) => [w.name, w.usedPercent]));

describe("Google", () => {
  const google = (details: readonly object[], message = "x", status = "RESOURCE_EXHAUSTED") =>
    reading("google-gemini-cli", { httpStatus: 429, body: error({ code: 429, message, status, details }) });
  const violation = (quotaId: string) => ({ violations: [{ quotaId }] });
  const midnight = Date.UTC(2026, 4, 20, 7) - SOME_DAY;

  it.each([
    [[violation("GenerateRequestsPerDayPerProject")], "x", `USAGE_LIMIT PROFILE_MODEL ${midnight}`],
    [[{ metadata: { quota_limit: "RequestsPerDay" } }], "x", `USAGE_LIMIT PROFILE_MODEL ${midnight}`],
    [[], "Quota exceeded: 100 requests per day", `USAGE_LIMIT PROFILE_MODEL ${midnight}`],
    [[violation("RequestsPerDay"), { retryDelay: "30s" }], "x", "RATE_LIMIT PROFILE_MODEL 30000"],
    [[violation("RequestsPerDay")], "Please retry in 45s.", "RATE_LIMIT PROFILE_MODEL 45000"],
    [[violation("RequestsPerMinute")], "You exceeded your current quota", "RATE_LIMIT PROFILE_MODEL"],
    [[], "You exceeded your current quota of 5 per minute", "RATE_LIMIT PROFILE_MODEL"],
    [[], "You exceeded your current quota", "USAGE_LIMIT PROFILE"],
    [[{ reason: "QUOTA_EXHAUSTED" }], "x", "USAGE_LIMIT PROFILE_MODEL"],
    [[], "Individual quota reached", "USAGE_LIMIT PROFILE_MODEL"],
    [[{ reason: "RATE_LIMIT_EXCEEDED" }], "limit: 0", "BILLING PROFILE_MODEL"],
    [[], "No capacity available for model m", "OVERLOADED PROVIDER"],
    [[null as never, 7 as never], "x", "RATE_LIMIT PROFILE_MODEL"],
  ])("quota %j %j is %s", (details, message, expected) => expect(google(details, message)).toBe(expected));

  it("a demanded verification holds the account, or the model alone", () => {
    const check = (metadata: object, message = "x") =>
      reading("google-antigravity", {
        httpStatus: 403,
        body: error({ code: 403, message, details: [{ reason: "VALIDATION_REQUIRED", metadata }] }),
      });
    expect(check({ validation_url: "https://x.test" })).toBe("FORBIDDEN PROFILE");
    expect(check({}, "Verify your account to continue")).toBe("FORBIDDEN PROFILE");
    expect(check({})).toBe("FORBIDDEN PROFILE_MODEL");
  });

  it.each([
    [404, "NOT_FOUND", "x", "MODEL_NOT_FOUND PROFILE_MODEL"],
    [500, "INTERNAL", "x", "SERVER_ERROR NONE"],
    [403, "PERMISSION_DENIED", "The API has not been used in project 1 before", "FORBIDDEN PROFILE"],
  ])("%i %s %j", (code, status, message, expected) => {
    const body = error({ code, message, status });
    expect(reading("google-gemini-cli", { httpStatus: code, body })).toBe(expected);
  });

  it("shows one window a model, in either read-out, and only there", () => {
    const body = {
      buckets: [{ modelId: "a", remainingFraction: 0.25 }, { remainingFraction: 1 }, null],
      models: { b: { quotaInfo: { remainingFraction: 1 } }, c: { quotaInfo: {} }, d: {} },
    };
    const usage = { source: "USAGE_API", httpStatus: 200 } as const;
    expect(windowsOf("google-antigravity", { ...usage, body })).toEqual({ a: 75, b: 0 });
    expect(windowsOf("google-antigravity", { httpStatus: 200, body })).toEqual({});
    const soon = { models: { c: { quotaInfo: { resetTime: iso(HOUR) } } } };
    expect(windowsOf("google-antigravity", { ...usage, body: soon })).toEqual({ c: undefined });
  });
});

describe("Copilot", () => {
  const copilot = (message: string, more: Answer = {}) =>
    reading("github-copilot", { httpStatus: 429, body: error({ message }), ...more });
  it.each([
    [403, "You are not licensed to use Copilot", "BILLING PROFILE"],
    [403, "Resource not accessible: needs the Copilot Requests permission", "AUTH_PERMANENT PROFILE"],
    [400, "Personal Access Tokens are not supported for this endpoint", "AUTH_PERMANENT PROFILE"],
    [403, "You are not authorized to use this Copilot feature", "FORBIDDEN PROFILE"],
    [429, "You have been rate-limited. Try again in 3 hours", `USAGE_LIMIT PROFILE ${3 * HOUR}`],
    [429, "Rate limit hit. Try again in 3 hours", `USAGE_LIMIT PROFILE ${3 * HOUR}`],
    [429, "Rate limit hit. Try again in 3 minutes", "RATE_LIMIT PROFILE_MODEL 180000"],
  ])("%i %j", (httpStatus, message, expected) => expect(copilot(message, { httpStatus })).toBe(expected));

  it("by its code, too", () => {
    const body = error({ code: "rate_limited", message: "try again in 3 hours" });
    expect(reading("github-copilot", { httpStatus: 429, body })).toBe(`USAGE_LIMIT PROFILE ${3 * HOUR}`);
  });

  it("shows its snapshots: of headers always, of a body in a read-out", () => {
    const headers = { "x-quota-snapshot-chat": "ent=300&rem=40", "x-other": "rem=1" };
    const body = {
      quota_snapshots: { premium: { percent_remaining: 10 }, none: { x: 1 } },
      quota_reset_date: iso(240 * HOUR),
    };
    expect(windowsOf("github-copilot", { httpStatus: 200, headers, body })).toEqual({ chat: 60 });
    const usage = { source: "USAGE_API", httpStatus: 200, headers, body } as const;
    expect(classified("github-copilot", usage).windows).toEqual([
      { name: "chat", usedPercent: 60, observedAtMs: SOME_DAY },
      { name: "premium", usedPercent: 90, resetAtMs: SOME_DAY + 240 * HOUR, observedAtMs: SOME_DAY },
      { name: "none", resetAtMs: SOME_DAY + 240 * HOUR, observedAtMs: SOME_DAY },
    ]);
    const exact = { ...body, quota_reset_date_utc: iso(24 * HOUR) };
    expect(classified("github-copilot", { ...usage, body: exact }).windows[1]?.resetAtMs).toBe(
      SOME_DAY + 24 * HOUR,
    );
  });
});

describe("OpenRouter", () => {
  const upstream = (httpStatus: number, message = "Provider returned error", provider_name = "P") =>
    reading("openrouter", {
      httpStatus,
      body: error({ code: httpStatus, message, metadata: { provider_name } }),
    });
  it("an upstream's refusal concerns the model only, and only where it is the upstream's", () => {
    expect(upstream(402)).toBe("BILLING PROFILE_MODEL");
    expect(upstream(403)).toBe("UNRECOGNIZED NONE");
    expect(upstream(402, "Insufficient credits")).toBe("BILLING PROFILE");
    expect(upstream(402, "Provider returned error", "")).toBe("BILLING PROFILE");
  });

  it.each([
    [403, "Your input was flagged", "BAD_REQUEST NONE"],
    [403, "Refused by moderation", "BAD_REQUEST NONE"],
    [500, "The service was flagged", "SERVER_ERROR PROVIDER"],
    [429, "Rate limit exceeded: free-models-per-day", `USAGE_LIMIT PROFILE ${12 * HOUR}`],
    [429, "Rate limit exceeded: free-models-per-min", "RATE_LIMIT PROFILE_MODEL"],
  ])("%i %j", (httpStatus, message, expected) => {
    expect(reading("openrouter", { httpStatus, body: error({ code: httpStatus, message }) })).toBe(expected);
  });
});

describe("Qwen", () => {
  it.each([
    [401, "invalid_api_key", "invalid access token", "AUTH_INVALID_TOKEN PROFILE"],
    [401, "invalid_api_key", "token expired", "AUTH_INVALID_TOKEN PROFILE"],
    [401, "invalid_api_key", "Incorrect API key provided", "AUTH_PERMANENT PROFILE"],
    [429, "insufficient_quota", "x", "USAGE_LIMIT PROFILE"],
    [403, "AllocationQuota.FreeTierOnly", "x", "USAGE_LIMIT PROFILE"],
    [429, "other", "Free allocated quota exceeded", "USAGE_LIMIT PROFILE"],
    [429, "other", "Your free quota is used up", "USAGE_LIMIT PROFILE"],
    [429, "other", "slower, please", "RATE_LIMIT PROFILE_MODEL"],
  ])("%i %s %j", (httpStatus, code, message, expected) => {
    expect(reading("qwen", { httpStatus, body: error({ code, message }) })).toBe(expected);
  });
});

describe("OpenAI's API and what copies it", () => {
  it("a throttle is that of the model; without a word it may be anybody's", () => {
    expect(reading("openai-api", { httpStatus: 429 })).toBe("RATE_LIMIT PROFILE_MODEL");
    expect(reading("own", { httpStatus: 429 })).toBe("RATE_LIMIT PROFILE");
    expect(reading("own", { httpStatus: 429, body: "slow" })).toBe("RATE_LIMIT PROFILE_MODEL");
  });

  it.each([
    ["x-ratelimit-reset-requests", "1m0s", 60_000],
    ["x-ratelimit-reset", "60", 60_000],
    ["x-ratelimit-reset", String(epoch(HOUR)), HOUR],
    ["ratelimit-reset", "60", 60_000],
    ["x-ratelimit-resets", "60", undefined],
    ["ratelimit", "60", undefined],
  ])("%s: %s is read as a reset in %s ms", (name, value, waitMs) => {
    const expected = waitMs === undefined ? "RATE_LIMIT PROFILE" : `RATE_LIMIT PROFILE ${waitMs}`;
    expect(reading("own", { httpStatus: 429, headers: { [name]: value } })).toBe(expected);
  });

  it("of several buckets the used-up ones count, and of these the last", () => {
    const bucket = (name: string, remaining: string, reset: string) => ({
      [`x-ratelimit-remaining-${name}`]: remaining,
      [`x-ratelimit-reset-${name}`]: reset,
    });
    const headers = { ...bucket("a", "0", "10s"), ...bucket("b", "0", "20s"), ...bucket("c", "1", "30s") };
    expect(reading("own", { httpStatus: 429, headers })).toBe("RATE_LIMIT PROFILE 20000");
    const free = { ...bucket("a", "1", "10s"), "x-ratelimit-reset-b": "40s" };
    expect(reading("own", { httpStatus: 429, headers: free })).toBe("RATE_LIMIT PROFILE 40000");
    expect(reading("own", { httpStatus: 429, headers: bucket("a", "1", "10s") })).toBe("RATE_LIMIT PROFILE");
  });
});

describe("a window that is shown", () => {
  const codex = (parts: Readonly<Record<string, string>>) =>
    classified("openai-codex", {
      httpStatus: 200,
      headers: Object.fromEntries(Object.entries(parts).map(([k, v]) => [`x-codex-${k}`, v])),
    }).windows;
  const seen = { observedAtMs: SOME_DAY };
  const DAY = 24 * HOUR;

  it.each([
    ["10000", 10_000],
    ["10000.5", undefined],
    ["0", 0],
    ["-0.1", undefined],
  ])("with %s per cent used", (percent, usedPercent) => {
    const found = codex({ "primary-used-percent": percent, "primary-reset-after-seconds": "60" });
    expect(found).toStrictEqual([
      {
        name: "primary",
        ...(usedPercent === undefined ? {} : { usedPercent }),
        resetAtMs: SOME_DAY + 60_000,
        ...seen,
      },
    ]);
  });

  it.each([
    [String(366 * 1_440), 366 * 1_440],
    [String(366 * 1_440 + 1), undefined],
    ["-5", undefined],
    ["0.4", undefined],
    ["299.6", 300],
  ])("of %s minutes", (minutes, windowMinutes) => {
    expect(codex({ "primary-used-percent": "1", "primary-window-minutes": minutes })).toStrictEqual([
      { name: "primary", ...(windowMinutes === undefined ? {} : { windowMinutes }), usedPercent: 1, ...seen },
    ]);
  });

  it.each([
    [32 * DAY, true],
    [32 * DAY + 1_000, false],
    [0, false],
  ])("with a reset in %i ms", (afterMs, isKnown) => {
    const found = codex({ "primary-used-percent": "1", "primary-reset-at": String(epoch(afterMs)) });
    expect(found[0]?.resetAtMs).toBe(isKnown ? SOME_DAY + afterMs : undefined);
  });

  it("that nobody has used and whose reset is a whole window away has not begun", () => {
    const unused = (seconds: number, used = "0") =>
      codex({
        "primary-used-percent": used,
        "primary-window-minutes": "300",
        "primary-reset-after-seconds": String(seconds),
      })[0]?.resetAtMs;
    expect(unused(18_000)).toBeUndefined();
    expect(unused(17_940)).toBeUndefined();
    expect(unused(17_939)).toBe(SOME_DAY + 17_939_000);
    expect(unused(18_000, "1")).toBe(SOME_DAY + 18_000_000);
  });

  it("by nothing but a length of none is none; one with a reset is one", () => {
    expect(codex({ "primary-used-percent": "0", "primary-window-minutes": "0" })).toEqual([]);
    expect(
      codex({
        "primary-used-percent": "0",
        "primary-window-minutes": "0",
        "primary-reset-after-seconds": "5",
      }),
    ).toHaveLength(1);
    expect(codex({ "primary-window-minutes": "300" })).toEqual([]);
  });

  it("is one of at most 24, under a name of at most 64 signs", () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`w${n}-used-percent`, "1"]));
    expect(codex(many)).toHaveLength(24);
    expect(codex({ [`${"x".repeat(64)}-used-percent`]: "1" })).toHaveLength(1);
    expect(codex({ [`${"x".repeat(65)}-used-percent`]: "1" })).toEqual([]);
  });

  it.each([
    [{ used_percent: 1, window_minutes: 300, reset_at: epoch(HOUR) }],
    [{ usedPercent: 1, windowDurationMins: 300, resetsAt: epoch(HOUR) }],
    [{ used_percent: 1, limit_window_seconds: 18_000, resets_at: iso(HOUR) }],
    [{ used_percent: 1, window_seconds: 18_000, resetAt: iso(HOUR) }],
    [{ used_percent: 1, window_minutes: 300, resetTime: iso(HOUR) }],
    [{ used_percent: 1, window_minutes: 300, reset_after_seconds: 3_600 }],
    [{ used_percent: 1, window_minutes: 300, resets_in_seconds: 3_600 }],
    [{ used_percent: 1, window_minutes: 300, resetAfterSeconds: 3_600, reset_at: "no date" }],
  ])("in the spelling %j", (primary) => {
    const answer = { source: "USAGE_API", httpStatus: 200, body: { rate_limit: { primary } } } as const;
    expect(classified("openai-codex", answer).windows).toEqual([
      { name: "primary", windowMinutes: 300, usedPercent: 1, resetAtMs: SOME_DAY + HOUR, ...seen },
    ]);
  });

  it("as a bucket needs a limit and what remains of it", () => {
    const bucket = (parts: Readonly<Record<string, string>>) =>
      windowsOf("own", {
        httpStatus: 200,
        headers: Object.fromEntries(Object.entries(parts).map(([k, v]) => [`x-ratelimit-${k}`, v])),
      });
    expect(bucket({ "limit-a": "200", "remaining-a": "50" })).toEqual({ a: 75 });
    expect(bucket({ limit: "200", remaining: "200" })).toEqual({ requests: 0 });
    expect(bucket({ "limit-a": "0", "remaining-a": "0", "reset-a": "60" })).toEqual({ a: undefined });
    expect(bucket({ "limit-a": "200", "reset-a": "60" })).toEqual({ a: undefined });
    expect(bucket({ "remaining-a": "5" })).toEqual({});
  });
});
