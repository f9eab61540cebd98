import { describe, expect, it } from "vitest";
import { classifyFor } from "../../src/provider/classify.ts";
import type { ProviderResponse } from "../../src/provider/provider.ts";
import { LIMITS, SOME_DAY } from "../vectors/samples.ts";

const HOUR = 3_600_000;
const epoch = (afterMs: number) => (SOME_DAY + afterMs) / 1_000;
const iso = (afterMs: number) => new Date(SOME_DAY + afterMs).toISOString();

function read(
  provider: string,
  answer: Partial<Omit<ProviderResponse, "body">> & { readonly body?: unknown },
) {
  const body = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body ?? {});
  return classifyFor(provider)(
    {
      source: "MODEL_API",
      httpStatus: 200,
      headers: {},
      transportError: "",
      receivedAtMs: SOME_DAY,
      model: "some-model",
      ...answer,
      body,
    },
    LIMITS,
  );
}
const seen = { observedAtMs: SOME_DAY };

describe("usage windows of a good answer", () => {
  it("Codex: headers by pattern, whatever the window is called", () => {
    const { outcome, scope, windows } = read("openai-codex", {
      headers: {
        "x-codex-primary-used-percent": "12.5",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-after-seconds": "3600",
        "x-codex-secondary-used-percent": "0",
        "x-codex-secondary-window-minutes": "0",
        "x-codex-secondary-reset-at": "",
        "x-codex-newfangled-used-percent": "7",
        "x-codex-primary-over-secondary-limit-percent": "3",
      },
    });
    expect({ outcome, scope }).toEqual({ outcome: "OK", scope: "NONE" });
    expect(windows).toEqual([
      { name: "primary", windowMinutes: 300, usedPercent: 12.5, resetAtMs: SOME_DAY + HOUR, ...seen },
      { name: "newfangled", usedPercent: 7, ...seen },
    ]);
  });

  it("Codex: the usage read-out, other limits under their names", () => {
    const window = (used: number) => ({
      used_percent: used,
      limit_window_seconds: 18_000,
      reset_after_seconds: 3_600,
      reset_at: epoch(HOUR),
    });
    const { windows } = read("openai-codex", {
      source: "USAGE_API",
      body: {
        plan_type: "plus",
        rate_limit: {
          allowed: false,
          limit_reached: true,
          primary_window: window(100),
          secondary_window: null,
        },
        additional_rate_limits: [
          { metered_feature: "codex_other", rate_limit: { primary_window: window(1) } },
        ],
      },
    });
    const rest = { windowMinutes: 300, resetAtMs: SOME_DAY + HOUR, ...seen };
    expect(windows).toEqual([
      { name: "primary", usedPercent: 100, ...rest },
      { name: "codex_other-primary", usedPercent: 1, isPartial: true, ...rest },
    ]);
  });

  it("Codex: a limit that is reached has one window used up, however the percentages are rounded", () => {
    const { windows } = read("openai-codex", {
      source: "USAGE_API",
      body: {
        rate_limit: {
          allowed: false,
          limit_reached: true,
          primary_window: { used_percent: 99, limit_window_seconds: 18_000, reset_at: epoch(HOUR) },
          secondary_window: { used_percent: 40, limit_window_seconds: 604_800, reset_at: epoch(HOUR) },
        },
      },
    });
    expect(windows.map(({ usedPercent }) => usedPercent)).toEqual([100, 40]);
  });

  it("any other: the usage read-out by name, or as a list", () => {
    const window = { used_percent: 30, window_minutes: 300, reset_at: epoch(HOUR) };
    const expected = [
      { name: "short", windowMinutes: 300, usedPercent: 30, resetAtMs: SOME_DAY + HOUR, ...seen },
    ];
    for (const body of [
      { short: window, note: "text" },
      { windows: { short: window } },
      { limits: [{ name: "short", ...window }] },
    ]) {
      expect(read("my-company", { source: "USAGE_API", body }).windows).toEqual(expected);
      expect(read("my-company", { body }).windows).toEqual([]);
    }
  });

  it("Codex: the event of a stream, with or without the form of a stream", () => {
    const event = {
      type: "codex.rate_limits",
      rate_limits: {
        limit_reached: true,
        primary: { used_percent: 100, window_minutes: 300, reset_at: epoch(HOUR) },
      },
    };
    const expected = [
      { name: "primary", windowMinutes: 300, usedPercent: 100, resetAtMs: SOME_DAY + HOUR, ...seen },
    ];
    const asStream = `event: codex.rate_limits\ndata: ${JSON.stringify(event)}\n\n`;
    for (const body of [event, asStream]) {
      const reading = read("openai-codex", { source: "STREAM_EVENT", body });
      expect(reading).toMatchObject({ outcome: "OK", scope: "NONE", windows: expected });
    }
  });

  it("a reset that slides ahead with every reading of an unused window is none", () => {
    const body = {
      rateLimits: { secondary: { usedPercent: 0, windowDurationMins: 10_080, resetsAt: epoch(168 * HOUR) } },
    };
    const { windows } = read("openai-codex", { source: "USAGE_API", body });
    expect(windows).toEqual([{ name: "secondary", windowMinutes: 10_080, usedPercent: 0, ...seen }]);
  });

  it("Anthropic: plan windows and their families, in seconds or RFC 3339, paid overflow left out", () => {
    const { outcome, windows } = read("anthropic", {
      headers: {
        "anthropic-ratelimit-unified-status": "allowed",
        "anthropic-ratelimit-unified-5h-utilization": "0.42",
        "anthropic-ratelimit-unified-5h-reset": String(epoch(HOUR)),
        "anthropic-ratelimit-unified-7d_opus-utilization": "1.08",
        "anthropic-ratelimit-unified-7d_opus-reset": iso(48 * HOUR),
        "anthropic-ratelimit-unified-overage-status": "rejected",
        "anthropic-ratelimit-unified-overage-utilization": "0",
      },
    });
    expect(outcome).toBe("OK");
    expect(windows).toEqual([
      { name: "5h", windowMinutes: 300, usedPercent: 42, resetAtMs: SOME_DAY + HOUR, ...seen },
      {
        name: "7d_opus",
        windowMinutes: 10_080,
        usedPercent: 108,
        resetAtMs: SOME_DAY + 48 * HOUR,
        isPartial: true,
        ...seen,
      },
    ]);
  });

  it("Anthropic: the usage read-out gives its windows the names that headers use", () => {
    const { windows } = read("anthropic", {
      source: "USAGE_API",
      body: { five_hour: { utilization: 20, resets_at: iso(HOUR) }, seven_day_opus: null, extra_usage: {} },
    });
    expect(windows).toEqual([
      { name: "5h", windowMinutes: 300, usedPercent: 20, resetAtMs: SOME_DAY + HOUR, ...seen },
    ]);
  });

  it("limits per bucket: OpenAI's and Anthropic's", () => {
    const openai = read("openai-api", {
      headers: {
        "x-ratelimit-limit-requests": "5000",
        "x-ratelimit-remaining-requests": "4000",
        "x-ratelimit-reset-requests": "12ms",
      },
    });
    expect(openai.windows).toEqual([
      { name: "requests", usedPercent: 20, resetAtMs: SOME_DAY + 12, ...seen },
    ]);
    const anthropic = read("anthropic", {
      headers: {
        "anthropic-ratelimit-input-tokens-limit": "100",
        "anthropic-ratelimit-input-tokens-remaining": "25",
        "anthropic-ratelimit-input-tokens-reset": iso(HOUR),
      },
    });
    expect(anthropic.windows).toEqual([
      { name: "input-tokens", usedPercent: 75, resetAtMs: SOME_DAY + HOUR, ...seen },
    ]);
  });

  it("Google: one window a model; Copilot: one a snapshot", () => {
    const google = read("google-antigravity", {
      source: "USAGE_API",
      body: { buckets: [{ modelId: "gemini-3-pro", remainingFraction: 0.25, resetTime: iso(HOUR) }] },
    });
    expect(google.windows).toEqual([
      { name: "gemini-3-pro", usedPercent: 75, resetAtMs: SOME_DAY + HOUR, ...seen },
    ]);
    const copilot = read("github-copilot", {
      headers: { "x-quota-snapshot-chat": `ent=300&rem=40&rst=${encodeURIComponent(iso(240 * HOUR))}` },
    });
    expect(copilot.windows).toEqual([
      { name: "chat", usedPercent: 60, resetAtMs: SOME_DAY + 240 * HOUR, ...seen },
    ]);
  });

  it("a refusal feeds the windows too", () => {
    const reading = read("openai-codex", {
      httpStatus: 429,
      headers: { "x-codex-primary-used-percent": "100", "x-codex-primary-reset-at": String(epoch(HOUR)) },
    });
    expect(reading).toMatchObject({
      outcome: "USAGE_LIMIT",
      windows: [{ name: "primary", usedPercent: 100 }],
    });
  });

  it("names and numbers of no use are left out", () => {
    const { windows } = read("openai-codex", {
      headers: {
        "x-codex-a b-used-percent": "1",
        "x-codex-primary-used-percent": "NaN",
        "x-codex-secondary-used-percent": "-4",
        "x-codex-secondary-reset-at": "1",
      },
    });
    expect(windows).toEqual([]);
  });
});
