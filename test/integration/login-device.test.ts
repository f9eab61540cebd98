import { expect, onTestFinished, test } from "vitest";
import { startAuthorizationServer } from "../support/authorization-server.mjs";
import { HOUR, MINUTE, SECOND, type World, world } from "../support/broker-world.ts";
import { codexDevice } from "../support/codex-device.ts";
import { fakeJwt } from "../support/jwt.ts";
import { ANN, COMPANY, LoginCalls, loginWorld } from "../support/login-world.ts";
import { broken, html, json, type TokenRequest, tokens } from "../support/token-endpoint.ts";

const DEVICE = { provider: COMPANY, flow: "LOGIN_FLOW_DEVICE" };

/** Moves the clock by one poll and waits until the poll was answered. */
async function pollOnce(broker: World, ms = 5 * SECOND): Promise<void> {
  await broker.clock.waitUntilTimers(1);
  await broker.advance(ms);
}

test("a login by device code goes on while the person is elsewhere, and ends in a good profile", async () => {
  const { broker, logins, server } = await loginWorld();
  const started = await logins.start({ ...DEVICE, label: "work" });
  expect(started).toMatchObject({
    flow: "LOGIN_FLOW_DEVICE",
    userCode: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
    verificationUrl: `${server.issuer}/device`,
    authorizeUrl: "",
    interval: "5s",
  });
  await pollOnce(broker);
  expect((await logins.list())[0]?.state).toBe("LOGIN_STATE_WAITING");
  await server.authorizeDevice(started.verificationUrlComplete, ANN);
  await pollOnce(broker);
  expect(await logins.end(started.loginId)).toMatchObject({
    state: "LOGIN_STATE_DONE",
    profile: { profile: `${COMPANY}:work`, ownership: "OWNERSHIP_SOLE", hasRefreshToken: true },
  });
  const { credential } = await broker.acquire(COMPANY);
  expect(server.accountOf(credential.oauth?.accessToken ?? "")).toBe("acct-a");
});

test("a person who says no ends the login", async () => {
  const { broker, logins, server } = await loginWorld();
  const { loginId, verificationUrlComplete } = await logins.start(DEVICE);
  await server.authorizeDevice(verificationUrlComplete);
  await pollOnce(broker);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "DENIED" });
});

test("a device code that nobody typed in expires by the server's own time", async () => {
  const { broker, logins } = await loginWorld({ server: { deviceTtlSec: 120 } });
  const { loginId } = await logins.start(DEVICE);
  await broker.advance(2 * MINUTE);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "EXPIRED" });
});

test("a login that was given up asks no more", async () => {
  const { broker, logins, server } = await loginWorld();
  const { loginId } = await logins.start(DEVICE);
  expect(await logins.cancel(loginId)).toMatchObject({ state: "LOGIN_STATE_CANCELLED", reason: "CANCELLED" });
  await broker.advance(MINUTE);
  expect(server.requests).toEqual([]);
});

/** A broker whose provider answers as the test says. */
async function scripted(provider: string, config: Record<string, unknown>) {
  const broker = await world({ config: { providers: { [provider]: config } } });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  return { broker, logins: new LoginCalls(broker) };
}

const DEVICE_ANSWER = {
  device_code: "dc-FAKE",
  user_code: "FAKE-CODE",
  verification_uri: "https://login.example.test/device",
  expires_in: 900,
};

function polls(requests: readonly TokenRequest[]): readonly TokenRequest[] {
  return requests.filter(({ fields }) => fields.grant_type?.endsWith("device_code"));
}

const QWEN = { deviceUrl: "https://login.example.test/code", tokenUrl: "https://login.example.test/token" };

test("slow_down makes every later poll come five seconds later", async () => {
  const { broker, logins } = await scripted("qwen", QWEN);
  broker.token.next(() => json(200, DEVICE_ANSWER));
  const { loginId, interval } = await logins.start({ provider: "qwen" });
  expect(interval).toBe("5s");
  broker.token.next(
    () => json(400, { error: "slow_down" }),
    () => json(400, { error: "authorization_pending" }),
    () => tokens(1),
  );
  const counts: number[] = [];
  for (const ms of [5, 9, 1, 9, 1]) {
    await broker.advance(ms * SECOND);
    counts.push(polls(broker.token.requests).length);
  }
  expect(counts).toEqual([1, 1, 2, 2, 3]);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
});

test("times beyond reason in a server's answer are cut to a day", async () => {
  const { broker, logins } = await scripted("qwen", QWEN);
  broker.token.next(() => json(200, { ...DEVICE_ANSWER, interval: 1e308, expires_in: 1e308 }));
  const { loginId, interval, expireTime } = await logins.start({ provider: "qwen" });
  expect(interval).toBe("86400s");
  expect(Date.parse(expireTime)).toBe(broker.nowMs + 24 * HOUR);
  expect(await logins.cancel(loginId)).toMatchObject({ state: "LOGIN_STATE_CANCELLED" });
});

test("polls that were not heard, or met a server in trouble, are made again less often", async () => {
  const { broker, logins } = await scripted("qwen", QWEN);
  broker.token.next(() => json(200, DEVICE_ANSWER));
  const { loginId } = await logins.start({ provider: "qwen" });
  broker.token.next(
    () => Promise.reject(broken()),
    () => html(503),
    () => tokens(1),
  );
  await broker.advance(5 * SECOND);
  await broker.advance(10 * SECOND);
  expect(polls(broker.token.requests)).toHaveLength(2);
  await broker.advance(15 * SECOND);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
});

test("the server's own word that the code has expired is heard", async () => {
  const { broker, logins } = await scripted("qwen", QWEN);
  broker.token.next(
    () => json(200, DEVICE_ANSWER),
    () => json(400, { error: "expired_token" }),
  );
  const { loginId } = await logins.start({ provider: "qwen" });
  await broker.advance(5 * SECOND);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "EXPIRED" });
});

test("where the provider wants PKCE with a device code, the same verifier follows the challenge", async () => {
  const { broker, logins } = await scripted("qwen", QWEN);
  broker.token.next(() => json(200, DEVICE_ANSWER));
  await logins.start({ provider: "qwen" });
  await broker.advance(5 * SECOND);
  const [start, poll] = broker.token.requests;
  expect(start?.fields).toMatchObject({
    code_challenge_method: "S256",
    scope: expect.stringContaining("openid"),
  });
  expect(poll?.fields.code_verifier).toMatch(/^[\w-]{43}$/);
});

test("GitHub's way: pending under status 200, and in the end one token without an end", async () => {
  const { broker, logins } = await scripted("github-copilot", QWEN);
  broker.token.next(
    () => json(200, { ...DEVICE_ANSWER, interval: 5 }),
    () => json(200, { error: "authorization_pending" }),
    () => json(200, { access_token: "gho-FAKE", token_type: "bearer", scope: "read:user" }),
  );
  const { loginId } = await logins.start({ provider: "github-copilot", label: "me" });
  await broker.advance(5 * SECOND);
  await broker.advance(5 * SECOND);
  expect(await logins.end(loginId)).toMatchObject({
    state: "LOGIN_STATE_DONE",
    profile: { kind: "PROFILE_KIND_TOKEN", hasRefreshToken: false },
  });
  expect((await broker.acquire("github-copilot")).credential.oauth).toMatchObject({
    accessToken: "gho-FAKE",
    expireTime: null,
  });
});

test("OpenAI's device dialect: JSON, pending as 403, and an authorization code in the end", async () => {
  const server = await startAuthorizationServer();
  onTestFinished(() => server.close());
  const device = await codexDevice(server);
  const { issuer, tokenUrl, authorizeUrl, clientId } = server;
  const broker = await world({
    startMs: Date.now(),
    fetch: (url, init) => fetch(url, init),
    config: {
      providers: {
        "openai-codex": { issuer, tokenUrl, authorizeUrl, clientId, deviceUrl: device.deviceUrl },
      },
    },
  });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  const logins = new LoginCalls(broker);
  const started = await logins.start({ provider: "openai", label: "work", flow: "LOGIN_FLOW_DEVICE" });
  expect(started).toMatchObject({
    provider: "openai-codex",
    userCode: "FAKE-CODE",
    verificationUrl: new URL("/codex/device", device.deviceUrl).href,
    interval: "5s",
  });
  await pollOnce(broker);
  await device.approve(ANN);
  await pollOnce(broker);
  expect(await logins.end(started.loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
  expect(device.asked).toEqual([
    { client_id: clientId },
    ...Array(2).fill({ device_auth_id: "dev-FAKE-1", user_code: "FAKE-CODE" }),
  ]);
  expect((await broker.acquire("openai-codex")).credential).toMatchObject({
    oauth: { accountId: "acct-a" },
    headers: { "chatgpt-account-id": "acct-a" },
  });
});

test("a start that the provider does not answer is told at once, and nothing is left behind", async () => {
  const { broker, logins } = await scripted("qwen", QWEN);
  broker.token.next(() => html(502));
  await expect(logins.start({ provider: "qwen" })).rejects.toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
  broker.token.next(() => json(400, { error: "unauthorized_client" }));
  await expect(logins.start({ provider: "qwen" })).rejects.toMatchObject({ reason: "LOGIN_IMPOSSIBLE" });
  expect(await logins.list()).toEqual([]);
});

test("who logged in is read from the tokens", async () => {
  const { broker, logins } = await scripted("qwen", QWEN);
  const idToken = fakeJwt({ sub: "u-1", email: "someone@example.test" });
  broker.token.next(
    () => json(200, DEVICE_ANSWER),
    () => tokens(1, { id_token: idToken }),
  );
  const { loginId } = await logins.start({ provider: "qwen" });
  await broker.advance(5 * SECOND);
  expect(await logins.end(loginId)).toMatchObject({
    profileId: "qwen:default",
    profile: { accountHint: "s…@example.test" },
  });
});
