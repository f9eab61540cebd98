import { expect, onTestFinished, test } from "vitest";
import { HOUR, MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";
import { fakeJwt } from "../support/jwt.ts";
import { LoginCalls } from "../support/login-world.ts";
import { html, json, type TokenRequest, tokens } from "../support/token-endpoint.ts";
import type { Json } from "../support/wire-json.ts";

/** A broker whose provider answers as the test says. */
async function scripted(provider: string, config: Json = {}) {
  const broker = await world({
    config: { providers: { [provider]: config }, refresh: { minInterval: "0s" } },
  });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  return { broker, logins: new LoginCalls(broker), provider };
}

const seconds = (ms: number) => Math.floor(ms / 1_000);

/** Copilot's token as it is written down: fields that say what it is for, among them the plan's address. */
const copilotToken = (n: number, host = "proxy.business.githubcopilot.com") =>
  `tid=FAKE-${n};exp=1;proxy-ep=${host};sku=x`;

const copilotAnswer = (broker: World, n: number) =>
  json(200, { token: copilotToken(n), expires_at: seconds(broker.nowMs + 30 * MINUTE), refresh_in: 1_500 });

const DEVICE_ANSWER = {
  device_code: "dc-FAKE",
  user_code: "FAKE-CODE",
  verification_uri: "https://github.com/login/device",
  expires_in: 900,
  interval: 5,
};
const GITHUB = { access_token: "gho-FAKE-long", token_type: "bearer", scope: "read:user" };

/** A login at GitHub up to the moment at which the device code has been taken. */
async function githubLogin(
  { broker, logins }: { broker: World; logins: LoginCalls },
  derived: () => Response,
) {
  broker.token.next(
    () => json(200, DEVICE_ANSWER),
    () => json(200, GITHUB),
    derived,
    () => json(200, { id: 42, login: "octo", email: null }),
  );
  const { loginId } = await logins.start({ provider: "github-copilot", label: "me" });
  await broker.clock.waitUntilTimers(1);
  await broker.advance(5 * SECOND);
  return logins.end(loginId);
}

test("Copilot: the long-lived GitHub token stays here, and short ones are derived from it again and again", async () => {
  const scene = await scripted("github-copilot");
  const { broker } = scene;
  const { profile } = await githubLogin(scene, () => copilotAnswer(broker, 1));
  expect(profile).toMatchObject({ kind: "PROFILE_KIND_OAUTH", hasRefreshToken: true, accountHint: "octo…" });
  const first = (await broker.acquire("github-copilot")).credential;
  expect(first).toMatchObject({
    oauth: { accessToken: copilotToken(1) },
    baseUrl: "https://api.business.githubcopilot.com",
    headers: { authorization: `Bearer ${copilotToken(1)}` },
  });
  broker.token.next(() => copilotAnswer(broker, 2));
  expect(await broker.refresh("github-copilot:me")).toMatchObject({ generation: 2 });
  const second = (await broker.acquire("github-copilot")).credential;
  expect(second.oauth?.accessToken).toBe(copilotToken(2));
  const [, , derive, user, again] = broker.token.requests;
  for (const request of [derive, again]) {
    expect(request?.url).toBe("https://api.github.com/copilot_internal/v2/token");
    expect(request?.headers.get("authorization")).toBe("Bearer gho-FAKE-long");
    expect(request?.headers.get("user-agent")).toBe("auth-broker");
  }
  expect(user?.url).toBe("https://api.github.com/user");
  expect(JSON.stringify([first, second, profile, broker.log])).not.toContain("gho-FAKE");
});

test("Copilot: an account without it is told so at once, and one whose token is withdrawn needs a login", async () => {
  const scene = await scripted("github-copilot");
  const { broker } = scene;
  const refused = await githubLogin(scene, () => json(403, { message: "Resource not accessible" }));
  expect(refused).toMatchObject({ reason: "PROVIDER_REFUSED", message: expect.stringContaining("HTTP 403") });
  expect((await broker.list()).profiles).toEqual([]);
  // The answer for the user was not asked for.
  broker.token.always(() => json(401, { message: "Bad credentials" }));
  await broker.token.fetch("https://x.test/", {});
  await githubLogin(scene, () => copilotAnswer(broker, 1));
  await broker.advance(HOUR);
  expect((await refusal(broker.acquire("github-copilot"))).reason).toBe("LOGIN_REQUIRED");
});

test("Copilot: a user's data that show the GitHub token are not believed, and a token that shows it is none", async () => {
  const scene = await scripted("github-copilot");
  const { broker, logins } = scene;
  broker.token.next(
    () => json(200, DEVICE_ANSWER),
    () => json(200, GITHUB),
    () => json(200, { token: `tid=${GITHUB.access_token}`, expires_at: seconds(broker.nowMs) + 1_800 }),
    () => json(200, { id: 42, login: GITHUB.access_token, email: `${GITHUB.access_token}@example.test` }),
  );
  const { loginId } = await logins.start({ provider: "github-copilot", label: "me" });
  await broker.clock.waitUntilTimers(1);
  await broker.advance(5 * SECOND);
  const ended = await logins.end(loginId);
  expect(ended.state).toBe("LOGIN_STATE_DONE");
  broker.token.next(() => copilotAnswer(broker, 1));
  const acquired = await broker.acquire("github-copilot");
  expect(JSON.stringify([ended, acquired, await broker.list(), broker.log])).not.toContain("gho-FAKE");
});

test("Copilot: a provider that gives no token just now costs no login; the first use brings it", async () => {
  const scene = await scripted("github-copilot");
  const { broker } = scene;
  expect(await githubLogin(scene, () => html(502))).toMatchObject({ state: "LOGIN_STATE_DONE" });
  broker.token.next(() => copilotAnswer(broker, 1));
  expect((await broker.acquire("github-copilot")).credential.oauth?.accessToken).toBe(copilotToken(1));
});

test("Copilot at an address of the operator's own: GitHub's are asked for nothing", async () => {
  const tokenUrl = "https://ghe.example.test/token";
  const scene = await scripted("github-copilot", { tokenUrl, deviceUrl: "https://ghe.example.test/code" });
  const { broker, logins } = scene;
  broker.token.next(
    () => json(200, DEVICE_ANSWER),
    () => json(200, GITHUB),
  );
  const { loginId } = await logins.start({ provider: "github-copilot" });
  await broker.clock.waitUntilTimers(1);
  await broker.advance(5 * SECOND);
  expect(await logins.end(loginId)).toMatchObject({ profile: { kind: "PROFILE_KIND_TOKEN" } });
  expect(broker.token.requests.map(({ url }) => new URL(url).host)).toEqual(
    Array(2).fill("ghe.example.test"),
  );
});

/** What MiniMax's portal says of a code, made of the request for it. */
function userCode(broker: World, more: Json = {}) {
  return ({ fields }: TokenRequest) =>
    json(200, {
      user_code: "FAKE-MINI",
      verification_uri: "https://platform.minimax.io/oauth-authorize?user_code=FAKE-MINI",
      expired_in: broker.nowMs + 10 * MINUTE,
      interval: 3_000,
      state: fields.state,
      ...more,
    });
}

const miniTokens = (broker: World, n: number) => ({
  status: "success",
  access_token: `at-FAKE-mini-${n}`,
  refresh_token: `rt-FAKE-mini-${n}`,
  expired_in: broker.nowMs + 2 * HOUR,
  resource_url: "https://api.minimax.io/anthropic",
});

test("MiniMax's user code: PKCE and state, absolute moments, and the API's address from the answer", async () => {
  const { broker, logins } = await scripted("minimax");
  broker.token.next(
    userCode(broker),
    () => json(200, { status: "pending" }),
    () => json(200, miniTokens(broker, 1)),
  );
  const started = await logins.start({ provider: "minimax", label: "me" });
  expect(started).toMatchObject({
    flow: "LOGIN_FLOW_DEVICE",
    userCode: "FAKE-MINI",
    interval: "3s",
    expireTime: expect.stringContaining("12:10:00"),
  });
  await broker.clock.waitUntilTimers(1);
  await broker.advance(3 * SECOND);
  await broker.advance(3 * SECOND);
  expect(await logins.end(started.loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
  const [code, poll] = broker.token.requests;
  expect(code?.fields).toMatchObject({ response_type: "code", code_challenge_method: "S256" });
  expect(poll?.fields).toMatchObject({
    grant_type: "urn:ietf:params:oauth:grant-type:user_code",
    user_code: "FAKE-MINI",
    code_verifier: expect.stringMatching(/^[\w-]{43}$/),
  });
  expect((await broker.acquire("minimax")).credential).toMatchObject({
    oauth: { accessToken: "at-FAKE-mini-1", expireTime: expect.any(String) },
    baseUrl: "https://api.minimax.io/anthropic",
  });
  broker.token.next(() => json(200, miniTokens(broker, 2)));
  await broker.advance(2 * HOUR);
  expect((await broker.acquire("minimax")).lease.generation).toBe(2);
  expect(broker.token.requests.at(-1)?.fields).toMatchObject({
    grant_type: "refresh_token",
    refresh_token: "rt-FAKE-mini-1",
  });
});

test("MiniMax: an answer to another login is not taken, a refusal ends the login, a refused refresh spends nothing", async () => {
  const { broker, logins } = await scripted("minimax");
  broker.token.next(userCode(broker, { state: "another" }));
  expect((await refusal(logins.start({ provider: "minimax" }))).reason).toBe("LOGIN_IMPOSSIBLE");
  broker.token.next(userCode(broker), () => json(200, { status: "error" }));
  const { loginId } = await logins.start({ provider: "minimax" });
  await broker.clock.waitUntilTimers(1);
  await broker.advance(3 * SECOND);
  expect(await logins.end(loginId)).toMatchObject({
    state: "LOGIN_STATE_FAILED",
    reason: "PROVIDER_REFUSED",
  });
  await broker.put("minimax:me");
  broker.token.next(() => json(200, { status: "error", base_resp: { status_code: 1 } }));
  await refusal(broker.refresh("minimax:me"));
  expect(await broker.get("minimax:me")).toMatchObject({ state: "PROFILE_STATE_READY", stateReason: "" });
  expect(broker.log.at(-1)?.fields).toMatchObject({ answer: "not_now" });
});

test("where a provider has no account ids, the same user finds the profile again, and another one does not", async () => {
  const { broker, logins } = await scripted("qwen");
  const ids: string[] = [];
  for (const sub of ["u-1", "u-1", "u-2"]) {
    broker.token.next(
      () => json(200, { ...DEVICE_ANSWER, verification_uri: "https://login.example.test/device" }),
      () => tokens(sub, { id_token: fakeJwt({ sub, email: `${sub}@example.test` }) }),
    );
    const { loginId } = await logins.start({ provider: "qwen" });
    await broker.clock.waitUntilTimers(1);
    await broker.advance(5 * SECOND);
    ids.push((await logins.end(loginId)).profileId);
  }
  expect(ids).toEqual(["qwen:default", "qwen:default", "qwen:u-2@example.test"]);
});

test("a userinfo about another subject than the id token's is not used", async () => {
  const userinfoUrl = "https://login.example.test/userinfo";
  const urls = { deviceUrl: "https://login.example.test/code", tokenUrl: "https://login.example.test/token" };
  const { broker, logins } = await scripted("qwen", { ...urls, userinfoUrl });
  const hints: unknown[] = [];
  for (const subject of ["somebody-else", "u-1"]) {
    broker.token.next(
      () => json(200, { ...DEVICE_ANSWER, verification_uri: "https://login.example.test/device" }),
      () => tokens(subject, { id_token: fakeJwt({ sub: "u-1" }) }),
      () => json(200, { sub: subject, email: "someone@example.test" }),
    );
    const { loginId } = await logins.start({ provider: "qwen", label: "me" });
    await broker.clock.waitUntilTimers(1);
    await broker.advance(5 * SECOND);
    hints.push((await logins.end(loginId)).profile?.accountHint);
    expect(broker.token.requests.at(-1)?.headers.get("authorization")).toBe(`Bearer at-FAKE-new-${subject}`);
  }
  expect(hints).toEqual(["", "s…@example.test"]);
});

test.each([
  ["qwen", "https://chat.qwen.ai/api/v1/oauth2/device/code", "https://chat.qwen.ai/api/v1/oauth2/token"],
  ["kimi", "https://auth.kimi.com/api/oauth/device_authorization", "https://auth.kimi.com/api/oauth/token"],
  ["xai", "https://auth.x.ai/oauth2/device/code", "https://auth.x.ai/oauth2/token"],
])("%s: a device login at the addresses that are written down", async (provider, deviceUrl, tokenUrl) => {
  const { broker, logins } = await scripted(provider);
  broker.token.next(
    () => json(200, { ...DEVICE_ANSWER, verification_uri: "https://login.example.test/device" }),
    () => tokens(1, provider === "xai" ? {} : { id_token: fakeJwt({ sub: "u-1", email: "a@example.test" }) }),
  );
  const { loginId, flow } = await logins.start({ provider, label: "me" });
  await broker.clock.waitUntilTimers(1);
  await broker.advance(5 * SECOND);
  expect(flow).toBe("LOGIN_FLOW_DEVICE");
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
  // xAI's issuer is asked who that is, too.
  expect(broker.token.requests.slice(0, 2).map(({ url }) => url)).toEqual([deviceUrl, tokenUrl]);
  const [start, poll] = broker.token.requests;
  expect(start?.fields.client_id).toBe(poll?.fields.client_id);
  expect(start?.headers.get("user-agent")).toBe("auth-broker");
});

test.each([
  [
    "openai-codex",
    "https://auth.openai.com/oauth/authorize",
    "http://localhost:1455/auth/callback",
    "https://auth.openai.com/oauth/token",
  ],
  [
    "anthropic",
    "https://claude.ai/oauth/authorize",
    "https://platform.claude.com/oauth/code/callback",
    "https://platform.claude.com/v1/oauth/token",
  ],
  [
    "google-gemini-cli",
    "https://accounts.google.com/o/oauth2/v2/auth",
    "http://localhost:8085/oauth2callback",
    "https://oauth2.googleapis.com/token",
  ],
  [
    "google-antigravity",
    "https://accounts.google.com/o/oauth2/v2/auth",
    "http://localhost:51121/oauth-callback",
    "https://oauth2.googleapis.com/token",
  ],
])(
  "%s: a pasted login at the addresses that are written down",
  async (provider, authorize, redirect, token) => {
    const google = provider.startsWith("google");
    const { broker, logins } = await scripted(provider, google ? { clientSecret: "cs-FAKE-google" } : {});
    broker.token.next(
      () => tokens(1, { account: { email_address: google ? undefined : "someone@example.test" } }),
      () => json(200, { sub: "g-1", email: "someone@example.test" }),
    );
    const { loginId, authorizeUrl } = await logins.start({ provider, label: "me", flow: "LOGIN_FLOW_PASTE" });
    const asked = new URL(authorizeUrl);
    expect(`${asked.origin}${asked.pathname}`).toBe(authorize);
    expect(asked.searchParams.get("redirect_uri")).toBe(redirect);
    await logins.submit(loginId, `code-FAKE#${asked.searchParams.get("state")}`);
    expect(await logins.end(loginId)).toMatchObject({
      state: "LOGIN_STATE_DONE",
      profile: { accountHint: "s…@example.test" },
    });
    const [exchange, userinfo] = broker.token.requests;
    expect(exchange).toMatchObject({ url: token, fields: { code: "code-FAKE", redirect_uri: redirect } });
    expect(exchange?.fields.client_secret).toBe(google ? "cs-FAKE-google" : undefined);
    expect(userinfo?.url).toBe(google ? "https://openidconnect.googleapis.com/v1/userinfo" : undefined);
  },
);
