import { expect, test } from "vitest";
import { at, HOUR, MINUTE, refusal, SECOND, type World, watchful, world } from "../support/broker-world.ts";
import { fakeJwt } from "../support/jwt.ts";
import { json, tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

/** A login whose access token lives for `ms` from now. */
async function one(ms = 10 * HOUR, config: Record<string, unknown> = {}): Promise<World> {
  const broker = await world({ config });
  await broker.put(A, { expireTime: broker.inTime(ms) });
  return broker;
}

test("a refresh is due at 80 % of the token's own lifetime, give or take a jitter that is drawn once and stored", async () => {
  await using broker = await one();
  const { refreshTime } = await broker.get(A);
  expect(at(refreshTime) - broker.nowMs).toBeGreaterThan(7 * HOUR);
  expect(at(refreshTime) - broker.nowMs).toBeLessThan(9 * HOUR);
  await broker.restart();
  expect((await broker.get(A)).refreshTime).toBe(refreshTime);
  await broker.advance(at(refreshTime) - broker.nowMs - SECOND);
  expect(broker.token.requests).toHaveLength(0);
  await broker.advance(SECOND);
  expect(broker.token.requests).toHaveLength(1);
  const profile = await broker.get(A);
  expect(profile).toMatchObject({ generation: 2, state: "PROFILE_STATE_READY" });
  expect(at(profile.lastRefreshTime)).toBe(broker.nowMs);
  expect(at(profile.accessTokenExpireTime)).toBe(broker.nowMs + 10 * HOUR);
});

test("refreshAt of a provider replaces the 80 %", async () => {
  await using broker = await one(10 * HOUR, { providers: { [CODEX]: { refreshAt: 0.3 } } });
  const dueIn = at((await broker.get(A)).refreshTime) - broker.nowMs;
  expect(dueIn).toBeGreaterThan(2 * HOUR);
  expect(dueIn).toBeLessThan(4 * HOUR);
});

test("inside the window and still valid: the answer comes now, the refresh goes on behind", async () => {
  await using broker = await one();
  const held = broker.token.hold();
  await broker.advance(at((await broker.get(A)).refreshTime) - broker.nowMs);
  await held.arrived;
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-a");
  held.answer(tokens("behind"));
  await broker.settle();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-behind");
});

test("a refresh sends what the provider's client sends", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put("anthropic:a");
  await broker.refresh(A);
  await broker.refresh("anthropic:a");
  const [codex, anthropic] = broker.token.requests;
  expect(codex?.url).toBe("https://auth.openai.com/oauth/token");
  expect(codex?.headers.get("content-type")).toContain("application/x-www-form-urlencoded");
  expect(codex?.fields).toMatchObject({
    grant_type: "refresh_token",
    refresh_token: "rt-FAKE-a",
    client_id: "app_EMoamEEZ73f0CkXaXp7hrann",
  });
  expect(anthropic?.url).toBe("https://platform.claude.com/v1/oauth/token");
  expect(anthropic?.headers.get("content-type")).toContain("application/json");
  expect(anthropic?.fields).toMatchObject({ grant_type: "refresh_token", refresh_token: "rt-FAKE-a" });
});

test("tokenUrl of the configuration is where the refresh goes", async () => {
  const tokenUrl = "http://127.0.0.1:9999/token";
  await using broker = await one(10 * HOUR, { providers: { [CODEX]: { tokenUrl } } });
  await broker.refresh(A);
  expect(broker.token.requests[0]?.url).toBe(tokenUrl);
});

test("min_valid_for is met by a refresh on demand; one request serves any number of callers", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const request = { provider: CODEX, minValidFor: "3600s" };
  const calls = Array.from({ length: 20 }, () => broker.acquire(request));
  await held.arrived;
  await broker.settle();
  held.answer(tokens("demand"));
  for (const { lease, credential } of await Promise.all(calls)) {
    expect(lease.generation).toBe(2);
    expect(credential.oauth?.accessToken).toBe("at-FAKE-new-demand");
  }
  expect(broker.token.requests).toHaveLength(1);
});

test("a caller's cancellation stops its waiting, never the request", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  let cancel = () => {};
  const call = refusal(
    broker.acquire(
      { provider: CODEX, minValidFor: "3600s" },
      {
        onCall: (made) => {
          cancel = () => made.cancel();
        },
      },
    ),
  );
  const request = await held.arrived;
  cancel();
  expect((await call).code).toBe("CANCELLED");
  await broker.settle();
  expect(request.signal?.aborted).not.toBe(true);
  held.answer(tokens("kept"));
  await broker.settle();
  expect((await broker.acquire(CODEX)).lease.generation).toBe(2);
  expect(broker.token.requests).toHaveLength(1);
});

test("a caller whose deadline ends during a refresh gets UPSTREAM_UNAVAILABLE, profile reason REFRESHING, RetryInfo", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const call = refusal(broker.acquire({ provider: CODEX, minValidFor: "3600s" }, { deadlineMs: 10_000 }));
  await held.arrived;
  await broker.advance(10 * SECOND - 45);
  const error = await call;
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_UNAVAILABLE" });
  expect(error.why(A)).toBe("REFRESHING");
  expect(error.retryDelayMs).toBeGreaterThan(0);
  held.answer(tokens("late"));
  await broker.settle();
  expect((await broker.acquire(CODEX)).lease.generation).toBe(2);
});

test("a refresh gives up after 30 s in all", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const call = refusal(broker.acquire({ provider: CODEX, minValidFor: "3600s" }, { deadlineMs: 60_000 }));
  const request = await held.arrived;
  await broker.advance(30 * SECOND - 1);
  expect(request.signal?.aborted).toBe(false);
  await broker.advance(1);
  expect(request.signal?.aborted).toBe(true);
  await call;
});

test("a new grant is durable before it is handed out: after a restart it is there, and the old one is not sent again", async () => {
  await using broker = await one();
  await broker.refresh(A);
  await broker.restart();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-1");
  await broker.advance(2 * MINUTE);
  await broker.refresh(A);
  expect(broker.token.requests[1]?.fields.refresh_token).toBe("rt-FAKE-new-1");
});

test("an answer without refresh_token keeps the old one", async () => {
  await using broker = await one();
  broker.token.next(() => tokens(1, { refresh_token: undefined }));
  await broker.refresh(A);
  expect((await broker.get(A)).hasRefreshToken).toBe(true);
  await broker.advance(2 * MINUTE);
  await broker.refresh(A);
  expect(broker.token.requests.map((r) => r.fields.refresh_token)).toEqual(["rt-FAKE-a", "rt-FAKE-a"]);
});

test("without expires_in the JWT's exp counts, else the last known lifetime, else a conservative default", async () => {
  await using broker = await one(2 * HOUR);
  const exp = broker.nowMs / 1000 + 5_000;
  const access_token = fakeJwt({ exp, "https://api.openai.com/auth": { chatgpt_account_id: "acct-a" } });
  broker.token.next(() => tokens(1, { access_token, expires_in: undefined }));
  expect(at((await broker.refresh(A)).accessTokenExpireTime)).toBe(exp * 1000);
  await broker.advance(2 * MINUTE);
  broker.token.next(() => tokens(2, { expires_in: 1_800 }));
  await broker.refresh(A);
  await broker.advance(2 * MINUTE);
  broker.token.next(() => tokens(3, { expires_in: undefined }));
  expect(at((await broker.refresh(A)).accessTokenExpireTime)).toBe(broker.nowMs + 1_800 * SECOND);
  await broker.put(B, { expireTime: null });
  broker.token.next(() => tokens(4, { expires_in: "soon" }));
  const guessed = at((await broker.refresh(B)).accessTokenExpireTime) - broker.nowMs;
  expect(guessed).toBeGreaterThan(0);
  expect(guessed).toBeLessThanOrEqual(HOUR);
});

test("expires_in 0 means expired: it is not handed out, and does not set off a storm of refreshes", async () => {
  await using broker = await one(30 * MINUTE);
  broker.token.always(() => tokens(1, { expires_in: 0 }));
  const request = { provider: CODEX, minValidFor: "3600s" };
  const errors = [await refusal(broker.acquire(request)), await refusal(broker.acquire(request))];
  for (const { reason } of errors) expect(["UPSTREAM_UNAVAILABLE", "VALIDITY_UNREACHABLE"]).toContain(reason);
  expect(broker.token.requests).toHaveLength(1);
});

test("an answer for another account is refused, loudly", async () => {
  await using broker = await one();
  const claims = { "https://api.openai.com/auth": { chatgpt_account_id: "acct-other" } };
  broker.token.next(() =>
    tokens(1, {
      access_token: fakeJwt({ ...claims, exp: broker.nowMs / 1000 + 36_000 }),
      id_token: fakeJwt(claims),
    }),
  );
  const profile = await broker.refresh(A).catch(() => broker.get(A));
  expect(profile.generation).toBe(1);
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-a");
  expect(broker.log.some(({ level }) => level === "error")).toBe(true);
});

test("two requests of a profile are at least 60 s apart; who needs one sooner gets REFRESHING with its time", async () => {
  await using broker = await one(30 * MINUTE);
  broker.token.always(() => tokens(1, { expires_in: 1_800, refresh_token: "rt-FAKE-n" }));
  await broker.refresh(A);
  await broker.advance(10 * SECOND);
  broker.token.always(() => tokens(2));
  await broker.fails(CODEX, "OK");
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({
    code: "UNAVAILABLE",
    reason: "UPSTREAM_UNAVAILABLE",
    retryDelayMs: 50 * SECOND,
  });
  expect(error.why(A)).toBe("REFRESHING");
  expect(broker.token.requests).toHaveLength(1);
  await broker.advance(50 * SECOND);
  expect((await broker.acquire(CODEX)).lease.generation).toBe(3);
});

test("a put ends the interval", async () => {
  await using broker = await one();
  broker.token.next(() => tokens(1, { expires_in: 600 }));
  await broker.refresh(A);
  await broker.put(
    A,
    { accessToken: "at-FAKE-2", refreshToken: "rt-FAKE-2", expireTime: broker.inTime(20 * MINUTE) },
    { allowAccountChange: true },
  );
  const { lease } = await broker.acquire({ provider: CODEX, minValidFor: "3600s" });
  expect(lease.generation).toBe(4);
  expect(broker.token.requests[1]?.fields.refresh_token).toBe("rt-FAKE-2");
});

test("a put during a flight wins", async () => {
  await using broker = await one();
  const held = broker.token.hold();
  const refreshing = broker.refresh(A).catch(() => {});
  await held.arrived;
  await broker.put(A, {
    accessToken: "at-FAKE-put",
    refreshToken: "rt-FAKE-put",
    expireTime: broker.inTime(20 * HOUR),
  });
  held.answer(tokens("lost"));
  await refreshing;
  await broker.settle();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-put");
  await broker.restart();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-put");
});

test("deletion lets a flight end unpersisted", async () => {
  await using broker = await one();
  const held = broker.token.hold();
  const refreshing = broker.refresh(A).catch(() => {});
  await held.arrived;
  await broker.remove(A);
  held.answer(tokens("gone"));
  await refreshing;
  await broker.settle();
  expect((await broker.list()).profiles).toEqual([]);
  await broker.restart();
  expect((await broker.list()).profiles).toEqual([]);
});

test("a disabled profile is not refreshed", async () => {
  await using broker = await one(HOUR);
  await broker.update({ profile: A, enabled: false });
  await broker.advance(2 * HOUR);
  expect(broker.token.requests).toHaveLength(0);
});

test("refreshes of one OAuth client run two at a time; another client has a lane of its own", async () => {
  await using broker = await world();
  const ids = [A, B, `${CODEX}:c`, "qwen:a"];
  for (const id of ids) await broker.put(id, { expireTime: broker.inTime(HOUR) });
  const [first, second] = [broker.token.hold(), broker.token.hold()];
  const calls = ids.slice(0, 3).map((id) => broker.refresh(id));
  await Promise.all([first.arrived, second.arrived]);
  await broker.settle();
  expect(broker.token.requests).toHaveLength(2);
  await broker.refresh("qwen:a");
  expect(broker.token.requests).toHaveLength(3);
  first.answer(tokens("one"));
  await broker.token.reached(4);
  second.answer(tokens("two"));
  await Promise.all(calls);
});

test("refresh.lanes of the configuration replaces the two", async () => {
  await using broker = await one(HOUR, { refresh: { lanes: 1 } });
  await broker.put(B, { expireTime: broker.inTime(HOUR) });
  const held = broker.token.hold();
  const calls = [broker.refresh(A), broker.refresh(B)];
  await held.arrived;
  await broker.settle();
  expect(broker.token.requests).toHaveLength(1);
  held.answer(tokens("one"));
  await Promise.all(calls);
  expect(broker.token.requests).toHaveLength(2);
});

test("the token endpoint's Retry-After holds for every profile of that client", async () => {
  await using broker = await one(30 * MINUTE);
  await broker.put(B, { expireTime: broker.inTime(30 * MINUTE) });
  broker.token.next(() => json(429, { error: "slow_down" }, { "retry-after": "120" }));
  const request = { provider: CODEX, minValidFor: "3600s" };
  const first = await refusal(broker.acquire({ ...request, profile: A }));
  expect(first).toMatchObject({
    code: "UNAVAILABLE",
    reason: "UPSTREAM_UNAVAILABLE",
    retryDelayMs: 120 * SECOND,
  });
  const second = await refusal(broker.acquire({ ...request, profile: B }));
  expect(second).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE", retryDelayMs: 120 * SECOND });
  expect(second.why(B)).toBe("UPSTREAM_UNAVAILABLE");
  expect(broker.token.requests).toHaveLength(1);
  await broker.advance(120 * SECOND);
  expect((await broker.acquire({ ...request, profile: B })).lease.generation).toBe(2);
});

test("RefreshProfile refreshes now and gives the profile; one without a refresh token cannot be refreshed", async () => {
  await using broker = await one();
  expect(await broker.refresh(A)).toMatchObject({ profile: A, generation: 2, hasRefreshToken: true });
  await broker.putKey("openai-api:k");
  expect((await refusal(broker.refresh("openai-api:k"))).code).not.toBe("INTERNAL");
  expect(broker.token.requests).toHaveLength(1);
});

test("an acquire during a refresh that brings nothing waits no longer than that refresh", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const call = watchful(refusal(broker.acquire({ provider: CODEX, minValidFor: "3600s" })));
  await held.arrived;
  held.answer(json(503, {}));
  expect((await call.promise).reason).toBe("UPSTREAM_UNAVAILABLE");
});

test("the interval holds for an operator's refresh as well", async () => {
  await using broker = await one();
  await broker.refresh(A);
  const error = await refusal(broker.refresh(A));
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_UNAVAILABLE", retryDelayMs: MINUTE });
  await broker.advance(MINUTE);
  expect((await broker.refresh(A)).generation).toBe(3);
});

test("a refresh changes neither cooldowns nor a block", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  await broker.report(lease.leaseId, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.report(lease.leaseId, "FORBIDDEN");
  const profile = await broker.refresh(A).catch(() => broker.get(A));
  expect(profile.state).toBe("PROFILE_STATE_BLOCKED");
  expect(profile.cooldowns).toHaveLength(1);
});

test("while a refresh of one profile hangs, the others are served and written", async () => {
  await using broker = await one(30 * MINUTE);
  await broker.put("qwen:a");
  const held = broker.token.hold();
  const call = broker.acquire({ provider: CODEX, minValidFor: "3600s" }).catch(() => {});
  await held.arrived;
  expect(await broker.serves("qwen")).toBe("qwen:a");
  expect((await broker.fails("qwen", "USAGE_LIMIT")).applied).toBe(true);
  await broker.put("qwen:b");
  expect(await broker.serves("qwen")).toBe("qwen:b");
  expect((await broker.agent.status()).providers).toHaveLength(2);
  held.answer(tokens("at last"));
  await call;
});

test("an answer with a token type, a new id token and scopes is taken over whole", async () => {
  await using broker = await one();
  broker.token.next(() =>
    tokens(1, { id_token: fakeJwt({ email: "a@example.test" }), token_type: "bearer" }),
  );
  await broker.refresh(A);
  const { credential } = await broker.acquire(CODEX);
  expect(credential.oauth?.idToken).toBe(fakeJwt({ email: "a@example.test" }));
  expect(credential.headers.authorization).toBe("Bearer at-FAKE-new-1");
});
