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
  await broker.advance(25 * MINUTE);
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
