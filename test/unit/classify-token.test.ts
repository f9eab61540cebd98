import { describe, expect, it } from "vitest";
import { classifyTokenEndpoint, readTokenError } from "../../src/provider/classify.ts";
import { SOME_DAY } from "../vectors/samples.ts";

function read(
  status: number,
  body: unknown,
  more: { providerId?: string; headers?: Record<string, string> } = {},
) {
  return readTokenError({
    providerId: more.providerId ?? "anthropic",
    status,
    headers: more.headers ?? {},
    body: typeof body === "string" ? body : JSON.stringify(body),
    receivedAtMs: SOME_DAY,
  });
}

describe("a refresh token is dead", () => {
  it.each([
    "invalid_grant",
    "refresh_token_reused",
    "refresh_token_expired",
    "refresh_token_invalidated",
    "app_session_terminated",
  ])("by %s under any status and in any envelope", (code) => {
    for (const status of [200, 400, 401, 403, 404, 429, 500, 503]) {
      for (const body of [
        { error: code },
        { error: { code } },
        { error: { type: code } },
        { detail: { code } },
      ]) {
        expect(read(status, body)).toEqual({ kind: "terminal", code });
      }
    }
  });

  it.each([
    [401, { error: { message: "Your refresh token has already been used to generate a new access token." } }],
    [400, "Refresh token expired or invalid"],
    [
      401,
      { type: "error", error: { type: "authentication_error", message: "OAuth token has been revoked" } },
    ],
  ])("by the words of %i %j", (status, body) => {
    expect(read(status, body)).toEqual({ kind: "terminal", code: "refresh_token_refused" });
  });

  it("by GitHub's form under status 200", () => {
    expect(read(200, "error=bad_refresh_token&error_description=x")).toEqual({
      kind: "terminal",
      code: "bad_refresh_token",
    });
  });

  it("by any plain 401 of vendors whose own clients take it so, and of no others", () => {
    const body = { error: { code: "never_seen" } };
    expect(read(401, body, { providerId: "openai-codex" })).toEqual({
      kind: "terminal",
      code: "unauthorized",
    });
    expect(read(401, body).kind).toBe("not_now");
  });
});

describe("a refresh token stays unspent", () => {
  it.each([
    [401, { error: "invalid_client" }],
    [400, { error: "unauthorized_client" }],
    [400, { error: "invalid_scope" }],
    [500, ""],
    [503, { error: { message: "Your refresh token has expired" } }],
    [403, { error: "forbidden" }],
    [404, { type: "error", error: { type: "not_found_error", message: "Not Found" } }],
    [429, { error: { type: "rate_limit_error", message: "Rate limited" } }],
    [404, { error: { message: "Refresh token not found" } }],
    [400, "<html>your refresh token has expired</html>"],
    [401, "<!DOCTYPE html><html>login</html>"],
    [403, { error: { code: "deviceauth_authorization_pending" } }],
    [400, { error: "slow_down" }],
    [400, { error: "never_seen" }],
    [401, ""],
    [200, ""],
    [200, "garbage"],
  ])("after %i %j", (status, body) => {
    expect(read(status, body, { providerId: "openai-codex" }).kind).toBe("not_now");
  });

  it("until the server's Retry-After, if it gives one", () => {
    const soon = read(429, "", { headers: { "retry-after": "20" } });
    expect(soon).toEqual({ kind: "not_now", code: "rate_limited", retryAtMs: SOME_DAY + 20_000 });
    expect(read(429, "", { headers: { "retry-after": "0" } })).toEqual({
      kind: "not_now",
      code: "rate_limited",
    });
    expect(read(400, { error: "slow_down" })).toMatchObject({ retryAtMs: SOME_DAY + 5_000 });
  });
});

it("no text of the server gets into the code, whatever it echoes", () => {
  for (const status of [200, 400, 401, 403, 429, 500]) {
    for (const text of ["rt-FAKE-1", "invalid_grant rt-FAKE-1", "refresh token rt-FAKE-1 expired"]) {
      for (const body of [text, { error: text }, { error: { code: text, message: text } }]) {
        expect(JSON.stringify(read(status, body))).not.toContain("FAKE");
      }
    }
  }
});

describe("each code of a token endpoint", () => {
  it.each([
    ["terminal", "", "invalid_grant invalid_refresh_token bad_refresh_token refresh_token_expired"],
    ["terminal", "", "refresh_token_reused refresh_token_invalidated refresh_token_revoked token_expired"],
    ["terminal", "", "token_revoked token_invalidated app_session_terminated app_session_expired"],
    ["terminal", "", "app_session_not_found account_session_expired account_auth_invalidated"],
    ["terminal", "", "account_deactivated account_suspended account_deleted access_denied"],
    ["terminal", "authorization_declined", "authorization_declined expired_token"],
    ["not_now", "client_refused", "invalid_client unauthorized_client unsupported_grant_type invalid_scope"],
    ["not_now", "client_refused", "invalid_target incorrect_client_credentials deleted_client"],
    ["not_now", "client_refused", "disabled_client org_internal"],
    ["not_now", "authorization_pending", "authorization_pending deviceauth_authorization_pending"],
    ["not_now", "slow_down", "slow_down"],
    ["not_now", "place_refused", "unsupported_country_region_territory"],
    ["not_now", "rate_limited", "rate_limit_error"],
    ["not_now", "unrecognized", "never_seen"],
  ])("%s %s: %s", (kind, code, codes) => {
    for (const error of codes.split(" ")) {
      expect(read(400, { error }), error).toMatchObject({ kind, code: code === "" ? error : code });
    }
  });

  it.each([
    ["the refresh token has already been used", "terminal refresh_token_refused"],
    ["the refresh token was already consumed", "terminal refresh_token_refused"],
    ["refresh_token is expired", "terminal refresh_token_refused"],
    ["this refresh token was revoked", "terminal refresh_token_refused"],
    ["this refresh token was invalidated", "terminal refresh_token_refused"],
    ["refresh token not found", "terminal refresh_token_refused"],
    ["the refresh token is invalid", "terminal refresh_token_refused"],
    ["refresh token malformed or invalid", "terminal refresh_token_refused"],
    ["refresh token not valid", "terminal refresh_token_refused"],
    ["refresh_token is an empty string", "terminal refresh_token_refused"],
    ["the token has been revoked", "terminal refresh_token_refused"],
    ["session expired", "terminal refresh_token_refused"],
    ["your session has expired", "terminal refresh_token_refused"],
    ["your session has ended", "terminal refresh_token_refused"],
    ["invalid refresh token", "terminal refresh_token_refused"],
    ["the refresh token is fine", "not_now unrecognized"],
    [`the refresh token ${"x".repeat(80)} expired`, "not_now unrecognized"],
    ["an expired or revoked thing", "not_now unrecognized"],
    ["the token is in the future", "not_now clock_skew"],
    ["immature_id_token", "not_now clock_skew"],
    ["the session expired: it is not active yet", "not_now clock_skew"],
    ["session expired, token is not yet valid", "not_now clock_skew"],
    ["country, region, or territory not supported", "not_now place_refused"],
    ["you are rate-limited", "not_now rate_limited"],
    ["a rate limit was hit", "not_now rate_limited"],
    ["too many requests", "not_now rate_limited"],
    ["bad credentials", "not_now unrecognized"],
  ])("the words %j alone mean %s", (message, expected) => {
    const { kind, code } = read(400, { error: { message } });
    expect(`${kind} ${code}`).toBe(expected);
  });

  it.each([
    [401, "bad credentials", "terminal bad_credentials"],
    [403, "missing token", "not_now not_entitled"],
    [403, "it could not be refreshed", "not_now unrecognized"],
    [403, "no", "not_now forbidden"],
    [404, "no", "not_now not_found"],
    [429, "no", "not_now rate_limited"],
    [500, "session expired", "not_now server_error"],
    [599, "no", "not_now server_error"],
    [404, "session expired", "not_now not_found"],
    [200, "session expired", "terminal refresh_token_refused"],
  ])("under %i %j means %s", (status, message, expected) => {
    const { kind, code } = read(status, { error: { message } });
    expect(`${kind} ${code}`).toBe(expected);
  });

  it.each([
    [429, "<html>x</html>", "rate_limited"],
    [401, "<html>x</html>", "edge_blocked"],
    [403, "<html>x</html>", "edge_blocked"],
    [451, "<html>x</html>", "edge_blocked"],
    [400, "<html>x</html>", "html"],
    [502, "<html>x</html>", "html"],
  ])("a page under %i is a gateway's: %s", (status, body, code) => {
    expect(read(status, body)).toEqual({ kind: "not_now", code });
  });

  it("a plain 401 ends the login with OpenAI and Kimi only, and only as JSON", () => {
    for (const providerId of ["openai-codex", "kimi"]) {
      expect(read(401, { error: "odd" }, { providerId }).code).toBe("unauthorized");
      expect(read(401, "odd", { providerId }).kind).toBe("not_now");
      expect(read(400, { error: "odd" }, { providerId }).kind).toBe("not_now");
    }
  });
});

describe("what the answer of a token endpoint touches", () => {
  const touched = (status: number, error: unknown) => {
    const { outcome, scope } = classifyTokenEndpoint("anthropic", {
      source: "MODEL_API",
      httpStatus: status,
      headers: {},
      body: typeof error === "string" ? error : JSON.stringify({ error }),
      transportError: "",
      receivedAtMs: SOME_DAY,
      model: "",
    });
    return `${outcome} ${scope}`;
  };
  it.each([
    [400, { code: "invalid_grant" }, "AUTH_PERMANENT PROFILE"],
    [400, { code: "invalid_client" }, "AUTH_PERMANENT PROVIDER"],
    [400, { code: "authorization_pending" }, "UNRECOGNIZED NONE"],
    [400, { code: "slow_down" }, "RATE_LIMIT NONE"],
    [400, { code: "expired_token" }, "AUTH_PERMANENT NONE"],
    [400, { message: "immature_id_token" }, "UNRECOGNIZED NONE"],
    [429, "<html>x</html>", "RATE_LIMIT PROVIDER"],
    [403, "<html>x</html>", "FORBIDDEN PROVIDER"],
    [400, "<html>x</html>", "SERVER_ERROR NONE"],
    [403, { code: "unsupported_country_region_territory" }, "FORBIDDEN PROVIDER"],
    [403, { message: "region, or territory not supported" }, "FORBIDDEN PROVIDER"],
    [500, { message: "x" }, "SERVER_ERROR NONE"],
    [0, "Error: ECONNRESET", "NETWORK NONE"],
    [0, "Error: request timeout", "TIMEOUT NONE"],
    [429, { message: "Rate limited. Please try again later." }, "RATE_LIMIT PROVIDER"],
    [429, { message: "slower" }, "RATE_LIMIT PROFILE"],
    [404, { message: "x" }, "SERVER_ERROR PROVIDER"],
    [403, { message: "missing token" }, "AUTH_PERMANENT PROFILE"],
    [403, { message: "x" }, "FORBIDDEN PROFILE"],
    [400, { message: "x" }, "AUTH_INVALID_TOKEN PROFILE"],
  ])("%i %j: %s", (status, error, expected) => expect(touched(status, error)).toBe(expected));
});

it("a terminal answer states no moment", () => {
  const answer = {
    source: "MODEL_API",
    httpStatus: 400,
    headers: { "retry-after": "60" },
    body: '{"error":"invalid_grant"}',
    transportError: "",
    receivedAtMs: SOME_DAY,
    model: "",
  } as const;
  expect(classifyTokenEndpoint("own", answer)).toStrictEqual({ outcome: "AUTH_PERMANENT", scope: "PROFILE" });
  expect(classifyTokenEndpoint("own", { ...answer, headers: {}, httpStatus: 503, body: "" })).toStrictEqual({
    outcome: "SERVER_ERROR",
    scope: "NONE",
  });
});
