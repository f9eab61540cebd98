import { describe, expect, it } from "vitest";
import { classifyFor, readTokenError } from "../../src/provider/classify.ts";
import type { ProviderResponse } from "../../src/provider/provider.ts";
import { classified, reading } from "../support/classified.ts";
import { LIMITS, SOME_DAY } from "../vectors/samples.ts";

const SPENT = "You've hit your usage limit. Visit the page to purchase more credits or try again later";
const error = (fields: object) => ({ error: fields });

describe("the status that counts", () => {
  it.each(["code", "status", "status_code", "statusCode", "http_status"])(
    "stands in the error as %s",
    (key) => {
      expect(reading("own", { httpStatus: 502, body: error({ [key]: 429, message: "x" }) })).toBe(
        "RATE_LIMIT PROFILE_MODEL",
      );
    },
  );

  it("is the innermost", () => {
    expect(reading("own", { httpStatus: 502, body: { status: 500, error: { code: 402 } } })).toBe(
      "BILLING PROFILE",
    );
  });

  it.each([200, 399, 600, 429.5, "x"])("is none of an error's if it is %j", (code) => {
    expect(reading("own", { httpStatus: 500, body: error({ code, message: "x" }) })).toBe(
      "SERVER_ERROR PROVIDER",
    );
  });

  it.each([
    [400, "BAD_REQUEST NONE"],
    [599, "SERVER_ERROR PROVIDER"],
  ])("may be %i, the first and the last of its kind", (code, expected) => {
    expect(reading("own", { httpStatus: 429, body: error({ code, message: "Bad request" }) })).toBe(expected);
  });

  it("is the server's own, not one that its words mention", () => {
    expect(reading("own", { httpStatus: 503, body: "HTTP 402: x" })).toBe("SERVER_ERROR PROVIDER");
    expect(reading("own", { httpStatus: 0, body: "HTTP 402: x" })).toBe("BILLING PROFILE");
  });
});

describe("what is a failure", () => {
  const spent = { code: "usage_limit_reached" };
  it.each([
    ["a page of a server that says all is well", { httpStatus: 200, body: "<html>hello</html>" }, "OK NONE"],
    ["a page and no status", { httpStatus: 0, body: "<html>hello</html>" }, "FORBIDDEN PROVIDER"],
    [
      "a challenge that only a header names",
      { httpStatus: 200, body: "<html>x</html>", headers: { "cf-mitigated": "challenge" } },
      "FORBIDDEN PROVIDER",
    ],
    ["a blocking page", { httpStatus: 200, body: "<html>Attention Required!</html>" }, "FORBIDDEN PROVIDER"],
    [
      "words far down a page",
      { httpStatus: 200, body: `<html>${" ".repeat(3_000)}Just a moment` },
      "OK NONE",
    ],
    ["an event of a stream", { source: "STREAM_EVENT", body: { type: "response.created" } }, "OK NONE"],
    ["an object and no status", { body: { type: "response.created" } }, "UNRECOGNIZED NONE"],
    [
      "an object with a number that looks like a status",
      { body: { code: 402, items: 3 } },
      "UNRECOGNIZED NONE",
    ],
    [
      "words for an event",
      { source: "STREAM_EVENT", httpStatus: 200, body: "API Error: 529 Overloaded" },
      "OVERLOADED PROVIDER",
    ],
    ["nothing for an event", { source: "STREAM_EVENT", httpStatus: 200, body: "" }, "OK NONE"],
    ["a detail without a status", { source: "STREAM_EVENT", body: { detail: spent } }, "USAGE_LIMIT PROFILE"],
    ["a detail under a good one", { httpStatus: 200, body: { detail: spent } }, "OK NONE"],
    ["a text as detail", { source: "STREAM_EVENT", body: { detail: "usage limit" } }, "OK NONE"],
    ["the first status that is not good", { httpStatus: 300, body: "" }, "UNRECOGNIZED NONE"],
    ["the last that is", { httpStatus: 299, body: "" }, "OK NONE"],
  ] as const)("%s", (_what, answer, expected) => expect(reading("own", answer)).toBe(expected));
});

describe("a page", () => {
  it("is one with braces in it, and its words are nobody's", () => {
    const body = "<!DOCTYPE html><style>a{}</style>Your account has been suspended for abuse of our terms";
    const read = classified("own", { httpStatus: 403, body });
    expect(read).toMatchObject({ outcome: "FORBIDDEN", scope: "PROVIDER" });
    expect(read).not.toHaveProperty("ban");
  });

  it("is none where an error quotes it", () => {
    const body = error({ type: "permission_error", message: "<html>no</html>" });
    expect(reading("own", { httpStatus: 403, body })).toBe("FORBIDDEN PROFILE");
  });
});

describe("where codes and headers may stand", () => {
  it.each(["x-codex-rate-limit-reached-type", "x-amzn-errortype", "x-ms-error-code"])(
    "the header %s carries a code",
    (name) => {
      expect(reading("own", { httpStatus: 400, headers: { [name]: "insufficient_quota" } })).toBe(
        "BILLING PROFILE",
      );
    },
  );

  it("a message tells by its code alone, a JSON object in prose by code or message alone", () => {
    expect(reading("own", { body: 'failed: {"code":"insufficient_quota"}' })).toBe("BILLING PROFILE");
    expect(reading("own", { body: `failed: {"message":"${SPENT}"}` })).toBe("USAGE_LIMIT PROFILE");
  });

  it("headers that travel in the body count where the answer's own say nothing", () => {
    const inBand = { headers: { "Retry-After": "60" } };
    const body = { type: "error", status_code: 429, ...inBand };
    expect(reading("own", { body })).toMatch(/^RATE_LIMIT \w+ 60000$/);
    expect(reading("own", { body, headers: { "retry-after": "7" } })).toMatch(/ 7000$/);
    expect(reading("own", { httpStatus: 429, body: error({ message: "x", metadata: inBand }) })).toMatch(
      / 60000$/,
    );
    expect(reading("own", { httpStatus: 429, body: { headers: { "retry-after": 7 } } })).toMatch(
      /^RATE_LIMIT/,
    );
  });

  it("two hundred headers are looked at", () => {
    const headers = (before: number) =>
      Object.fromEntries([
        ...Array.from({ length: before }, (_, n) => [`x-${n}`, ""]),
        ["retry-after", "60"],
      ]);
    expect(reading("own", { httpStatus: 429, headers: headers(199) })).toBe("RATE_LIMIT PROFILE 60000");
    expect(reading("own", { httpStatus: 429, headers: headers(200) })).toBe("RATE_LIMIT PROFILE");
  });
});

describe("a sentence that nothing else vouches for", () => {
  it("is believed up to 512 signs", () => {
    expect(reading("own", { body: `${SPENT} `.padEnd(512, "x") })).toBe("USAGE_LIMIT PROFILE");
    expect(reading("own", { body: `${SPENT} `.padEnd(513, "x") })).toBe("UNRECOGNIZED NONE");
  });
});

describe("moments and scopes", () => {
  const headers = { "retry-after": "60" };
  it.each([
    [503, "SERVER_ERROR PROVIDER 60000"],
    [529, "OVERLOADED PROVIDER 60000"],
    [402, "BILLING PROFILE 60000"],
    [401, "AUTH_INVALID_TOKEN PROFILE"],
    [403, "FORBIDDEN PROFILE"],
  ])("%i with Retry-After is %s", (httpStatus, expected) => {
    expect(reading("own", { httpStatus, headers })).toBe(expected);
  });

  it("without a model there is only the account to hold; other scopes stay", () => {
    const body = error({ code: "rate_limit_exceeded", message: "x" });
    expect(reading("own", { httpStatus: 429, body })).toBe("RATE_LIMIT PROFILE_MODEL");
    expect(reading("own", { httpStatus: 429, body, model: "" })).toBe("RATE_LIMIT PROFILE");
    expect(reading("own", { httpStatus: 500, model: "" })).toBe("SERVER_ERROR PROVIDER");
    expect(reading("own", { httpStatus: 400, model: "" })).toBe("BAD_REQUEST NONE");
  });

  it("of a usage read-out that failed: its own throttle, and nothing else", () => {
    const usage = { source: "USAGE_API" } as const;
    expect(classified("own", { ...usage, httpStatus: 429, headers })).toStrictEqual({
      outcome: "RATE_LIMIT",
      scope: "NONE",
      retryAtMs: SOME_DAY + 60_000,
      windows: [],
      rule: "usage.status.429",
    });
    expect(classified("own", { ...usage, httpStatus: 429 })).not.toHaveProperty("retryAtMs");
    expect(classified("own", { ...usage, httpStatus: 403, headers })).not.toHaveProperty("retryAtMs");
  });
});

describe("an answer that cannot be read at all", () => {
  const broken = {
    source: "MODEL_API",
    httpStatus: 429,
    headers: {},
    body: null,
  } as unknown as ProviderResponse;
  it("is left to the next profile", () => {
    expect(classifyFor("own")(broken, LIMITS)).toStrictEqual({
      outcome: "UNRECOGNIZED",
      scope: "NONE",
      windows: [],
      rule: "unreadable",
    });
  });

  it("spends no refresh token", () => {
    expect(readTokenError({ providerId: "own", status: 400, ...broken })).toStrictEqual({
      kind: "not_now",
      code: "unrecognized",
    });
  });
});

describe("answers of token endpoints", () => {
  const read = (body: string, status = 400, headers = {}) =>
    readTokenError({ providerId: "own", status, headers, body, receivedAtMs: SOME_DAY });

  it("in the form of a form are read where they are one", () => {
    expect(read("error=bad_refresh_token&error_description=x")).toStrictEqual({
      kind: "terminal",
      code: "bad_refresh_token",
    });
    expect(read(`{"note":"error=","error":"invalid_grant"}`).code).toBe("invalid_grant");
    expect(read("server error=").kind).toBe("not_now");
  });

  it("state a moment only where another try makes sense", () => {
    const headers = { "retry-after": "60" };
    expect(read('{"error":"invalid_grant"}', 400, headers)).toStrictEqual({
      kind: "terminal",
      code: "invalid_grant",
    });
    expect(read("", 503, headers)).toStrictEqual({
      kind: "not_now",
      code: "server_error",
      retryAtMs: SOME_DAY + 60_000,
    });
    expect(read("", 503)).toStrictEqual({ kind: "not_now", code: "server_error" });
    expect(read('{"error":"slow_down"}')).toStrictEqual({
      kind: "not_now",
      code: "slow_down",
      retryAtMs: SOME_DAY + 5_000,
    });
  });
});

it("blanks and curly quotes in a message make no difference", () => {
  const body = error({ message: "You\u2019ve   hit\n your\tusage limit" });
  expect(reading("own", { httpStatus: 418, body })).toBe("USAGE_LIMIT PROFILE");
  expect(reading("own", { body: "You\u2019ve hit your limit" })).toBe("USAGE_LIMIT PROFILE");
});

it("a connection that timed out in the middle of an answer is known in any spelling", () => {
  const answer = { httpStatus: 200, body: "data: {}\n\n" };
  expect(reading("own", { ...answer, transportError: "ETIMEDOUT" })).toBe("TIMEOUT NONE");
  expect(reading("own", { ...answer, transportError: "Gateway Timeout" })).toBe("TIMEOUT NONE");
});
