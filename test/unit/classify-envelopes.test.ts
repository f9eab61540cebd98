import { describe, expect, it } from "vitest";
import { type Answer, classified, reading } from "../support/classified.ts";
import { SOME_DAY } from "../vectors/samples.ts";

const spent = { code: "usage_limit_reached" };
const SPENT = "USAGE_LIMIT PROFILE";

describe("under a good status a failure is told", () => {
  it.each([
    [{ error: spent }, SPENT],
    [{ error: "usage_limit_reached" }, SPENT],
    [{ success: false, ...spent }, SPENT],
    [{ object: "error", ...spent }, SPENT],
    [{ type: "error", ...spent }, SPENT],
    [{ type: "response.failed", ...spent }, SPENT],
    [{ type: "turn.failed", ...spent }, SPENT],
    [{ type: "response.failed", response: { status: "failed", ...spent } }, SPENT],
    [{ response: { error: spent } }, SPENT],
    [{ response: { status: "failed", ...spent } }, SPENT],
    [{ data: { error: spent } }, SPENT],
    [{ result: { error: spent } }, SPENT],
    [{ choices: [{ error: spent }] }, SPENT],
    [{ errors: [spent] }, SPENT],
    [{ base_resp: { status_code: 1, status_msg: "insufficient balance" } }, "BILLING PROFILE"],
    [{ success: true, ...spent }, "OK NONE"],
    [{ object: "response", ...spent }, "OK NONE"],
    [{ error: null, ...spent }, "OK NONE"],
    [{ error: "", ...spent }, "OK NONE"],
    [{ detail: spent }, "OK NONE"],
    [{ response: { status: "completed", ...spent } }, "OK NONE"],
    [{ message: "hello", errors: [spent] }, "OK NONE"],
    [{ base_resp: { status_code: 0, status_msg: "insufficient balance" } }, "OK NONE"],
    [{ base_resp: { status_code: "1", status_msg: "insufficient balance" } }, "OK NONE"],
    [[spent], "OK NONE"],
    [[{ error: spent }], SPENT],
  ])("by %j: %s", (body, expected) => expect(reading("own", { httpStatus: 200, body })).toBe(expected));
});

describe("a message may stand under many names", () => {
  it.each([
    "message",
    "msg",
    "error_description",
    "error_message",
    "errorMessage",
    "detail",
    "error",
    "status_msg",
    "title",
    "description",
  ])("%s", (key) => {
    const text = "credit balance is too low";
    expect(reading("own", { httpStatus: 418, body: { [key]: text } })).toBe("BILLING PROFILE");
    const wrapped = { error: { [key]: JSON.stringify({ code: "model_cooldown" }) } };
    expect(reading("own", { httpStatus: 418, body: wrapped })).toBe("USAGE_LIMIT PROFILE_MODEL");
  });
});

describe("a code may stand under many names", () => {
  it.each([
    "code",
    "type",
    "error",
    "status",
    "reason",
    "error_code",
    "error_type",
    "error_subtype",
    "errorCode",
    "codex_error_info",
    "codexErrorInfo",
    "rate_limit_reached_type",
    "__type",
  ])("%s", (key) => {
    const part = { [key]: "insufficient_quota" };
    const at = (fields: object) =>
      reading("own", { httpStatus: 418, body: { error: { message: "x", ...fields } } });
    expect(at(part)).toBe("BILLING PROFILE");
    expect(at({ metadata: part })).toBe("BILLING PROFILE");
    expect(at({ details: [{}, part] })).toBe("BILLING PROFILE");
    expect(at({ errors: [part] })).toBe("BILLING PROFILE");
  });

  it("of details the first sixteen are looked at", () => {
    const at = (n: number) =>
      reading("own", {
        httpStatus: 418,
        body: { error: { message: "x", details: [...Array(n).fill({}), { reason: "insufficient_quota" }] } },
      });
    expect(at(15)).toBe("BILLING PROFILE");
    expect(at(16)).toBe("UNRECOGNIZED NONE");
  });
});

describe("what a proxy wraps", () => {
  const wrap = (inner: object, times: number): object =>
    times === 0 ? inner : wrap({ error: { message: `failed: ${JSON.stringify(inner)}` } }, times - 1);
  it("is unwrapped four times", () => {
    expect(reading("own", { httpStatus: 418, body: wrap({ error: spent }, 4) })).toBe(SPENT);
    expect(reading("own", { httpStatus: 418, body: wrap({ error: { code: 418, type: "x" } }, 5) })).toBe(
      "UNRECOGNIZED NONE",
    );
  });

  it.each(["error", "errors", "code", "type", "message", "status", "detail"])(
    "is an error where it has %s",
    (key) => {
      const inner = { [key]: key === "errors" ? [spent] : "usage_limit_reached" };
      const body = { error: { code: "insufficient_quota", message: JSON.stringify(inner) } };
      expect(reading("own", { httpStatus: 418, body })).not.toBe("BILLING PROFILE");
    },
  );

  it("is left alone where it has nothing of an error", () => {
    const body = (inner: object) => ({
      error: { code: "insufficient_quota", message: JSON.stringify(inner) },
    });
    expect(reading("own", { httpStatus: 418, body: body({ model: "x", code: null }) })).toBe(
      "BILLING PROFILE",
    );
  });

  it("and an aggregator quotes is read with its own message", () => {
    const metadata = { raw: "credit balance is too low" };
    expect(reading("own", { httpStatus: 418, body: { error: { message: "x", metadata } } })).toBe(
      "BILLING PROFILE",
    );
    expect(
      reading("own", {
        httpStatus: 418,
        body: { error: { message: "credit balance", metadata: { raw: "is too low" } } },
      }),
    ).toBe("BILLING PROFILE");
  });

  it("is found a dozen levels deep, and no deeper", () => {
    const nest = (depth: number): object => (depth === 0 ? spent : { error: nest(depth - 1) });
    expect(reading("own", { httpStatus: 418, body: nest(11) })).toBe(SPENT);
    expect(reading("own", { httpStatus: 418, body: nest(12) })).toBe("UNRECOGNIZED NONE");
  });
});

describe("a status that a client's text names", () => {
  it.each([
    "402: x",
    "HTTP error 402: x",
    "HTTP/1.1 402: x",
    "HTTP/2 402: x",
    "HTTP 402: x",
    "status code: 402",
    "status code 402",
    "status 402",
    "status: 402",
    "status=402",
    "unexpected status 402 Payment Required",
    "last status: 402",
    "error code: 402",
    "error code 402",
    "rejected (402)",
    "API error: 402",
    "API error (402)",
    "API error 402",
    "Error (402): x",
    "Error: 402",
    "Error 402",
    "see [402]",
    "  402: x",
    "an error here: HTTP error 402: x",
    "the status is bad: unexpected status 402: x",
    "status: bad, last status: 402",
    "error: bad, API error: 402",
    "error (bad), API error (402)",
    "error bad, API error 402",
    "402 - x",
    "402 {x",
    "402 (x",
    "402 <x",
    "402",
  ])("%j", (body) => expect(reading("own", { body })).toBe("BILLING PROFILE"));

  it.each([
    "402 dollars",
    "error 4020",
    "error 302",
    "error 602",
    "HTTP 40",
    "xHTTP 402y",
    "HTTP 402-page",
    `${"x ".repeat(151)}HTTP 402: x`,
    "the 402 - x",
    "error 40",
    "error x02: x",
    "error 402 xbad request - x",
  ])("none in %j", (body) => expect(reading("own", { body })).toBe("UNRECOGNIZED NONE"));

  it.each([
    [400, "Bad Request", "BAD_REQUEST NONE"],
    [401, "Unauthorized", "AUTH_INVALID_TOKEN PROFILE"],
    [402, "Payment Required", "BILLING PROFILE"],
    [403, "Forbidden", "FORBIDDEN PROFILE"],
    [404, "Not Found", "SERVER_ERROR PROVIDER"],
    [408, "Request Timeout", "TIMEOUT NONE"],
    [429, "Too Many Requests", "RATE_LIMIT PROFILE_MODEL"],
    [499, "Client Closed", "UNRECOGNIZED NONE"],
    [500, "Internal Server Error", "SERVER_ERROR PROVIDER"],
    [503, "Service Unavailable", "SERVER_ERROR PROVIDER"],
    [504, "Gateway Timeout", "SERVER_ERROR PROVIDER"],
    [529, "Overloaded", "OVERLOADED PROVIDER"],
    [429, "Engine Overloaded", "OVERLOADED PROVIDER"],
    [429, "RESOURCE_EXHAUSTED", "RATE_LIMIT PROFILE_MODEL"],
  ])("%i before %j", (status, reason, expected) =>
    expect(reading("own", { body: `${status} ${reason}` })).toBe(expected),
  );
});

describe("a stream", () => {
  const event = (data: object, name?: string, end = "\n") =>
    `${name === undefined ? "" : `event: ${name}${end}`}data: ${JSON.stringify(data)}${end}${end}`;
  const stream = (body: string, more: Answer = {}) =>
    reading("openai-codex", { source: "STREAM_EVENT", httpStatus: 200, body, ...more });

  it.each([
    ["data first", event({ error: spent })],
    ["a name first", event({ error: spent }, "error")],
    ["after blanks", `\n\n${event({ error: spent })}`],
    ["after something else", `: hello\n${event({ error: spent })}`],
    ["with CRLF", event({ error: spent }, "error", "\r\n")],
    ["without an end", event({ error: spent }).trimEnd()],
    ["under a name that says it all", event(spent, "error")],
    ["by the kind of the event", event({ type: "response.failed", response: { error: spent } })],
    ["in several lines of data", 'data: {"error":\ndata: {"code":"usage_limit_reached"}}\n\n'],
    ["after others", event({ type: "a" }, "error").replace("error", "a") + event({ error: spent })],
  ])("fails %s", (_how, body) => expect(stream(body)).toBe(SPENT));

  it.each([
    ["content that speaks of errors", event({ delta: '"error"' })],
    ["an event of no content under a bad name", event({}, "error")],
    ["an object under a good name", event(spent, "note")],
    ["a name that belongs to another event", 'event: error\n\ndata: {"code":"usage_limit_reached"}\n\n'],
  ])("does not fail by %s", (_how, body) => expect(stream(body)).toBe("OK NONE"));

  it("ends with the first failure", () => {
    const body = event({ error: { code: "insufficient_quota" } }) + event({ error: spent });
    expect(stream(body)).toBe("BILLING PROFILE");
  });

  it("shows the last usage that it tells", () => {
    const usage = (used: number) =>
      event({ type: "codex.rate_limits", rate_limits: { primary: { used_percent: used } } });
    const { windows } = classified("openai-codex", { source: "STREAM_EVENT", body: usage(1) + usage(2) });
    expect(windows).toMatchObject([{ name: "primary", usedPercent: 2 }]);
  });

  it("is looked through for 32 events that may matter", () => {
    const body = (before: number) =>
      event({ x: '"error"' }).replaceAll('\\"', '"').repeat(before) + event({ error: spent });
    expect(stream(body(31))).toBe(SPENT);
    expect(stream(body(32))).toBe("OK NONE");
  });
});

describe("waits and moments in fields", () => {
  const wait = (fields: object, more: Answer = {}) => {
    const body = { error: { message: "x", ...fields } };
    const { retryAtMs } = classified("own", { httpStatus: 429, body, ...more });
    return retryAtMs === undefined ? undefined : retryAtMs - SOME_DAY;
  };
  const iso = (afterMs: number) => new Date(SOME_DAY + afterMs).toISOString();
  const HOUR = 3_600_000;

  it.each(["retry_after_ms", "retryAfterMs", "reset_in_ms"])("%s is in milliseconds", (key) => {
    expect(wait({ [key]: 1_500 })).toBe(1_500);
    expect(wait({ [key]: "1500", retry_after: 9 })).toBe(1_500);
    expect(wait({ [key]: 0, retry_after: 9 })).toBe(9_000);
    expect(wait({ [key]: -1 })).toBeUndefined();
  });

  it.each([
    "resets_in_seconds",
    "reset_in_seconds",
    "reset_after_seconds",
    "reset_seconds",
    "retry_after_seconds",
    "retry_after",
    "retryAfter",
    "resets_in",
    "retryDelay",
    "quotaResetDelay",
    "reset_time",
  ])("%s is in seconds, or says its unit", (key) => {
    expect(wait({ [key]: 90 })).toBe(90_000);
    expect(wait({ [key]: "90" })).toBe(90_000);
    expect(wait({ [key]: "1m30s" })).toBe(90_000);
    expect(wait({ [key]: 0 })).toBeUndefined();
    expect(wait({ [key]: -5 })).toBeUndefined();
  });

  it.each([
    "resets_at",
    "reset_at",
    "resetsAt",
    "resetAt",
    "reset_time",
    "resetTime",
    "quotaResetTimeStamp",
    "retry_at",
    "next_reset_at",
  ])("%s is a moment", (key) => {
    expect(wait({ [key]: iso(HOUR) })).toBe(HOUR);
    expect(wait({ [key]: (SOME_DAY + HOUR) / 1_000 })).toBe(HOUR);
    expect(wait({ metadata: { [key]: iso(HOUR) } })).toBe(HOUR);
    expect(wait({ details: [{ metadata: { [key]: iso(HOUR) } }] })).toBe(HOUR);
  });

  it.each([
    ["2026-05-19 13:00:00", HOUR],
    ["2026-05-19T13:00:00", HOUR],
    ["2026-05-19T13:00", HOUR],
    ["2026-05-19T13:00:00+00:00", HOUR],
    ["2026-05-19T15:00:00+0200", HOUR],
    ["2026-05-19T11:00:00-02:00", HOUR],
    ["2026-05-19T13:00:00z", HOUR],
    ["2026-05-20", 12 * HOUR],
    ["on 2026-05-20", undefined],
    ["2026-05-19T13:00:00.000000000000000000000Z", undefined],
    ["2026-05-19T13:00:00 or so", undefined],
    [(SOME_DAY + HOUR) / 1_000, HOUR],
    [SOME_DAY + HOUR, HOUR],
  ])("resets_at %j", (value, expected) => expect(wait({ resets_at: value })).toBe(expected));

  it("the inner error's come before the outer's, and a moment before a wait", () => {
    expect(wait({ retry_after: 5 }, { body: { retry_after: 9, error: { retry_after: 5 } } })).toBe(5_000);
    expect(wait({ resets_at: iso(HOUR), retry_after: 5 })).toBe(HOUR);
  });

  it("a field cut to whole seconds means the next one, where the message is more exact", () => {
    expect(wait({ retry_after: 36, message: "retry in 36.43s" })).toBe(37_000);
    expect(wait({ retry_after: 36, message: "retry in 36s" })).toBe(36_000);
    expect(wait({ retry_after: 36, message: "retry in 37s" })).toBe(36_000);
    expect(wait({ retry_after: 36, message: "retry in 35.5s" })).toBe(36_000);
  });

  it("milliseconds win over seconds unless the two differ a hundredfold", () => {
    const both = (ms: string, seconds: string) =>
      wait({}, { body: "", headers: { "retry-after-ms": ms, "retry-after": seconds } });
    expect(both("2000", "1")).toBe(2_000);
    expect(both("1000", "2")).toBe(1_000);
    expect(both("99000", "1")).toBe(99_000);
    expect(both("100000", "1")).toBe(1_000);
    expect(both("10", "1")).toBe(10);
    expect(both("1000", "100")).toBe(1_000);
  });

  it.each([
    ["Tue, 19 May 2026 12:05:00 GMT", 300_000],
    ["Tue, 19 May 2026 12:05:00 UTC", 300_000],
    ["Tue, 19 May 2026 12:05:00", 300_000],
    [" Tue, 19 May 2026 12:05:00 GMT ", 300_000],
    ["on Tue, 19 May 2026 12:05:00 GMT", undefined],
    ["19 May 2026 12:05:00 GMT", undefined],
    [" 30 ", 30_000],
    ["0.001", 1_000],
  ])("Retry-After %j", (value, expected) => {
    expect(wait({}, { body: "", headers: { "retry-after": value } })).toBe(expected);
  });

  it("a wait of up to two hours is a throttle, a longer one a spent plan, by words or by moment", () => {
    const read = (message: string) =>
      reading("own", { httpStatus: 429, body: { error: { message } } }).split(" ")[0];
    expect(read("try again in 2 hours")).toBe("RATE_LIMIT");
    expect(read("try again in 2 hours 1 second")).toBe("USAGE_LIMIT");
    expect(read("try again at 2026-05-19 14:00:00 UTC")).toBe("RATE_LIMIT");
    expect(read("try again at 2026-05-19 14:00:01 UTC")).toBe("USAGE_LIMIT");
    expect(read("10 tokens per day, try again in 2 hours")).toBe("RATE_LIMIT");
    expect(read("10 tokens per day, try again in 3 hours")).toBe("USAGE_LIMIT");
    expect(read("10 tokens per day")).toBe("USAGE_LIMIT");
    expect(read("10 tokens per day, try again at 2026-05-19 11:00:00 UTC")).toBe("USAGE_LIMIT");
  });
});
