import { expect, test } from "vitest";
import { HOUR, MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";
import { html, json, tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const READY = "PROFILE_STATE_READY";

async function one(ms = 30 * MINUTE, config: Record<string, unknown> = {}): Promise<World> {
  const broker = await world({ config });
  await broker.put(A, { expireTime: broker.inTime(ms) });
  return broker;
}

const WANTS_NEW = { provider: CODEX, minValidFor: "3600s" };

for (const [code, status] of [
  ["invalid_grant", 400],
  ["invalid_grant", 200],
  ["invalid_grant", 500],
  ["refresh_token_reused", 401],
  ["refresh_token_expired", 401],
  ["refresh_token_invalidated", 403],
  ["app_session_terminated", 401],
] as const) {
  test(`terminal code ${code} under ${status}: sent once, READY (LOGIN_REQUIRED) while the token lives, then NEEDS_LOGIN`, async () => {
    await using broker = await one();
    broker.token.always(() =>
      json(
        status,
        code === "invalid_grant" ? { error: code } : { error: { code, message: "no", type: "x" } },
      ),
    );
    await refusal(broker.acquire(WANTS_NEW));
    expect(await broker.get(A)).toMatchObject({ state: READY, stateReason: "LOGIN_REQUIRED" });
    expect(await broker.serves(CODEX)).toBe(A);
    await broker.restart();
    await broker.advance(30 * MINUTE);
    expect((await broker.get(A)).state).toBe("PROFILE_STATE_NEEDS_LOGIN");
    expect(await refusal(broker.acquire(CODEX))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "LOGIN_REQUIRED",
    });
    expect(broker.token.requests).toHaveLength(1);
  });
}

test("after a terminal code a refused access token needs a login at once", async () => {
  await using broker = await one();
  broker.token.always(() => json(400, { error: "invalid_grant" }));
  await refusal(broker.acquire(WANTS_NEW));
  const answer = await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  expect(answer.profileState).toBe("PROFILE_STATE_NEEDS_LOGIN");
  expect(broker.token.requests).toHaveLength(1);
});

test("a new login after a terminal code is sent again", async () => {
  await using broker = await one();
  broker.token.next(() => json(400, { error: "invalid_grant" }));
  await refusal(broker.acquire(WANTS_NEW));
  await broker.put(A, {
    accessToken: "at-FAKE-2",
    refreshToken: "rt-FAKE-2",
    expireTime: broker.inTime(40 * MINUTE),
  });
  expect((await broker.acquire(WANTS_NEW)).lease.generation).toBe(3);
  expect(broker.token.requests[1]?.fields.refresh_token).toBe("rt-FAKE-2");
});

for (const [what, answer] of [
  ["invalid_client", () => json(401, { error: "invalid_client" })],
  ["500", () => json(500, { error: "server_error" })],
  ["503", () => new Response("", { status: 503 })],
  ["403", () => json(403, { error: "forbidden" })],
  ["404", () => json(404, {})],
  ["429", () => json(429, { error: "rate_limited" })],
  ["HTML under 200", () => html(200)],
  ["HTML under 403", () => html(403)],
] as const) {
  test(`${what} means "not now": the token counts as unspent and is sent again`, async () => {
    await using broker = await one();
    broker.token.next(answer);
    const error = await refusal(broker.acquire(WANTS_NEW));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_UNAVAILABLE" });
    expect(error.retryDelayMs).toBeGreaterThan(0);
    expect(await broker.get(A)).toMatchObject({ state: READY });
    expect(await broker.serves(CODEX)).toBe(A);
    await broker.advance(61 * SECOND);
    expect((await broker.acquire(WANTS_NEW)).lease.generation).toBe(2);
    expect(broker.token.requests.map((r) => r.fields.refresh_token)).toEqual(["rt-FAKE-a", "rt-FAKE-a"]);
  });
}

test("once the access token has ended, not now shows as COOLING_DOWN with reason UPSTREAM_UNAVAILABLE", async () => {
  await using broker = await one();
  broker.token.always(() => json(503, {}, { "retry-after": "7200" }));
  await refusal(broker.acquire(WANTS_NEW));
  await broker.advance(31 * MINUTE);
  expect(await broker.get(A)).toMatchObject({
    state: "PROFILE_STATE_COOLING_DOWN",
    stateReason: "UPSTREAM_UNAVAILABLE",
  });
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_UNAVAILABLE" });
  expect(error.why(A)).toBe("UPSTREAM_UNAVAILABLE");
  expect(error.retryDelayMs).toBe(2 * HOUR - 31 * MINUTE);
});

test("without Retry-After the next try comes after 30 s · 2ⁿ, at most 15 min", async () => {
  await using broker = await one(SECOND, { refresh: { minInterval: "0s" } });
  broker.token.always(() => json(500, {}));
  const waits: unknown[] = [];
  for (let i = 0; i < 7; i += 1) {
    const { retryDelayMs = 0 } = await refusal(broker.acquire(WANTS_NEW));
    waits.push(retryDelayMs);
    expect(broker.token.requests).toHaveLength(i + 1);
    await broker.advance(retryDelayMs - 1);
    expect(broker.token.requests).toHaveLength(i + 1);
    await broker.advance(1);
    await broker.token.reached(i + 2);
  }
  const minutes = [0.5, 1, 2, 4, 8, 15, 15];
  expect(waits).toEqual(minutes.map((m) => m * MINUTE));
});

test("Retry-After of the token endpoint decides when the next try comes", async () => {
  await using broker = await one();
  broker.token.next(() => json(503, {}, { "retry-after": "300" }));
  expect((await refusal(broker.acquire(WANTS_NEW))).retryDelayMs).toBe(5 * MINUTE);
  await broker.advance(5 * MINUTE - 1);
  expect((await refusal(broker.acquire(WANTS_NEW))).retryDelayMs).toBe(1);
  expect(broker.token.requests).toHaveLength(1);
  await broker.advance(1);
  expect((await broker.acquire(WANTS_NEW)).lease.generation).toBe(2);
});

for (const code of [
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
]) {
  test(`a request that was never written (${code}) is free to try again, and costs nothing of the one replay`, async () => {
    await using broker = await one();
    broker.token.next(() => {
      throw new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) });
    });
    const error = await refusal(broker.acquire(WANTS_NEW));
    expect(error.reason).toBe("UPSTREAM_UNAVAILABLE");
    await broker.advance(61 * SECOND);
    expect((await broker.acquire(WANTS_NEW)).lease.generation).toBe(2);
  });
}

test("while another profile serves, a refresh that fails is nobody's error", async () => {
  await using broker = await one();
  await broker.put(`${CODEX}:b`);
  broker.token.always(() => json(500, {}));
  expect(await broker.serves(WANTS_NEW)).toBe(`${CODEX}:b`);
});

test("a login that brings a refresh token only is refreshed before it serves", async () => {
  await using broker = await world();
  const put = await broker.put(A, { accessToken: "", expireTime: null });
  expect(put).toMatchObject({ hasRefreshToken: true, generation: 1 });
  broker.token.next(() => tokens("first"));
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-first");
  await broker.put(A, { accessToken: "", refreshToken: "rt-FAKE-2", expireTime: null });
  expect((await broker.acquire(CODEX)).lease.generation).toBe(4);
  const nothing = await refusal(broker.put(`${CODEX}:b`, { accessToken: "", refreshToken: "" }));
  expect(nothing).toMatchObject({ reason: "FIELD_INVALID", fields: ["oauth.access_token"] });
});
