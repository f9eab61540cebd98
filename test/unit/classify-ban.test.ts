import { describe, expect, it } from "vitest";
import { classifyFor } from "../../src/provider/classify.ts";
import { LIMITS, SOME_DAY } from "../vectors/samples.ts";

function read(provider: string, httpStatus: number, body: unknown) {
  return classifyFor(provider)(
    {
      source: "MODEL_API",
      httpStatus,
      headers: {},
      body: typeof body === "string" ? body : JSON.stringify(body),
      transportError: "",
      receivedAtMs: SOME_DAY,
      model: "some-model",
    },
    LIMITS,
  );
}
const says = (message: string, more: object = {}) => ({ error: { message, ...more } });

describe("a ban", () => {
  it.each([
    ["google-antigravity", 403, says("x", { details: [{ reason: "TOS_VIOLATION" }] })],
    [
      "google-gemini-cli",
      403,
      says("This service has been disabled in this account for violation of Terms of Service."),
    ],
    [
      "google-gemini-cli",
      403,
      says("Consumer has been suspended.", { details: [{ reason: "CONSUMER_SUSPENDED" }] }),
    ],
    ["anthropic", 400, says("This organization has been disabled.", { type: "invalid_request_error" })],
    [
      "anthropic",
      400,
      says("Your account has been disabled after an automatic review of your recent activities."),
    ],
    [
      "openai-codex",
      401,
      says("Deactivated for a policy violation: your account is blocked.", { code: "account_deactivated" }),
    ],
    ["openai-api", 401, says("Your access was terminated", { code: "access_terminated" })],
    ["own", 403, says("Your account has been suspended.", { code: "account_suspended" })],
  ])("%s %i %j is FORBIDDEN for the profile", (provider, status, body) => {
    expect(read(provider, status, body)).toMatchObject({ outcome: "FORBIDDEN", scope: "PROFILE", ban: true });
  });

  it.each([
    [
      "github-copilot",
      403,
      "Access to this endpoint is forbidden. Please review our Terms of Service.",
      "FORBIDDEN",
    ],
    ["google-antigravity", 403, says("x", { details: [{ reason: "VALIDATION_REQUIRED" }] }), "FORBIDDEN"],
    [
      "google-gemini-cli",
      403,
      says("no license", { details: [{ reason: "SUBSCRIPTION_REQUIRED" }] }),
      "FORBIDDEN",
    ],
    ["own", 429, says("Your account is suspended, please check your plan and billing details"), "RATE_LIMIT"],
    [
      "openai-codex",
      400,
      says("Your prompt was flagged as violating our usage policy", { code: "invalid_prompt" }),
      "BAD_REQUEST",
    ],
    ["openai-api", 401, "account has been deactivated", "AUTH_PERMANENT"],
    ["openai-codex", 402, { detail: { code: "deactivated_workspace" } }, "AUTH_PERMANENT"],
    ["own", 403, "", "FORBIDDEN"],
    ["own", 0, "My account has been suspended for violation of the terms, says the story.", "UNRECOGNIZED"],
  ])("%s %i %j is none", (provider, status, body, outcome) => {
    const reading = read(provider, status, body);
    expect(reading.outcome).toBe(outcome);
    expect(reading).not.toHaveProperty("ban");
  });

  it("is never read from a usage read-out", () => {
    const reading = classifyFor("google-antigravity")(
      {
        source: "USAGE_API",
        httpStatus: 403,
        headers: {},
        body: JSON.stringify(says("x", { details: [{ reason: "TOS_VIOLATION" }] })),
        transportError: "",
        receivedAtMs: SOME_DAY,
        model: "",
      },
      LIMITS,
    );
    expect(reading).toMatchObject({ outcome: "FORBIDDEN", scope: "NONE" });
    expect(reading).not.toHaveProperty("ban");
  });
});
