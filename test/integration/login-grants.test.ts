import { expect, test } from "vitest";
import { HOUR, refusal } from "../support/broker-world.ts";
import { ANN, BOB, COMPANY, loginWorld } from "../support/login-world.ts";

const WORK = `${COMPANY}:work`;
const NO_URLS = { authorizeUrl: undefined, tokenUrl: undefined, deviceUrl: undefined, revokeUrl: undefined };

/** A provider whose client logs itself in. */
const MACHINE = {
  server: { clientSecret: "cs-FAKE-machine" },
  provider: {
    grantType: "client_credentials",
    clientSecret: "cs-FAKE-machine",
    scopes: [],
    issuer: undefined,
    ...{ authorizeUrl: undefined, deviceUrl: undefined, revokeUrl: undefined },
  },
};

test("client credentials: a login needs nobody, and what it gives is renewed without a refresh token", async () => {
  const { broker, logins, server } = await loginWorld(MACHINE);
  const { loginId, flow, authorizeUrl } = await logins.start({ provider: COMPANY, label: "work" });
  expect([flow, authorizeUrl]).toEqual(["LOGIN_FLOW_CLIENT", ""]);
  expect(await logins.end(loginId)).toMatchObject({
    state: "LOGIN_STATE_DONE",
    profile: {
      profile: WORK,
      ownership: "OWNERSHIP_SOLE",
      kind: "PROFILE_KIND_OAUTH",
      hasRefreshToken: false,
    },
  });
  const first = (await broker.acquire(COMPANY)).credential.oauth?.accessToken;
  expect((await broker.get(WORK)).refreshTime).not.toBeNull();
  await broker.refresh(WORK);
  const second = (await broker.acquire(COMPANY)).credential.oauth?.accessToken;
  expect(second).not.toBe(first);
  expect(await broker.get(WORK)).toMatchObject({ generation: 2, state: "PROFILE_STATE_READY" });
  expect(server.requests.map(({ grantType }) => grantType)).toEqual(Array(2).fill("client_credentials"));
});

test("client credentials are renewed after a restart, too, and after a refused token", async () => {
  const { broker, logins } = await loginWorld(MACHINE);
  await logins.end((await logins.start({ provider: COMPANY, label: "work" })).loginId);
  await broker.restart(2 * HOUR);
  expect((await broker.acquire(COMPANY)).lease.generation).toBe(2);
  await broker.fails(COMPANY, "AUTH_INVALID_TOKEN");
  expect((await broker.acquire(COMPANY)).lease.generation).toBe(3);
});

test("client credentials that the server does not accept are no login", async () => {
  const { broker, logins } = await loginWorld({
    ...MACHINE,
    provider: { ...MACHINE.provider, clientSecret: "cs-FAKE-wrong" },
  });
  const { loginId } = await logins.start({ provider: COMPANY });
  expect(await logins.end(loginId)).toMatchObject({ state: "LOGIN_STATE_FAILED", reason: "CLIENT_REFUSED" });
  expect((await broker.list()).profiles).toEqual([]);
  const browser = logins.start({ provider: COMPANY, flow: "LOGIN_FLOW_LOOPBACK" });
  expect((await refusal(browser)).reason).toBe("LOGIN_IMPOSSIBLE");
});

test("an issuer and a client id are enough: login, refresh and revocation find their addresses", async () => {
  const { broker, logins, server, logIn } = await loginWorld({ provider: NO_URLS });
  expect(await logIn(ANN, { label: "work" })).toMatchObject({ state: "LOGIN_STATE_DONE" });
  expect(await broker.refresh(WORK)).toMatchObject({ generation: 2 });
  const { requests } = server;
  expect(requests.map(({ grantType }) => grantType)).toEqual(["authorization_code", "refresh_token"]);
  expect(await logins.logout({ profile: WORK })).toEqual({ revoked: true, message: "" });
});

test("a token address that cannot be looked up is a refresh that was never sent", async () => {
  const { broker, server, logIn } = await loginWorld({ provider: NO_URLS });
  await logIn(ANN, { label: "work" });
  await broker.restart(2 * HOUR);
  await server.close();
  expect((await refusal(broker.acquire(COMPANY))).reason).toBe("UPSTREAM_UNAVAILABLE");
  expect(server.requests).toHaveLength(1);
});

test("opaque tokens: the userinfo tells the account, and the same account finds its profile again", async () => {
  const { broker, logIn } = await loginWorld({ server: { opaqueTokens: true }, provider: NO_URLS });
  const { profile } = await logIn(ANN);
  expect(profile).toMatchObject({ profile: `${COMPANY}:default`, accountHint: "a…@example.test" });
  const { credential } = await broker.acquire(COMPANY);
  expect(credential.oauth?.accessToken).not.toContain(".");
  expect(credential.attributes.email).toBe(ANN.email);
  expect(await logIn(ANN)).toMatchObject({ profileId: `${COMPANY}:default`, profile: { generation: 2 } });
  expect(await logIn(BOB)).toMatchObject({ profileId: `${COMPANY}:${BOB.email}` });
  expect(await logIn(ANN, { label: "other" })).toMatchObject({ reason: "IDENTITY_EXISTS" });
});

test("a userinfo that does not answer costs no login", async () => {
  const userinfoUrl = "http://127.0.0.1:1/userinfo";
  const { logIn } = await loginWorld({ server: { opaqueTokens: true }, provider: { userinfoUrl } });
  expect(await logIn(ANN)).toMatchObject({ state: "LOGIN_STATE_DONE", profile: { accountHint: "acct-a…" } });
});
