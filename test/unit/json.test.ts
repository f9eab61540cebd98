import { describe, expect, test } from "vitest";
import { BrokerFailure } from "../../src/domain/failure.ts";
import { fromTwin, toJson, toTwin } from "../../src/rpc/json.ts";
import { decode, encode, type Message, messageType } from "../../src/rpc/schema.ts";

const name = (short: string) => `authbroker.v1.${short}`;
const sent = (short: string, message: Message) => {
  const type = messageType(name(short));
  return decode(type, encode(type, message));
};

const AT = { seconds: 1_893_456_000, nanos: 0 };

describe("proto3 JSON", () => {
  test("every field is named: unset messages are null, only members of a oneof are left away", () => {
    expect(toJson(name("AcquireCredentialResponse"), sent("AcquireCredentialResponse", {}))).toEqual({
      lease: null,
      credential: null,
    });
    const message = sent("AcquireCredentialResponse", {
      lease: { leaseId: "l", issueTime: AT, costClass: "COST_CLASS_METERED" },
      credential: { apiKey: { key: "sk-FAKE" }, headers: { "x-api-key": "sk-FAKE" } },
    });
    expect(toJson(name("AcquireCredentialResponse"), message)).toEqual({
      lease: {
        leaseId: "l",
        provider: "",
        profile: "",
        generation: 0,
        sessionId: "",
        issueTime: "2030-01-01T00:00:00Z",
        expireTime: null,
        trial: false,
        costClass: "COST_CLASS_METERED",
      },
      credential: {
        apiKey: { key: "sk-FAKE" },
        baseUrl: "",
        headers: { "x-api-key": "sk-FAKE" },
        attributes: {},
      },
    });
  });

  test("an optional number that is 0 is shown, an unset one is not", () => {
    const message = sent("UsageWindow", { name: "5h", usedPercent: 0 });
    expect(toJson(name("UsageWindow"), message)).toEqual({
      name: "5h",
      usedPercent: 0,
      resetTime: null,
      observeTime: null,
    });
  });

  test.each([
    [0, "2030-01-01T00:00:00Z"],
    [500_000_000, "2030-01-01T00:00:00.500Z"],
    [1_000, "2030-01-01T00:00:00.000001Z"],
    [7, "2030-01-01T00:00:00.000000007Z"],
  ])("a Timestamp with %i nanoseconds has 0, 3, 6 or 9 digits", (nanos, text) => {
    expect(toJson(name("ProfileReason"), { untilTime: { ...AT, nanos } })).toEqual({ untilTime: text });
  });

  test.each([
    [{ seconds: 600, nanos: 0 }, "600s"],
    [{ seconds: 0, nanos: 500_000_000 }, "0.500s"],
    [{ seconds: 0, nanos: 0 }, "0s"],
    [{ seconds: -1, nanos: -500_000_000 }, "-1.500s"],
  ])("a Duration of %o is %s", (delay, text) => {
    expect(toJson(name("Advice"), { delay })).toEqual({ delay: text });
    expect(fromTwin(name("Advice"), { delay: text })).toEqual({ delay });
  });

  test("bytes are base64, and keys of maps are data", () => {
    const headers = JSON.parse('{"__proto__":"x"}');
    const json = toJson(name("ProviderResponse"), { body: Buffer.from("hi"), headers });
    expect(JSON.stringify(json)).toBe('{"headers":{"__proto__":"x"},"body":"aGk="}');
  });
});

describe("the client's twin", () => {
  test("has dates for instants and milliseconds for durations", () => {
    expect(toTwin(name("Advice"), { delay: { seconds: 1, nanos: 500_000_000 } })).toEqual({ delay: 1500 });
    expect(toTwin(name("ProfileReason"), { untilTime: AT })).toEqual({
      untilTime: new Date(AT.seconds * 1000),
    });
  });

  test("goes to the wire and back unchanged", () => {
    const twin = {
      leaseId: "l",
      providerResponse: {
        source: "RESPONSE_SOURCE_MODEL_API",
        httpStatus: 429,
        headers: { "retry-after": "30" },
        body: Buffer.from([0, 255]),
        transportError: "",
        receiveTime: new Date(1_893_456_000_123),
      },
      model: "",
      retryTime: new Date(-1),
      responseStarted: true,
      usageWindows: [{ name: "5h", windowMinutes: 300, usedPercent: 12.5 }],
      acquireNext: true,
    };
    const short = "ReportOutcomeRequest";
    expect(toTwin(name(short), sent(short, fromTwin(name(short), twin)))).toEqual(twin);
  });

  test("takes enum names with and without their prefix, and every spelling of time", () => {
    expect(
      fromTwin(name("AcquireCredentialRequest"), {
        kinds: ["OAUTH", "PROFILE_KIND_API_KEY"],
        minValidFor: 90_500,
        maxWait: "2.5s",
        pool: undefined,
        profile: null,
      }),
    ).toEqual({
      kinds: ["OAUTH", "API_KEY"].map((kind) => `PROFILE_KIND_${kind}`),
      minValidFor: { seconds: 90, nanos: 500_000_000 },
      maxWait: { seconds: 2, nanos: 500_000_000 },
    });
    expect(fromTwin(name("ProfileReason"), { untilTime: "2030-01-01T02:00:00.25+02:00" })).toEqual({
      untilTime: { ...AT, nanos: 250_000_000 },
    });
  });

  test("reads the JSON that it prints", () => {
    const message = sent("PutProfileRequest", {
      profile: "p:a",
      oauth: { accessToken: "at-FAKE", expireTime: AT, scopes: ["a"] },
      enabled: false,
      cooldowns: [{ outcome: "OUTCOME_USAGE_LIMIT", untilTime: { ...AT, nanos: 1 } }],
      attributes: { project: "x" },
    });
    const read = fromTwin(name("PutProfileRequest"), toJson(name("PutProfileRequest"), message));
    expect(sent("PutProfileRequest", read)).toEqual(message);
  });
});

describe("what is wrong is named by its field and never by its value", () => {
  const refused = (short: string, value: unknown) => {
    try {
      fromTwin(name(short), value);
    } catch (error) {
      if (error instanceof BrokerFailure && error.failure.kind === "field_invalid")
        return error.failure.violations;
      throw error;
    }
    throw new Error("was taken");
  };

  test.each([
    ["AcquireCredentialRequest", { modle: "rt-FAKE" }, "modle", "unknown field"],
    ["AcquireCredentialRequest", { toString: "rt-FAKE" }, "to_string", "unknown field"],
    ["AcquireCredentialRequest", { kinds: ["OAUTH", "rt-FAKE"] }, "kinds[1]", "one of OAUTH, TOKEN, API_KEY"],
    ["AcquireCredentialRequest", { kinds: [2] }, "kinds[0]", "one of"],
    ["AcquireCredentialRequest", { kinds: "OAUTH" }, "kinds", "list"],
    ["AcquireCredentialRequest", { minValidFor: "rt-FAKE" }, "min_valid_for", "60s"],
    ["AcquireCredentialRequest", { minValidFor: Number.NaN }, "min_valid_for", "60s"],
    ["ReportOutcomeRequest", { retryTime: "tomorrow" }, "retry_time", "RFC 3339"],
    ["ReportOutcomeRequest", { retryTime: 1_893_456_000 }, "retry_time", "RFC 3339"],
    ["ReportOutcomeRequest", { retryTime: new Date(Number.NaN) }, "retry_time", "RFC 3339"],
    [
      "ReportOutcomeRequest",
      { outcome: "OUTCOME_OK", providerResponse: {} },
      "provider_response",
      "excludes outcome",
    ],
    [
      "ReportOutcomeRequest",
      { usageWindows: [{ usedPercent: "1" }] },
      "usage_windows[0].used_percent",
      "number",
    ],
    [
      "ReportOutcomeRequest",
      { providerResponse: { httpStatus: 1.5 } },
      "provider_response.http_status",
      "whole",
    ],
    [
      "ReportOutcomeRequest",
      { providerResponse: { httpStatus: 2 ** 31 } },
      "provider_response.http_status",
      "whole",
    ],
    ["ReportOutcomeRequest", { providerResponse: { body: "?" } }, "provider_response.body", "base64"],
    [
      "ReportOutcomeRequest",
      { providerResponse: { headers: { a: 1 } } },
      "provider_response.headers[a]",
      "text",
    ],
    ["ReportOutcomeRequest", { acquireNext: "yes" }, "acquire_next", "true or false"],
    ["PutProfileRequest", { apiKey: "rt-FAKE" }, "api_key", "object"],
  ])("%s %o", (short, value, field, words) => {
    const violations = refused(short, value);
    expect(violations).toMatchObject([{ field }]);
    expect(violations[0]?.description).toContain(words);
    expect(JSON.stringify(violations)).not.toContain("rt-FAKE");
  });

  test("all of them at once", () => {
    expect(refused("AcquireCredentialRequest", { a: 1, b: 1, provider: 1 })).toHaveLength(3);
    expect(refused("AcquireCredentialRequest", "text")).toMatchObject([{ field: "" }]);
  });
});
