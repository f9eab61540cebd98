import { describe, expect, it } from "vitest";
import { classified, reading } from "../support/classified.ts";
import { SOME_DAY } from "../vectors/samples.ts";

const HOUR = 3_600_000;
const at = (afterMs: number) => String((SOME_DAY + afterMs) / 1_000);
const unified = (parts: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(parts).map(([k, v]) => [`anthropic-ratelimit-unified-${k}`, v]));
const limited = (parts: Readonly<Record<string, string>>) =>
  reading("anthropic", { httpStatus: 429, headers: unified(parts) });

const WINDOWS = {
  "5h-utilization": "0.2",
  "5h-reset": at(HOUR),
  "7d-utilization": "0.9",
  "7d-reset": at(48 * HOUR),
  "7d_opus-utilization": "0.5",
  "7d_opus-reset": at(24 * HOUR),
};

describe("which plan window refused", () => {
  it.each([
    ["five_hour", `USAGE_LIMIT PROFILE ${HOUR}`],
    ["seven_day", `USAGE_LIMIT PROFILE ${48 * HOUR}`],
    ["seven_day_opus", `USAGE_LIMIT PROFILE_MODEL ${24 * HOUR}`],
  ])("is the one that the answer claims: %s", (claim, expected) => {
    expect(limited({ status: "rejected", "representative-claim": claim, ...WINDOWS })).toBe(expected);
    expect(limited({ "representative-claim": claim, ...WINDOWS })).toBe(expected);
  });

  it("is the one that is full, where nothing is claimed", () => {
    expect(limited({ status: "rejected", ...WINDOWS, "7d-utilization": "1" })).toBe(
      `USAGE_LIMIT PROFILE ${48 * HOUR}`,
    );
    expect(limited({ status: "rejected", ...WINDOWS, "7d_opus-utilization": "1.02" })).toBe(
      `USAGE_LIMIT PROFILE_MODEL ${24 * HOUR}`,
    );
  });

  it("is the one that says so, whatever is claimed, and the last of several", () => {
    const claim = { "representative-claim": "five_hour" };
    expect(limited({ ...claim, ...WINDOWS, "7d-status": "rejected" })).toBe(
      `USAGE_LIMIT PROFILE ${48 * HOUR}`,
    );
    const two = { "5h-status": "rejected", "7d_opus-status": "rejected" };
    expect(limited({ ...WINDOWS, ...two })).toBe(`USAGE_LIMIT PROFILE ${24 * HOUR}`);
  });

  it("is unknown where only the whole is told: then its reset counts", () => {
    expect(limited({ status: "rejected", reset: at(2 * HOUR) })).toBe(`USAGE_LIMIT PROFILE ${2 * HOUR}`);
    expect(limited({ status: "allowed", reset: at(2 * HOUR) })).toBe("RATE_LIMIT PROFILE");
  });

  it("is no matter for an answer that is no refusal of a limit", () => {
    const headers = unified({ ...WINDOWS, "7d-status": "rejected" });
    expect(reading("anthropic", { httpStatus: 500, headers })).toMatch(/^SERVER_ERROR PROVIDER/);
    const body = { type: "error", error: { type: "rate_limit_error", message: "x" } };
    expect(reading("anthropic", { httpStatus: 200, headers, body })).toBe(`USAGE_LIMIT PROFILE ${48 * HOUR}`);
  });
});

describe("what a throttle touches", () => {
  const bucket = (name: string, remaining: string) =>
    reading("anthropic", {
      httpStatus: 429,
      headers: { [`anthropic-ratelimit-${name}-remaining`]: remaining },
      body: { error: { type: "rate_limit_error", message: "x" } },
    });
  it("is the model where its tokens are used up, else the account", () => {
    expect(bucket("input-tokens", "0")).toBe("RATE_LIMIT PROFILE_MODEL");
    expect(bucket("requests", "0")).toBe("RATE_LIMIT PROFILE");
    expect(bucket("input-tokens", "5")).toBe("RATE_LIMIT PROFILE");
    expect(bucket("input-tokens", "")).toBe("RATE_LIMIT PROFILE");
  });

  it("is no plan where no window refused", () => {
    expect(limited({ "5h-status": "allowed", "7d-status": "allowed_warning" })).toBe("RATE_LIMIT PROFILE");
  });

  it.each([
    ["Number of tokens per minute exceeded", "RATE_LIMIT PROFILE_MODEL"],
    ["Rate limited. Please try again later.", "RATE_LIMIT PROVIDER"],
    ["API Error: Server is busy · Rate limited", "RATE_LIMIT PROVIDER"],
    ["This organization is rate limited", "RATE_LIMIT PROFILE"],
  ])("follows from the words %j", (message, expected) => {
    const body = { error: { type: "rate_limit_error", message } };
    expect(reading("anthropic", { httpStatus: 429, body })).toBe(expected);
  });
});

it.each([
  [429, "You've reached your Opus limit", "USAGE_LIMIT PROFILE_MODEL"],
  [429, "You've hit your Sonnet weekly limit", "USAGE_LIMIT PROFILE_MODEL"],
  [400, "Third-party apps now draw from your extra usage", "BILLING PROFILE"],
])("%i %j is read by its words", (httpStatus, message, expected) => {
  const body = { error: { type: "invalid_request_error", message } };
  expect(reading("anthropic", { httpStatus, body })).toBe(expected);
});

it("a path that does not exist is the server's, a model that does not is the model's", () => {
  const missing = (message: string) =>
    reading("anthropic", { httpStatus: 404, body: { error: { type: "not_found_error", message } } });
  expect(missing("Not found")).toBe("SERVER_ERROR PROVIDER");
  expect(missing("model: claude-old")).toBe("MODEL_NOT_FOUND PROFILE_MODEL");
});

describe("usage windows", () => {
  const names = (answer: Parameters<typeof classified>[1]) =>
    classified("anthropic", answer).windows.map(({ name, windowMinutes }) => [name, windowMinutes]);

  it("take their length from their name, where it tells one", () => {
    const headers = unified({ "12h-utilization": "0", "30d_x-utilization": "0", "burst5h-utilization": "0" });
    expect(names({ httpStatus: 200, headers })).toEqual([
      ["12h", 720],
      ["30d_x", 43_200],
      ["burst5h", undefined],
    ]);
  });

  it("of the read-out are those that it names as the headers do", () => {
    const window = { utilization: 3 };
    const body = { five_hour: window, seven_day: window, seven_day_opus: window, seven_weeks: window };
    expect(names({ httpStatus: 200, source: "USAGE_API", body })).toEqual([
      ["5h", 300],
      ["7d", 10_080],
      ["7d_opus", 10_080],
    ]);
    expect(names({ httpStatus: 200, body })).toEqual([]);
  });

  it("show no use where none is told", () => {
    const headers = unified({ "5h-reset": at(HOUR) });
    const [window] = classified("anthropic", { httpStatus: 200, headers }).windows;
    expect(window).toStrictEqual({
      name: "5h",
      windowMinutes: 300,
      resetAtMs: SOME_DAY + HOUR,
      observedAtMs: SOME_DAY,
    });
  });
});
