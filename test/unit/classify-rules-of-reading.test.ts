import { describe, expect, it } from "vitest";
import { classifyFor } from "../../src/provider/classify.ts";
import type { ProviderResponse } from "../../src/provider/provider.ts";
import { LIMITS, SOME_DAY } from "../vectors/samples.ts";

type Answer = Partial<Omit<ProviderResponse, "body">> & { readonly body?: unknown };

function read(provider: string, answer: Answer) {
  const body = typeof answer.body === "string" ? answer.body : answer.body ? JSON.stringify(answer.body) : "";
  const { outcome, scope, retryAtMs, rule } = classifyFor(provider)(
    {
      source: "MODEL_API",
      httpStatus: 0,
      headers: {},
      transportError: "",
      receivedAtMs: SOME_DAY,
      model: "some-model",
      ...answer,
      body,
    },
    LIMITS,
  );
  return {
    reading: `${outcome} ${scope}`,
    rule,
    waitMs: retryAtMs === undefined ? undefined : retryAtMs - SOME_DAY,
  };
}
const error = (fields: object) => ({ error: fields });

describe("a code beats the status", () => {
  it.each([
    [{ httpStatus: 429, body: error({ code: "insufficient_quota", message: "x" }) }, "BILLING PROFILE"],
    [{ httpStatus: 500, body: error({ type: "usage_limit_reached" }) }, "USAGE_LIMIT PROFILE"],
    [{ httpStatus: 400, body: error({ type: "overloaded_error", message: "x" }) }, "OVERLOADED PROVIDER"],
    [{ httpStatus: 403, body: error({ code: "model_not_found" }) }, "MODEL_NOT_FOUND PROFILE_MODEL"],
    [
      { httpStatus: 502, body: error({ code: 429, message: "x", status: "RESOURCE_EXHAUSTED" }) },
      "RATE_LIMIT PROFILE_MODEL",
    ],
    [{ httpStatus: 500, body: error({ code: 402, message: "x" }) }, "BILLING PROFILE"],
    [{ httpStatus: 403, body: error({ code: "personal-team-blocked:spending-limit" }) }, "BILLING PROFILE"],
    [
      { httpStatus: 400, body: { __type: "com.amazon.coral#ThrottlingException", message: "x" } },
      "RATE_LIMIT PROFILE_MODEL",
    ],
  ] as const)("%j", (answer, reading) => expect(read("own", answer).reading).toBe(reading));
});

describe("the innermost error counts", () => {
  const inner = error({ code: 429, message: "x", details: [{ reason: "QUOTA_EXHAUSTED" }] });
  it.each([
    error({
      type: "overloaded_error",
      message: `All attempts failed: HTTP 429: ${JSON.stringify(inner, null, 2)}`,
    }),
    error({ message: JSON.stringify(inner), code: 500 }),
    error({ error: inner.error }),
    [inner],
    `Error: Codex error: ${JSON.stringify(inner)}, url: http://host`,
    `[API Error: [${JSON.stringify(inner)}] (Status: 429)]`,
    "ApiError: {'error': {'code': 429, 'message': None, 'details': [{'reason': 'QUOTA_EXHAUSTED'}]}}",
    `{"error":{"code":429,"details":[{"reason":"QUOTA_EXHAUSTED"`,
    `log: {\\"error\\":{\\"code\\":429,\\"details\\":[{\\"reason\\":\\"QUOTA_EXHAUSTED\\"}]}}`,
  ])("in %j", (body) => {
    expect(read("google-antigravity", { httpStatus: 502, body }).reading).toBe("USAGE_LIMIT PROFILE_MODEL");
  });
});

describe("a good status", () => {
  const failed = error({ type: "usage_limit_reached", resets_in_seconds: 60 });
  it.each([
    failed,
    { type: "response.failed", response: failed },
    { type: "error", ...failed },
    `data: {"type":"response.created"}\n\ndata: ${JSON.stringify({ type: "error", ...failed })}\n\n`,
    `event: error\ndata: {"type":"usage_limit_reached","resets_in_seconds":60}\n\n`,
    { choices: [{ error: failed.error, finish_reason: "error" }] },
  ])("does not hide the failure in %j", (body) => {
    const { reading, waitMs } = read("openai-codex", { httpStatus: 200, source: "STREAM_EVENT", body });
    expect({ reading, waitMs }).toEqual({ reading: "USAGE_LIMIT PROFILE", waitMs: 60_000 });
  });

  it.each([
    { error: null, output: [{ text: "You've hit your usage limit" }] },
    { choices: [{ message: { content: '{"error":{"type":"usage_limit_reached"}}' } }] },
    `data: {"choices":[{"delta":{"content":"\\"error\\": rate limit exceeded"}}]}\n\ndata: [DONE]\n\n`,
    { base_resp: { status_code: 0, status_msg: "success" }, choices: [] },
    "plain words: rate limit exceeded",
    "",
  ])("makes %j good, whatever its content says", (body) => {
    expect(read("openai-codex", { httpStatus: 200, body }).reading).toBe("OK NONE");
  });

  it("with a failed minimax call is a failure", () => {
    const body = { base_resp: { status_code: 1008, status_msg: "insufficient balance" } };
    expect(read("minimax", { httpStatus: 200, body }).reading).toBe("BILLING PROFILE");
  });
});

describe("no status at all", () => {
  it.each([
    ["ECONNRESET", "NETWORK NONE"],
    ["TypeError: fetch failed\n cause: ConnectTimeoutError: UND_ERR_CONNECT_TIMEOUT", "TIMEOUT NONE"],
    ["context deadline exceeded", "TIMEOUT NONE"],
    ["something nobody has seen", "NETWORK NONE"],
    [`${"at frame (file.js) ".repeat(60)} ECONNREFUSED`, "NETWORK NONE"],
  ])("transport error %j", (transportError, reading) => {
    expect(read("own", { transportError }).reading).toBe(reading);
  });

  it("and a connection that broke in the middle of a good answer is the network's fault", () => {
    const answer = { httpStatus: 200, body: "data: {}\n\n", transportError: "ECONNRESET" };
    expect(read("own", answer).reading).toBe("NETWORK NONE");
    expect(read("own", { ...answer, httpStatus: 429, body: "" }).reading).toBe("RATE_LIMIT PROFILE");
  });

  it.each([
    "Fixed issue CHE-402 in the latest release",
    "402 items found in the database",
    "Error code 403 was returned, not 402-related",
    "Let us talk about the weekly limit and how to hit your limit less.",
    "If you hit your usage limit, wait until it resets at 5pm.",
    "token expired handling is in auth.ts",
    "Let us set the timeout to thirty seconds.",
    `${"Here is how to bill. ".repeat(40)} Your credit balance is too low.`,
    "",
  ])("%j is somebody's sentence and no failure of the account", (body) => {
    expect(read("openai-codex", { body }).reading).toBe("UNRECOGNIZED NONE");
  });

  it.each([
    ["API Error: 529 Overloaded", "OVERLOADED PROVIDER"],
    ["HTTP 402: request reached organization usage limit, try again later", "USAGE_LIMIT PROFILE"],
    ["exceeded retry limit, last status: 401 Unauthorized, request id: 1", "AUTH_INVALID_TOKEN PROFILE"],
    [
      "You've hit your usage limit. Visit the page to purchase more credits or try again later",
      "USAGE_LIMIT PROFILE",
    ],
  ])("%j is a client's rendering of one", (body, reading) => {
    expect(read("openai-codex", { body }).reading).toBe(reading);
  });
});

describe("gateways in front of a provider", () => {
  const page = "<!DOCTYPE html><html><title>Just a moment...</title></html>";
  it.each([
    [403, page, "FORBIDDEN PROVIDER"],
    [200, page, "FORBIDDEN PROVIDER"],
    [429, page, "RATE_LIMIT PROVIDER"],
    [502, page, "SERVER_ERROR PROVIDER"],
    [404, page, "SERVER_ERROR PROVIDER"],
    [401, page, "AUTH_INVALID_TOKEN PROFILE"],
    [403, "error code: 1020", "FORBIDDEN PROVIDER"],
  ])("%i %j", (httpStatus, body, reading) => {
    expect(read("openai-codex", { httpStatus, body }).reading).toBe(reading);
  });

  it("a refusal without a body is the edge's only where the edge signs it", () => {
    expect(read("openai-codex", { httpStatus: 403 }).reading).toBe("FORBIDDEN PROFILE");
    const headers = { server: "cloudflare" };
    expect(read("openai-codex", { httpStatus: 403, headers }).reading).toBe("FORBIDDEN PROVIDER");
    const body = error({ message: "no", type: "permission_error" });
    expect(read("openai-codex", { httpStatus: 403, headers, body }).reading).toBe("FORBIDDEN PROFILE");
  });
});

describe("what a limit touches", () => {
  it("a window of one model family leaves the others usable", () => {
    const headers = (family: string) => ({
      "anthropic-ratelimit-unified-status": "rejected",
      [`anthropic-ratelimit-unified-7d${family}-status`]: "rejected",
      [`anthropic-ratelimit-unified-7d${family}-reset`]: String(SOME_DAY / 1_000 + 60),
    });
    const answer = (family: string) => read("anthropic", { httpStatus: 429, headers: headers(family) });
    expect(answer("_newfangled")).toMatchObject({ reading: "USAGE_LIMIT PROFILE_MODEL", waitMs: 60_000 });
    expect(answer("")).toMatchObject({ reading: "USAGE_LIMIT PROFILE", waitMs: 60_000 });
  });

  it("a throttle beside windows with room is no spent plan", () => {
    const headers = {
      "anthropic-ratelimit-unified-status": "allowed_warning",
      "anthropic-ratelimit-unified-representative-claim": "five_hour",
      "retry-after": "7",
    };
    expect(read("anthropic", { httpStatus: 429, headers })).toMatchObject({
      reading: "RATE_LIMIT PROFILE",
      waitMs: 7_000,
    });
  });

  it("a limit per minute is a throttle, however it is worded", () => {
    const message = "Number of request tokens has exceeded your per-minute rate limit.";
    const body = error({ type: "rate_limit_error", message });
    expect(read("anthropic", { httpStatus: 429, body }).reading).toBe("RATE_LIMIT PROFILE");
  });

  it("the same sentence is a throttle or a spent plan by its length", () => {
    const answer = (wait: string) =>
      read("github-copilot", {
        httpStatus: 429,
        body: `You've hit a rate limit. Please try again in ${wait}.`,
      });
    expect(answer("2 hours").reading).toBe("RATE_LIMIT PROFILE_MODEL");
    expect(answer("58 hours").reading).toBe("USAGE_LIMIT PROFILE");
  });

  it("an upstream of an aggregator never touches the aggregator's account", () => {
    const upstream = (code: number) =>
      read("openrouter", {
        httpStatus: code,
        body: error({
          code,
          message: "Provider returned error",
          metadata: { provider_name: "P", raw: "no" },
        }),
      }).reading;
    expect(upstream(402)).toBe("BILLING PROFILE_MODEL");
    expect(upstream(401)).toBe("UNRECOGNIZED NONE");
  });

  it("another limit's used-up window does not stop the account", () => {
    const headers = { "x-codex-other-primary-used-percent": "100", "x-codex-primary-used-percent": "9" };
    expect(read("openai-codex", { httpStatus: 429, headers }).reading).toBe("RATE_LIMIT PROFILE");
  });

  it("a quota of zero never refills, one of a fraction does", () => {
    const answer = (limit: string) => {
      const message = `You exceeded your current quota. limit: ${limit}, model: m. Please retry in 45s.`;
      return read("google-gemini-cli", { httpStatus: 429, body: error({ code: 429, message }) });
    };
    expect(answer("0")).toMatchObject({ reading: "BILLING PROFILE_MODEL", waitMs: undefined });
    expect(answer("0.5")).toMatchObject({ reading: "RATE_LIMIT PROFILE_MODEL", waitMs: 45_000 });
  });

  it("Qwen's code for a bill is its free allowance", () => {
    const body = error({ code: "insufficient_quota", message: "x" });
    expect(read("qwen", { httpStatus: 429, body }).reading).toBe("USAGE_LIMIT PROFILE");
  });

  it("a workspace without credits is a matter of money, unless a window is used up", () => {
    const body = error({ type: "usage_limit_reached" });
    const headers = { "x-codex-rate-limit-reached-type": "workspace_member_credits_depleted" };
    expect(read("openai-codex", { httpStatus: 429, body, headers }).reading).toBe("BILLING PROFILE");
    const spent = { ...headers, "x-codex-primary-used-percent": "100" };
    expect(read("openai-codex", { httpStatus: 429, body, headers: spent }).reading).toBe(
      "USAGE_LIMIT PROFILE",
    );
  });
});

describe("what nobody has seen before", () => {
  it.each([
    [409, error({ code: "weird_thing", message: "odd" })],
    [400, error({ code: "weird_thing", message: "余额不足" })],
    [418, "teapot"],
    [302, ""],
  ])("%i %j is left to the next profile", (httpStatus, body) => {
    expect(read("own", { httpStatus, body })).toMatchObject({
      reading: "UNRECOGNIZED NONE",
      rule: "unrecognized",
    });
  });

  it("a server that complains about the request means the request", () => {
    expect(read("own", { httpStatus: 422, body: "Unprocessable Entity" }).reading).toBe("BAD_REQUEST NONE");
    expect(read("own", { httpStatus: 400 }).reading).toBe("BAD_REQUEST NONE");
  });
});

it("names of rules are stable, short, and free of provider text", () => {
  expect(read("openai-codex", { httpStatus: 429, body: error({ type: "usage_limit_reached" }) }).rule).toBe(
    "codex.usage_limit_reached",
  );
  expect(read("own", { httpStatus: 429, body: "rt-FAKE-1" }).rule).toBe("status.429");
});
