import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { MINUTE, refusal, SECOND } from "../support/broker-world.ts";
import { ANN, BOB, COMPANY, loginWorld, visit } from "../support/login-world.ts";

const WORK = `${COMPANY}:work`;

/** Which grants were asked for at the token endpoint. */
function grants(server: { readonly requests: readonly { readonly grantType: string }[] }) {
  return server.requests.map(({ grantType }) => grantType);
}

test("a login by browser ends in a profile of the broker alone, whose token is good", async () => {
  const { broker, logins, server } = await loginWorld();
  const started = await logins.start({ provider: COMPANY, label: "work" });
  expect(started).toMatchObject({
    provider: COMPANY,
    profileId: WORK,
    flow: "LOGIN_FLOW_LOOPBACK",
    state: "LOGIN_STATE_WAITING",
    profile: null,
  });
  const asked = new URL(started.authorizeUrl).searchParams;
  expect(asked.get("code_challenge_method")).toBe("S256");
  expect(asked.get("redirect_uri")).toBe(started.redirectUrl);
  expect(started.redirectUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);

  const states: string[] = [];
  const watch = logins.watch(started.loginId);
  const seen = watch.until(({ login }) => states.push(login.state) > 0 && login.state === "LOGIN_STATE_DONE");
  const shown = await visit(await server.authorize(started.authorizeUrl, ANN));
  const { login } = await seen;
  expect(shown.status).toBe(200);
  expect(shown.page).toContain(`${WORK} is logged in`);
  expect(states[0]).toBe("LOGIN_STATE_WAITING");
  expect(login.profile).toMatchObject({
    profile: WORK,
    state: "PROFILE_STATE_READY",
    ownership: "OWNERSHIP_SOLE",
    hasRefreshToken: true,
    planType: "plus",
    accountHint: "a…@example.test",
  });
  expect(login.notes).toEqual([]);
  const { credential } = await broker.acquire(COMPANY);
  expect(server.accountOf(credential.oauth?.accessToken ?? "")).toBe("acct-a");
  expect(JSON.stringify([login, await logins.list()])).not.toContain(credential.oauth?.accessToken);
});

test("the page loads nothing from anywhere and is not kept", async () => {
  const { logins, server } = await loginWorld();
  const { authorizeUrl } = await logins.start({ provider: COMPANY });
  const { headers, page } = await visit(await server.authorize(authorizeUrl, ANN));
  expect(headers["content-security-policy"]).toContain("default-src 'none'");
  expect(headers["cache-control"]).toBe("no-store");
  expect(page).not.toMatch(/https?:|src=|<script/);
});

test("a callback that comes twice is exchanged once, and both get the same page", async () => {
  const { logins, server } = await loginWorld();
  const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY });
  const callback = await server.authorize(authorizeUrl, ANN);
  server.hold();
  const both = [visit(callback), visit(callback)];
  await server.waitForRequests(1);
  server.release();
  const [first, second] = await Promise.all(both);
  const late = await visit(callback);
  expect([first?.status, second?.status, late.status]).toEqual([200, 200, 200]);
  expect([second?.page, late.page]).toEqual([first?.page, first?.page]);
  expect(grants(server)).toEqual(["authorization_code"]);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
});

test("a callback with another state is not taken, and the login goes on", async () => {
  const { logins, server } = await loginWorld();
  const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY });
  const callback = await server.authorize(authorizeUrl, ANN);
  const forged = new URL(callback);
  forged.searchParams.set("state", "not-this-one");
  expect((await visit(forged)).status).toBe(400);
  forged.searchParams.delete("state");
  expect((await visit(forged)).status).toBe(400);
  expect(server.requests).toEqual([]);
  expect((await visit(callback)).status).toBe(200);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
});

test("a callback under another host, path or method is refused unread", async () => {
  const { logins, server } = await loginWorld();
  const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY });
  const callback = await server.authorize(authorizeUrl, ANN);
  expect((await visit(callback, { host: `evil.test:${callback.port}` })).status).toBe(421);
  expect((await visit(callback, { host: "127.0.0.1" })).status).toBe(421);
  expect((await visit(callback, { method: "POST" })).status).toBe(405);
  expect((await visit(new URL("/favicon.ico", callback))).status).toBe(404);
  expect(server.requests).toEqual([]);
  expect((await logins.list())[0]).toMatchObject({ loginId, state: "LOGIN_STATE_WAITING" });
});

test("an answer of another issuer ends the login before anything is sent", async () => {
  const { logins, server } = await loginWorld();
  const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY });
  const callback = await server.authorize(authorizeUrl, ANN);
  expect(callback.searchParams.get("iss")).toBe(server.issuer);
  callback.searchParams.set("iss", "https://evil.test");
  expect((await visit(callback)).status).toBe(400);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "ISSUER_MISMATCH" });
  expect(server.requests).toEqual([]);
});

test("an answer of another issuer than the configured one is refused", async () => {
  const { logIn } = await loginWorld({ provider: { issuer: "https://other.test" } });
  expect(await logIn(ANN)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "ISSUER_MISMATCH" });
});

test("without a configured issuer the answer's own is taken if it is of the same place", async () => {
  const { logIn } = await loginWorld({ provider: { issuer: undefined } });
  expect(await logIn(ANN)).toMatchObject({ state: "LOGIN_STATE_DONE" });
});

test("addresses that are not configured are looked up with the issuer", async () => {
  const { logIn } = await loginWorld({ provider: { authorizeUrl: undefined, deviceUrl: undefined } });
  expect(await logIn(ANN)).toMatchObject({ state: "LOGIN_STATE_DONE" });
});

test("a user who says no ends the login, and the page says so", async () => {
  const { logins, server } = await loginWorld();
  const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY });
  const shown = await visit(await server.refuse(authorizeUrl));
  expect(shown).toMatchObject({ status: 400, page: expect.stringContaining("refused on the provider") });
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "DENIED" });
});

test("a port that is taken is named, and nothing else is tried in its place unasked", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  onTestFinished(() => void blocker.close());
  const { port } = blocker.address() as AddressInfo;
  const redirectUrl = `http://127.0.0.1:${port}/callback`;
  const { logins } = await loginWorld({ provider: { redirectUrl } });
  const refused = await refusal(logins.start({ provider: COMPANY }));
  expect(refused).toMatchObject({ code: "FAILED_PRECONDITION", reason: "LOGIN_IMPOSSIBLE" });
  expect(refused.message).toContain(String(port));
  expect(refused.message).toContain("--paste");
  expect(await logins.list()).toEqual([]);
});

test("a fixed port is free again for the next login right after the last", async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const { logIn } = await loginWorld({ provider: { redirectUrl: `http://localhost:${port}/auth/callback` } });
  expect(await logIn(ANN, { label: "a" })).toMatchObject({ state: "LOGIN_STATE_DONE" });
  const second = await logIn(BOB, { label: "b" });
  expect(second).toMatchObject({
    state: "LOGIN_STATE_DONE",
    redirectUrl: `http://localhost:${port}/auth/callback`,
  });
});

test("nobody is waited for longer than a quarter of an hour, then the port is given back", async () => {
  const { broker, logins } = await loginWorld();
  const { loginId, redirectUrl } = await logins.start({ provider: COMPANY });
  await broker.advance(15 * MINUTE);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "EXPIRED" });
  await broker.advance(10 * SECOND);
  await expect(visit(redirectUrl)).rejects.toThrow("ECONNREFUSED");
  await broker.advance(15 * MINUTE);
  expect((await refusal(logins.cancel(loginId))).reason).toBe("LOGIN_UNKNOWN");
});

test("a code that a throttled server took no notice of is sent again", async () => {
  const { broker, logins, server } = await loginWorld();
  server.failNext("html");
  const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY });
  const shown = visit(await server.authorize(authorizeUrl, ANN));
  await server.waitForRequests(1);
  await broker.clock.waitUntilTimers(1);
  await broker.advance(2 * SECOND);
  expect((await shown).status).toBe(200);
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_DONE" });
  expect(grants(server)).toEqual(["authorization_code", "authorization_code"]);
});

test("a code whose answer was lost is not sent again", async () => {
  const { logIn, server } = await loginWorld();
  server.failNext("lost");
  expect(await logIn(ANN)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "UPSTREAM_UNAVAILABLE" });
  expect(grants(server)).toEqual(["authorization_code"]);
});

test("at most 64 logins are there at once: those that are over make room, those under way do not", async () => {
  const { logins } = await loginWorld();
  const begun: string[] = [];
  for (let i = 0; i < 64; i += 1) begun.push((await logins.start({ provider: COMPANY })).loginId);
  const tooMany = await refusal(logins.start({ provider: COMPANY }));
  expect(tooMany).toMatchObject({ code: "FAILED_PRECONDITION", reason: "LOGIN_IMPOSSIBLE" });
  expect(tooMany.message).toContain("64 logins are under way");
  await logins.cancel(begun[7] ?? "");
  const { loginId } = await logins.start({ provider: COMPANY });
  const listed = (await logins.list()).map((login) => login.loginId);
  expect(listed).toHaveLength(64);
  expect(listed).toContain(loginId);
  expect(listed).not.toContain(begun[7]);
});
