import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { reading } from "../support/classified.ts";

/** Sentences as providers, gateways and clients write them, by what they mean. */
const SENTENCES = JSON.parse(readFileSync(new URL("../vectors/sentences.json", import.meta.url), "utf8")) as {
  readonly refused: Readonly<Record<string, readonly string[]>>;
  readonly brokenOff: Readonly<Record<string, readonly string[]>>;
  readonly aboutTheRequest: readonly string[];
};
const told = (message: string, httpStatus = 418) =>
  reading("own", { httpStatus, body: { error: { message } } });

describe("under a status that says nothing", () => {
  it.each(Object.entries(SENTENCES.refused))("%s is told by the words alone", (expected, sentences) => {
    expect(sentences.filter((sentence) => told(`Sorry: ${sentence}.`) !== expected)).toEqual([]);
    expect(sentences.filter((sentence) => told(sentence.toUpperCase()) !== expected)).toEqual([]);
  });

  it("other words tell nothing", () => {
    for (const words of ["sorry", "maximum allowed", "quota exceeded for metric m", "limit", "credits"])
      expect(told(words)).toBe("UNRECOGNIZED NONE");
  });
});

describe("without any status", () => {
  it.each(Object.entries(SENTENCES.brokenOff))("%s is told by the words alone", (expected, sentences) => {
    expect(
      sentences.filter((sentence) => reading("own", { body: `Error: ${sentence}` }) !== expected),
    ).toEqual([]);
    expect(reading("own", { body: "Error: hello" })).toBe("UNRECOGNIZED NONE");
  });

  it("and with one, the same words tell nothing", () => {
    const all = Object.values(SENTENCES.brokenOff).flat();
    expect(all.filter((sentence) => told(sentence) !== "UNRECOGNIZED NONE")).toEqual([]);
  });
});

describe("what a status says alone", () => {
  it.each([
    [401, "AUTH_INVALID_TOKEN PROFILE"],
    [402, "BILLING PROFILE"],
    [403, "FORBIDDEN PROFILE"],
    [404, "SERVER_ERROR PROVIDER"],
    [405, "BAD_REQUEST NONE"],
    [406, "BAD_REQUEST NONE"],
    [408, "TIMEOUT NONE"],
    [411, "BAD_REQUEST NONE"],
    [413, "BAD_REQUEST NONE"],
    [415, "BAD_REQUEST NONE"],
    [418, "UNRECOGNIZED NONE"],
    [422, "BAD_REQUEST NONE"],
    [429, "RATE_LIMIT PROFILE"],
    [431, "BAD_REQUEST NONE"],
    [451, "FORBIDDEN PROVIDER"],
    [499, "UNRECOGNIZED NONE"],
    [500, "SERVER_ERROR PROVIDER"],
    [529, "OVERLOADED PROVIDER"],
    [599, "SERVER_ERROR PROVIDER"],
    [600, "UNRECOGNIZED NONE"],
  ])("%i: %s", (httpStatus, expected) => expect(reading("own", { httpStatus })).toBe(expected));

  it("a complaint about the request makes it the request's fault, anything else does not", () => {
    const wrong = SENTENCES.aboutTheRequest.filter((w) => told(`x ${w} y`, 422) !== "BAD_REQUEST NONE");
    expect(wrong).toEqual([]);
    expect(told("odd", 422)).toBe("UNRECOGNIZED NONE");
    expect(told("invalid", 409)).toBe("UNRECOGNIZED NONE");
  });

  it("a place that is not there is the server's fault, an unknown thing is nobody's", () => {
    expect(told("Page not found", 404)).toBe("SERVER_ERROR PROVIDER");
    expect(told("odd", 404)).toBe("UNRECOGNIZED NONE");
  });
});

describe("a gateway's answer", () => {
  const page = "<html>x</html>";
  it.each([
    [401, page, {}, "AUTH_INVALID_TOKEN PROFILE"],
    [429, page, {}, "RATE_LIMIT PROVIDER"],
    [529, page, {}, "OVERLOADED PROVIDER"],
    [400, page, {}, "SERVER_ERROR PROVIDER"],
    [405, page, {}, "SERVER_ERROR PROVIDER"],
    [451, page, {}, "FORBIDDEN PROVIDER"],
    [503, page, {}, "SERVER_ERROR PROVIDER"],
    [409, "", { "cf-mitigated": "challenge" }, "FORBIDDEN PROVIDER"],
    [409, "error code: 1015", {}, "FORBIDDEN PROVIDER"],
    [409, "an error code: 1015", {}, "UNRECOGNIZED NONE"],
    [403, "", { server: "Cloudflare" }, "FORBIDDEN PROVIDER"],
    [403, "", { server: "nginx" }, "FORBIDDEN PROFILE"],
    [409, "", { server: "cloudflare" }, "UNRECOGNIZED NONE"],
  ])("%i %j %j is %s", (httpStatus, body, headers, expected) => {
    expect(reading("own", { httpStatus, body, headers: headers as Record<string, string> })).toBe(expected);
  });
});

describe("a limit of one's own", () => {
  it.each([
    ["You've hit your limit", "USAGE_LIMIT PROFILE"],
    ["You have reached your allowance", "USAGE_LIMIT PROFILE"],
    ["You exceeded your capacity", "USAGE_LIMIT PROFILE"],
    ["You exhausted your quota", "USAGE_LIMIT PROFILE"],
    ["You exceeded your current quota", "BILLING PROFILE"],
    ["You've hit your rate limit", "RATE_LIMIT PROFILE_MODEL"],
    ["You've hit your per-minute limit", "UNRECOGNIZED NONE"],
    [`You've hit your ${"very ".repeat(8)}own limit`, "UNRECOGNIZED NONE"],
    ["You've hit your head", "UNRECOGNIZED NONE"],
    ["The 5-hour limit", "USAGE_LIMIT PROFILE"],
    ["The session limit", "USAGE_LIMIT PROFILE"],
    ["The weekly rate limit", "USAGE_LIMIT PROFILE"],
    ["The monthly limit", "USAGE_LIMIT PROFILE"],
    ["The daily limit", "USAGE_LIMIT PROFILE"],
    ["Insufficient account balance", "BILLING PROFILE"],
    ["Insufficient credits", "BILLING PROFILE"],
    ["Insufficient funds", "BILLING PROFILE"],
    ["Insufficient quota", "BILLING PROFILE"],
    ["Insufficient to fund this", "UNRECOGNIZED NONE"],
    [`Insufficient ${"x".repeat(32)} balance`, "UNRECOGNIZED NONE"],
    ["maximum allowed by your spending limit", "BILLING PROFILE"],
    ["Requests per day: try again in 5 minutes", "RATE_LIMIT PROFILE_MODEL 300000"],
  ])("error %j: %s", (message, expected) => expect(told(message)).toBe(expected));

  it.each([
    ["You've hit your limit", "USAGE_LIMIT PROFILE"],
    ["You have hit your limit", "USAGE_LIMIT PROFILE"],
    ["They hit your limit", "UNRECOGNIZED NONE"],
    ["Weekly limit reached", "USAGE_LIMIT PROFILE"],
    ["Weekly limit exceeded", "USAGE_LIMIT PROFILE"],
    ["Weekly limit exhausted", "USAGE_LIMIT PROFILE"],
    ["The weekly limit is a nice thing", "UNRECOGNIZED NONE"],
    ["Insufficient credits", "UNRECOGNIZED NONE"],
    ["Your account is out of credits", "BILLING PROFILE"],
    ["Too many requests", "RATE_LIMIT PROFILE_MODEL"],
    ["A rate limit is a number", "UNRECOGNIZED NONE"],
    ["We are overloaded with joy", "UNRECOGNIZED NONE"],
    ["The token has expired", "UNRECOGNIZED NONE"],
    ["Model not found", "UNRECOGNIZED NONE"],
    ["It is not available in your country", "UNRECOGNIZED NONE"],
    ["It is only available for coding agents", "UNRECOGNIZED NONE"],
    ["The api key revoked", "UNRECOGNIZED NONE"],
  ])("mere prose %j: %s", (body, expected) => expect(reading("own", { body })).toBe(expected));

  it.each([400, 404, 422, 429])("an expired token under %i is another one", (httpStatus) => {
    expect(told("the token has expired", httpStatus)).not.toMatch(/^AUTH/);
  });
});
