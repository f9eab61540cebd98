import { expect, onTestFinished, test } from "vitest";
import { HOUR, MINUTE, refusal, watchful, world } from "../support/broker-world.ts";
import { fakeJwt } from "../support/jwt.ts";
import { ANN, BOB, COMPANY, LoginCalls, type LoginJson, loginWorld, visit } from "../support/login-world.ts";
import { json, tokens } from "../support/token-endpoint.ts";

const WORK = `${COMPANY}:work`;

test("without a refresh token a login is refused at once, and what was there stays", async () => {
  const { broker, logIn } = await loginWorld({ server: { refreshTokens: false } });
  await broker.put(WORK, { accessToken: "at-FAKE-old" });
  expect(await logIn(ANN, { label: "work" })).toMatchObject({
    state: "LOGIN_STATE_FAILED",
    reason: "NO_REFRESH_TOKEN",
    message: expect.stringContaining("offline_access"),
  });
  expect((await broker.acquire(COMPANY)).credential.oauth?.accessToken).toBe("at-FAKE-old");
});

test("another account than the profile's is taken only with an express yes", async () => {
  const { broker, logIn, server } = await loginWorld();
  await logIn(ANN, { label: "work" });
  expect(await logIn(BOB, { label: "work" })).toMatchObject({
    state: "LOGIN_STATE_FAILED",
    reason: "ACCOUNT_CHANGED",
  });
  const account = async () =>
    server.accountOf((await broker.acquire(COMPANY)).credential.oauth?.accessToken ?? "");
  expect(await account()).toBe("acct-a");
  const allowed = await logIn(BOB, { label: "work", allowAccountChange: true });
  expect(allowed).toMatchObject({ state: "LOGIN_STATE_DONE" });
  expect(await account()).toBe("acct-b");
});

test("an account that is there under another label is not made twice", async () => {
  const { broker, logIn } = await loginWorld();
  await logIn(ANN, { label: "work" });
  expect(await logIn(ANN, { label: "home" })).toMatchObject({
    state: "LOGIN_STATE_FAILED",
    reason: "IDENTITY_EXISTS",
    message: expect.stringContaining(WORK),
  });
  const { profiles } = await broker.list();
  expect(profiles.map(({ profile }) => profile)).toEqual([WORK]);
});

test("without a label the account finds its profile; a new one gets a label of its own", async () => {
  const { logIn } = await loginWorld();
  await logIn(ANN, { label: "work" });
  expect(await logIn(ANN)).toMatchObject({ profileId: WORK, profile: { generation: 2 } });
  expect(await logIn(BOB)).toMatchObject({ profileId: `${COMPANY}:default` });
  const third = { sub: "cyd", email: "cyd@example.test", accountId: "acct-a", userId: "user-c" };
  expect(await logIn(third)).toMatchObject({ profileId: `${COMPANY}:cyd@example.test` });
});

test("without a label the one profile that waits for a login is mended", async () => {
  const { broker, logIn } = await loginWorld();
  await broker.put(`${COMPANY}:dead`, { accountId: "" });
  await broker.fails(COMPANY, "AUTH_PERMANENT");
  expect(await logIn(ANN)).toMatchObject({
    profileId: `${COMPANY}:dead`,
    profile: { state: "PROFILE_STATE_READY" },
  });
});

test("a login for a shared profile makes it the broker's alone and says what to do about the other copy", async () => {
  const { broker, logIn } = await loginWorld();
  await broker.put(
    WORK,
    { accountId: "acct-a" },
    { ownership: "OWNERSHIP_SHARED", sourcePath: "/srv/x/auth.json" },
  );
  const { profile, notes } = await logIn(ANN, { label: "work" });
  expect(profile?.ownership).toBe("OWNERSHIP_SOLE");
  expect(notes.join()).toMatch(/alone now \(SOLE\); .*\/srv\/x\/auth\.json still holds .*\(codex logout\)/);
});

test("an acquire and a watch that wait on a dead profile go on by themselves", async () => {
  const { broker, logIn, server } = await loginWorld();
  await broker.put(WORK, { accountId: "acct-a" });
  await broker.fails(COMPANY, "AUTH_PERMANENT");
  const watch = broker.agent.watch({ provider: COMPANY });
  expect((await watch.next()).unavailable?.reason).toBe("LOGIN_REQUIRED");
  const acquire = watchful(broker.acquire({ provider: COMPANY, maxWait: "20s" }));
  await broker.settle();
  expect(acquire.settled).toBe(false);
  await logIn(ANN, { label: "work" });
  const token = (await acquire.promise).credential.oauth?.accessToken ?? "";
  expect(server.accountOf(token)).toBe("acct-a");
  expect((await watch.next()).granted?.credential.oauth?.accessToken).toBe(token);
  watch.cancel();
});

test("of two logins for one profile the later counts; the earlier is told so", async () => {
  const { logins, server } = await loginWorld();
  const first = await logins.start({ provider: COMPANY, label: "work" });
  const second = await logins.start({ provider: COMPANY, label: "work" });
  expect(await logins.end(first.loginId)).toMatchObject({
    state: "LOGIN_STATE_CANCELLED",
    reason: "SUPERSEDED",
  });
  const late = await visit(await server.authorize(first.authorizeUrl, ANN)).catch(() => undefined);
  expect(late?.status ?? 400).toBe(400);
  await visit(await server.authorize(second.authorizeUrl, ANN));
  expect(await logins.end(second.loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
  expect(server.requests).toHaveLength(1);
});

test("logins for several profiles go on side by side", async () => {
  const { logins, server } = await loginWorld();
  const ann = await logins.start({ provider: COMPANY, label: "ann" });
  const bob = await logins.start({ provider: COMPANY, label: "bob" });
  await visit(await server.authorize(bob.authorizeUrl, BOB));
  await visit(await server.authorize(ann.authorizeUrl, ANN));
  expect(await logins.end(ann.loginId)).toMatchObject({ profile: { profile: `${COMPANY}:ann` } });
  expect(await logins.end(bob.loginId)).toMatchObject({ profile: { profile: `${COMPANY}:bob` } });
});

test("a broker that was restarted in the middle knows the login no more and has changed nothing", async () => {
  const { broker, logins, server } = await loginWorld();
  await broker.put(WORK, { accessToken: "at-FAKE-old", accountId: "acct-a" });
  const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY, label: "work" });
  const callback = await server.authorize(authorizeUrl, ANN);
  await broker.restart();
  await expect(visit(callback)).rejects.toThrow("ECONNREFUSED");
  for (const call of [
    logins.submit(loginId, callback.href),
    logins.cancel(loginId),
    logins.watch(loginId).next(),
  ]) {
    expect(await refusal(call)).toMatchObject({ code: "NOT_FOUND", reason: "LOGIN_UNKNOWN" });
  }
  expect((await broker.acquire(COMPANY)).credential.oauth?.accessToken).toBe("at-FAKE-old");
});

test("a stopping broker tells those who wait", async () => {
  const { broker, logins } = await loginWorld();
  const { loginId } = await logins.start({ provider: COMPANY });
  const watch = logins.watch(loginId);
  await watch.next();
  const end = refusal(watch.until(() => false));
  await broker.drain();
  expect((await end).reason).toBe("DRAINING");
});

test("clocks that differ cost no login; the difference is told", async () => {
  for (const aheadMs of [10 * MINUTE, -10 * MINUTE]) {
    const { logIn } = await loginWorld({ aheadMs });
    const { state, notes, profile } = await logIn(ANN);
    expect([state, profile?.state]).toEqual(["LOGIN_STATE_DONE", "PROFILE_STATE_READY"]);
    expect(notes.join()).toMatch(
      aheadMs > 0 ? /clock is (599|600|601) s ahead/ : /clock is (599|600|601) s behind/,
    );
  }
});

/** A broker whose provider answers as the test says, and a login that is pasted. */
async function scripted(provider: string, config: Record<string, unknown> = {}) {
  const made = { tokenUrl: "https://x.test/token", authorizeUrl: "https://x.test/authorize", ...config };
  const broker = await world({ config: { providers: { [provider]: made } } });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  const logins = new LoginCalls(broker);
  const paste = async (label = "work"): Promise<LoginJson> => {
    const { loginId, authorizeUrl } = await logins.start({ provider, label, flow: "LOGIN_FLOW_PASTE" });
    const state = new URL(authorizeUrl).searchParams.get("state");
    await logins.submit(loginId, `code-FAKE#${state}`);
    return logins.end(loginId);
  };
  return { broker, logins, paste };
}

test("a login that ends during a refresh wins over what the refresh brings", async () => {
  const { broker, paste } = await scripted("openai-codex");
  const profile = "openai-codex:work";
  await broker.put(profile, { accountId: "" });
  const held = broker.token.hold();
  const refresh = refusal(broker.refresh(profile)).catch(() => undefined);
  await held.arrived;
  broker.token.next(() => tokens("login"));
  expect(await paste()).toMatchObject({ state: "LOGIN_STATE_DONE" });
  held.answer(tokens("refresh"));
  await refresh;
  await broker.settle();
  expect((await broker.acquire("openai-codex")).credential.oauth?.accessToken).toBe("at-FAKE-new-login");
});

test("a login whose token claims to be older than the old one replaces it all the same", async () => {
  const { broker, paste } = await scripted("openai-codex");
  const { nowMs } = broker;
  const jwt = (iat: number) => fakeJwt({ iat: iat / 1000, exp: (iat + 10 * HOUR) / 1000 });
  await broker.put("openai-codex:work", { accessToken: jwt(nowMs + HOUR), accountId: "" });
  broker.token.next(() => tokens(1, { access_token: jwt(nowMs) }));
  expect(await paste()).toMatchObject({ state: "LOGIN_STATE_DONE", profile: { generation: 2 } });
});

test("a scope that was not granted is a remark and no reason to refuse", async () => {
  const { broker, paste } = await scripted("openai-codex");
  broker.token.next(() => tokens(1, { scope: "openid profile" }));
  const { state, notes } = await paste();
  expect(state).toBe("LOGIN_STATE_DONE");
  expect(notes).toContain("not granted: email");
});

test("where the issuer is known, an id token of another one or for another client is refused", async () => {
  const claims = { iss: "https://x.test", aud: "mine", sub: "s", exp: 4e9, iat: 1 };
  const config = { type: "generic-oauth2", issuer: "https://x.test", clientId: "mine" };
  const { broker, paste } = await scripted("own", config);
  const signed = (changes: object) => {
    const [, payload, sig] = fakeJwt({ ...claims, ...changes }).split(".");
    return `${Buffer.from('{"alg":"RS256"}').toString("base64url")}.${payload}.${sig}`;
  };
  broker.token.next(() => tokens(1, { id_token: signed({ aud: "other" }) }));
  expect(await paste()).toMatchObject({ reason: "ID_TOKEN_INVALID" });
  broker.token.next(() => tokens(1, { id_token: signed({ iss: "https://y.test" }) }));
  expect(await paste()).toMatchObject({ reason: "ID_TOKEN_INVALID" });
  broker.token.next(() => tokens(1, { id_token: signed({}) }));
  expect(await paste()).toMatchObject({ state: "LOGIN_STATE_DONE" });
});

test("Anthropic's answer names the account; the exchange is JSON with the state", async () => {
  const { broker, paste } = await scripted("anthropic");
  const account = { uuid: "u-FAKE", email_address: "someone@example.test" };
  broker.token.next(() => tokens(1, { account, organization: { uuid: "org-FAKE" } }));
  expect(await paste()).toMatchObject({ profile: { accountHint: "s…@example.test" } });
  const [sent] = broker.token.requests;
  expect(sent?.headers.get("content-type")).toBe("application/json");
  expect(sent?.fields).toMatchObject({
    grant_type: "authorization_code",
    code: "code-FAKE",
    code_verifier: expect.stringMatching(/^[\w-]{43}$/),
    state: expect.stringMatching(/^[\w-]{43}$/),
  });
});

test("what the provider says beside its codes is not passed on", async () => {
  const { broker, logins, paste } = await scripted("openai-codex");
  broker.token.next(() => json(400, { error: "invalid_grant", error_description: "provider-text-canary" }));
  expect(await paste()).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "CODE_REFUSED" });
  expect(JSON.stringify([await logins.list(), broker.log])).not.toContain("canary");
});

test("a login never takes the place of an API key, and is not begun where there are only keys", async () => {
  const { broker, logins } = await scripted("anthropic");
  await broker.putKey("anthropic:key");
  const refused = [
    { provider: "anthropic", label: "key" },
    { provider: "anthropic", flow: "LOGIN_FLOW_DEVICE" },
    { provider: "anthropic", flow: "LOGIN_FLOW_CLIENT" },
  ];
  for (const request of refused) {
    expect(await refusal(logins.start(request))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "LOGIN_IMPOSSIBLE",
    });
  }
  expect(await refusal(logins.start({ provider: "openrouter" }))).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "API_KEY_WANTED",
  });
  expect((await refusal(logins.start({ provider: "no-such" }))).reason).toBe("PROVIDER_UNKNOWN");
  expect((await refusal(logins.start({ provider: "anthropic", label: " x" }))).reason).toBe("FIELD_INVALID");
});

test("what is pasted may be the address, its query, or the code; anything else is said to be none", async () => {
  const { logins, server } = await loginWorld();
  const start = () => logins.start({ provider: COMPANY, label: "work", flow: "LOGIN_FLOW_PASTE" });
  const forms = [
    (callback: URL) => `  \u001b[1m${callback.href}\u001b[0m\n`,
    (callback: URL) => callback.search,
    (callback: URL) => `${callback.searchParams.get("code")}#${callback.searchParams.get("state")}`,
    (callback: URL) => String(callback.searchParams.get("code")),
  ];
  for (const form of forms) {
    const { loginId, authorizeUrl } = await start();
    const callback = await server.authorize(authorizeUrl, ANN);
    await logins.submit(loginId, form(callback));
    expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
    expect(await logins.submit(loginId, form(callback))).toMatchObject({ state: "LOGIN_STATE_DONE" });
  }
  const { loginId } = await start();
  for (const wrong of ["not a code!", "https://x.test/nothing", "code-FAKE#another-state"]) {
    expect(await refusal(logins.submit(loginId, wrong))).toMatchObject({ reason: "FIELD_INVALID" });
  }
  expect((await logins.list()).at(-1)).toMatchObject({ loginId, state: "LOGIN_STATE_WAITING" });
});

test("a code that was used already, or belongs to another login, is refused", async () => {
  const { logins, server } = await loginWorld();
  const first = await logins.start({ provider: COMPANY, label: "a", flow: "LOGIN_FLOW_PASTE" });
  const callback = await server.authorize(first.authorizeUrl, ANN);
  await logins.submit(first.loginId, callback.href);
  expect(await logins.end(first.loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
  const second = await logins.start({ provider: COMPANY, label: "b", flow: "LOGIN_FLOW_PASTE" });
  await logins.submit(second.loginId, String(callback.searchParams.get("code")));
  expect(await logins.end(second.loginId)).toMatchObject({
    state: "LOGIN_STATE_FAILED",
    reason: "CODE_REFUSED",
  });
});

test("a logout ends the grant at the provider and removes the profile", async () => {
  const { broker, logins, server } = await loginWorld();
  const { accessToken, refreshToken } = await server.login(ANN);
  await broker.put(WORK, { accessToken, refreshToken, expireTime: broker.inTime(HOUR) });
  expect(await logins.logout({ profile: WORK })).toEqual({ revoked: true, message: "" });
  expect((await broker.list()).profiles).toEqual([]);
  const body = new URLSearchParams({ grant_type: "refresh_token", client_id: server.clientId });
  body.set("refresh_token", refreshToken);
  const again = await fetch(server.tokenUrl, { method: "POST", body });
  expect(await again.json()).toMatchObject({ error: "invalid_grant" });
});

test("a logout that the provider does not hear leaves everything as it is, unless it is to stay valid there", async () => {
  const { broker, logins, paste } = await scripted("openai-codex", { revokeUrl: "https://x.test/revoke" });
  broker.token.next(
    () => tokens(1),
    () => json(503, {}),
  );
  await paste();
  const profile = "openai-codex:work";
  expect(await refusal(logins.logout({ profile }))).toMatchObject({
    reason: "UPSTREAM_UNAVAILABLE",
    unavailable: { help: expect.stringContaining("--keep-at-provider") },
  });
  expect(broker.token.requests.at(-1)).toMatchObject({
    url: "https://x.test/revoke",
    fields: { token: "rt-FAKE-new-1", token_type_hint: "refresh_token" },
  });
  expect(await broker.serves("openai-codex")).toBe(profile);
  expect(await logins.logout({ profile, keepAtProvider: true })).toMatchObject({ revoked: false });
  expect((await broker.list()).profiles).toEqual([]);
});

test("an issuer that publishes nothing is no obstacle to a logout, and one that cannot be reached is", async () => {
  const own = { type: "generic-oauth2", issuer: "https://x.test", clientId: "mine" };
  const { broker, logins } = await scripted("own", own);
  const profile = "own:work";
  await broker.put(profile);
  broker.token.next(
    () => json(503, {}),
    () => Promise.reject(new TypeError("fetch failed")),
  );
  expect((await refusal(logins.logout({ profile }))).reason).toBe("UPSTREAM_UNAVAILABLE");
  broker.token.always(() => json(404, {}));
  expect(await logins.logout({ profile })).toMatchObject({
    revoked: false,
    message: expect.stringContaining("no revoke address of own"),
  });
  expect((await broker.list()).profiles).toEqual([]);
});

test("a logout during a refresh revokes what the refresh brought", async () => {
  const { broker, logins } = await scripted("openai-codex", { revokeUrl: "https://x.test/revoke" });
  const profile = "openai-codex:work";
  await broker.put(profile);
  const held = broker.token.hold();
  const refresh = broker.refresh(profile);
  await held.arrived;
  const logout = logins.logout({ profile });
  await broker.settle();
  held.answer(tokens("late"));
  await refresh.catch(() => undefined);
  broker.token.next(() => json(200, {}));
  expect(await logout).toMatchObject({ revoked: true });
  expect(broker.token.requests.at(-1)?.fields.token).toBe("rt-FAKE-new-late");
});
