import { describe, expect, it } from "vitest";
import { classified, reading } from "../support/classified.ts";

const told = (type: string, message = "x") =>
  reading("own", { httpStatus: 418, body: { error: { type, message } } });

describe("each code tells by itself", () => {
  it.each([
    ["BILLING PROFILE", "insufficient_credits payment_required credits_depleted arrearage Spending-Limit"],
    [
      "USAGE_LIMIT PROFILE",
      "usage_limit_exceeded UsageLimitReached weekly_limit_reached free-usage-exhausted",
    ],
    ["USAGE_LIMIT PROFILE_MODEL", "quota_exhausted model_cooldown"],
    ["AUTH_PERMANENT PROFILE", "api_key_expired deactivated_workspace account_deleted insufficient_scope"],
    ["AUTH_INVALID_TOKEN PROFILE", "token_revoked invalid_grant refresh_token_reused app_session_terminated"],
    ["AUTH_INVALID_TOKEN PROFILE", "authentication_error unauthenticated unauthorized unauthorized_error"],
    ["OVERLOADED PROVIDER", "overloaded server_is_overloaded model_capacity_exhausted slow_down"],
    ["FORBIDDEN PROVIDER", "unsupported_country_region_territory unsupported_location"],
    ["FORBIDDEN PROFILE", "subscription_required service_disabled feature_flag_blocked ip_not_authorized"],
    ["FORBIDDEN PROFILE", "permission_error permission_denied forbidden forbidden_error access_denied"],
    ["BAD_REQUEST NONE", "context_length_exceeded invalid_prompt previous_response_not_found"],
    ["BAD_REQUEST NONE", "invalid_request_error invalid_argument invalid_request bad_request badrequest"],
    ["MODEL_NOT_FOUND PROFILE_MODEL", "model_not_found unknown_model DeploymentNotFound"],
    ["RATE_LIMIT PROFILE_MODEL", "rate_limit_exceeded TooManyRequests Throttling.RateQuota tokens requests"],
    ["TIMEOUT NONE", "timeout_error deadline_exceeded request_timeout"],
    ["SERVER_ERROR PROVIDER", "api_error server_error internal_error upstream_error unavailable"],
    ["UNRECOGNIZED NONE", "never_seen not_found resource_not_found_error"],
  ])("%s: %s", (expected, codes) => {
    for (const code of codes.split(" ")) expect(told(code), code).toBe(expected);
  });

  it("a thing that is not found is the model only where the message speaks of one", () => {
    expect(told("resource_not_found_error", "the model m")).toBe("MODEL_NOT_FOUND PROFILE_MODEL");
  });

  it("a response that broke off says nothing about the next one", () => {
    const body = { error: { type: "server_error", message: "x" } };
    expect(reading("own", { source: "STREAM_EVENT", body })).toBe("SERVER_ERROR NONE");
  });

  it("an empty code is none", () => {
    expect(told("")).toBe("UNRECOGNIZED NONE");
    expect(told("x".repeat(81))).toBe("UNRECOGNIZED NONE");
    expect(told("invalid grant")).toBe("UNRECOGNIZED NONE");
  });

  it("parts of a compound count, too", () => {
    expect(told("billing:insufficient_quota")).toBe("BILLING PROFILE");
    expect(told("insufficient_quota:today")).toBe("BILLING PROFILE");
    expect(told("com.example#insufficient_quota")).toBe("BILLING PROFILE");
    expect(told(`insufficient_quota:${"x".repeat(61)}`)).toBe("BILLING PROFILE");
    expect(told(`insufficient_quota:${"x".repeat(62)}`)).toBe("UNRECOGNIZED NONE");
  });
});

describe("in a bare text", () => {
  it("a word with an underscore may be a code, others are none", () => {
    expect(reading("own", { httpStatus: 418, body: "model_cooldown: wait" })).toBe(
      "USAGE_LIMIT PROFILE_MODEL",
    );
    expect(reading("own", { httpStatus: 418, body: "few requests" })).toBe("UNRECOGNIZED NONE");
  });
  it("only near the beginning", () => {
    const at = (n: number) => reading("own", { httpStatus: 418, body: `${"x ".repeat(n)}model_cooldown` });
    expect(at(140)).toBe("USAGE_LIMIT PROFILE_MODEL");
    expect(at(160)).toBe("UNRECOGNIZED NONE");
  });
});

describe("a closed account", () => {
  const isBan = (message: string, type = "x") =>
    classified("own", { httpStatus: 403, body: { error: { message, type } } }).ban === true;

  it.each([
    "tos_violation",
    "account_suspended",
    "account_banned",
    "account_terminated",
    "user_banned",
    "user_suspended",
    "organization_disabled",
    "organization_banned",
    "access_terminated",
    "consumer_suspended",
  ])("by the code %s", (code) => expect(isBan("x", code)).toBe(true));

  it("by a plain sentence", () => {
    for (const who of ["organization", "organisation", "account"])
      for (const verb of ["has been", "was", "is"])
        for (const what of ["disabled", "suspended", "banned", "terminated"])
          expect(isBan(`This ${who} ${verb} ${what}.`), `${who} ${verb} ${what}`).toBe(true);
  });

  it("by what happened, to whom and why, all three", () => {
    for (const what of ["disabled", "suspended", "banned", "terminated", "deactivated", "blocked", "closed"])
      expect(isBan(`${what}: your access is in violation of the terms`), what).toBe(true);
    for (const whose of ["account", "organization", "organisation", "your access", "access to"])
      expect(isBan(`Blocked ${whose}: fraud`), whose).toBe(true);
    for (const why of [
      "violation of",
      "violating",
      "violated",
      "violates",
      "policy violation",
      "fraud",
      "abuse of",
      "abusive",
    ])
      expect(isBan(`Blocked your access: ${why} x`), why).toBe(true);
    expect(isBan("Blocked your access")).toBe(false);
    expect(isBan("Blocked: fraud")).toBe(false);
    expect(isBan("Your access: fraud")).toBe(false);
  });

  it.each([
    "billing",
    "payment",
    "balance",
    "overdue",
    "past due",
    "unpaid",
    "invoice",
    "credit",
    "recharge",
    "top up",
    "arrear",
  ])("not where it is about money: %s", (money) => {
    expect(isBan(`This account has been suspended: ${money}.`)).toBe(false);
  });
});
