import { describe, expect, it } from "vitest";
import { readTokenError } from "../../src/provider/classify.ts";
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
