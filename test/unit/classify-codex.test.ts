import { describe, expect, it } from "vitest";
import { type Answer, classified, reading } from "../support/classified.ts";

const limit = (used: number) => ({ primary: { used_percent: used }, secondary_window: { used_percent: 1 } });
const windowsOf = (answer: Answer) =>
  Object.fromEntries(classified("openai-codex", answer).windows.map((w) => [w.name, w.usedPercent]));
const readOut = (body: object) => windowsOf({ source: "USAGE_API", httpStatus: 200, body });

describe("usage windows of Codex", () => {
  it.each([
    [{ rate_limit: limit(5) }],
    [{ rate_limits: limit(5) }],
    [{ rateLimits: limit(5) }],
    [{ id: 1, result: { rateLimits: limit(5) } }],
    [{ method: "account/rateLimits/updated", params: { rateLimits: limit(5) } }],
  ])("stand in %j", (body) => {
    expect(readOut(body)).toEqual({ primary: 5, secondary: 1 });
    expect(windowsOf({ source: "STREAM_EVENT", body })).toEqual({ primary: 5, secondary: 1 });
  });

  it("are not read from the body of a model's answer", () => {
    expect(windowsOf({ httpStatus: 200, body: { rate_limit: limit(5) } })).toEqual({});
  });

  it("of other limits carry the limit's name", () => {
    expect(readOut({ code_review_rate_limit: limit(2) })).toEqual({
      "code_review-primary": 2,
      "code_review-secondary": 1,
    });
    expect(Object.keys(readOut({ code_review_rate_limits: limit(2) }))).toContain("code_review-primary");
    const additional_rate_limits = [
      null,
      { rate_limit: limit(9) },
      { limit_name: "Some Model", rate_limit: limit(3) },
      { metered_feature: "codex_x", limit_name: "unused", rate_limit: limit(4) },
    ];
    expect(readOut({ additional_rate_limits })).toEqual({
      "Some_Model-primary": 3,
      "Some_Model-secondary": 1,
      "codex_x-primary": 4,
      "codex_x-secondary": 1,
    });
  });

  it("by limit id are those of the others: the account's own stand beside them", () => {
    const rateLimitsByLimitId = { codex: limit(99), codex_y: limit(6) };
    expect(readOut({ result: { rateLimits: limit(5), rateLimitsByLimitId } })).toEqual({
      primary: 5,
      secondary: 1,
      "codex_y-primary": 6,
      "codex_y-secondary": 1,
    });
  });
});

describe("the usage address of Codex tells", () => {
  const facts = (body: object, source: Answer["source"] = "USAGE_API") =>
    classified("openai-codex", { source, httpStatus: 200, body }).facts;

  it("the plan and the resets that the owner holds", () => {
    const body = { plan_type: "pro", rate_limit: limit(5), rate_limit_reset_credits: { available_count: 2 } };
    expect(facts(body)).toEqual({ planType: "pro", storedResets: 2 });
    expect(facts(body, "STREAM_EVENT")).toBeUndefined();
  });

  it.each([
    [{}],
    [{ plan_type: null, rate_limit_reset_credits: null }],
    [{ plan_type: "a\u202e", rate_limit_reset_credits: { available_count: 0 } }],
    [{ plan_type: 7, rate_limit_reset_credits: { available_count: -1 } }],
    [{ plan_type: {}, rate_limit_reset_credits: { available_count: 1e9 } }],
    [{ rate_limit_reset_credits: [{ available_count: 1 }] }],
  ])("nothing in %j", (body) => {
    expect(facts(body)).toEqual({});
  });
});

describe("a refusal by Codex", () => {
  const refused = (headers: Readonly<Record<string, string>>, error: object = {}) =>
    reading("openai-codex", { httpStatus: 429, headers, body: { error } });

  it.each(["usage_limit_reached", "usage_limit_exceeded", "UsageLimitExceeded"])(
    "by %s is the plan's",
    (type) => {
      expect(refused({}, { type })).toBe("USAGE_LIMIT PROFILE");
    },
  );

  it("is the plan's where a window is used up, and a throttle where none is known to be", () => {
    expect(refused({ "x-codex-primary-used-percent": "100" })).toBe("USAGE_LIMIT PROFILE");
    expect(refused({ "x-codex-primary-used-percent": "99.9" })).toBe("RATE_LIMIT PROFILE");
    expect(refused({ "x-codex-primary-window-minutes": "300" })).toBe("RATE_LIMIT PROFILE");
  });

  it("names the limit that was hit: another one than the account's is that of a model", () => {
    const type = "usage_limit_reached";
    expect(refused({ "x-codex-active-limit": "codex_other" }, { type })).toBe("USAGE_LIMIT PROFILE_MODEL");
    expect(refused({ "x-codex-active-limit": "codex" }, { type })).toBe("USAGE_LIMIT PROFILE");
  });

  it.each([
    "workspace_owner_credits_depleted",
    "workspace_member_credits_depleted",
    "workspace_owner_usage_limit_reached",
    "workspace_member_usage_limit_reached",
  ])("by %s is a matter of money", (code) => {
    expect(refused({ "x-codex-rate-limit-reached-type": code })).toBe("BILLING PROFILE");
    expect(refused({}, { type: "usage_limit_reached", rate_limit_reached_type: code })).toBe(
      "BILLING PROFILE",
    );
  });

  it.each([
    [429, "Rate limit reached for m in organization o on tokens", "RATE_LIMIT PROFILE_MODEL"],
    [429, "The rate limit is exceeded", "RATE_LIMIT PROFILE_MODEL"],
    [429, "Limit 3 requests per min", "RATE_LIMIT PROFILE_MODEL"],
    [429, "Slow down", "RATE_LIMIT PROFILE"],
    [403, "Upgrade to use Codex with your ChatGPT plan", "BILLING PROFILE"],
    [400, "The '' model is not supported when using Codex", "BAD_REQUEST NONE"],
  ])("%i in words: %j", (httpStatus, message, expected) => {
    expect(reading("openai-codex", { httpStatus, body: { error: { message } } })).toBe(expected);
  });
});
