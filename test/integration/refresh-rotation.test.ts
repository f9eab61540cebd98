import { afterAll, beforeAll, expect, test } from "vitest";
import type { OAuthGrant } from "../../src/domain/grant.ts";
import { Secret } from "../../src/domain/secret.ts";
import { createFetch } from "../../src/provider/fetch.ts";
import { createRefreshGrant } from "../../src/provider/oauth.ts";
import { type AuthorizationServer, startAuthorizationServer } from "../support/authorization-server.mjs";
import { oauthClient, oldGrant, refreshRequest } from "../support/oauth-request.ts";

const refresh = createRefreshGrant({ fetch: createFetch({ connectTimeoutMs: 10_000 }) });
const account = { sub: "user-a", email: "a@example.test", accountId: "acct-a" };
let server: AuthorizationServer;

beforeAll(async () => {
  server = await startAuthorizationServer();
});
afterAll(() => server.close());

async function refreshed(grant: OAuthGrant) {
  const client = oauthClient(server.tokenUrl, { clientId: server.clientId });
  return await refresh(refreshRequest(server.tokenUrl, { client, grant }));
}

test("a real server rotates the refresh token twice, and ends the login when a used one comes again", async () => {
  const login = await server.login(account);
  const first: OAuthGrant = { ...oldGrant, refreshToken: new Secret(login.refreshToken) };

  const second = await refreshed(first);
  expect(second).toMatchObject({
    kind: "granted",
    rotated: true,
    account: { email: account.email },
    grant: { tokenType: "Bearer", lifetimeMs: 3_600_000 },
  });
  if (second.kind !== "granted") return;
  expect(server.accountOf(second.grant.accessToken.reveal())).toBeDefined();

  const third = await refreshed(second.grant);
  expect(third).toMatchObject({ kind: "granted", rotated: true });

  expect(await refreshed(first)).toEqual({ kind: "terminal", code: "invalid_grant" });
  if (third.kind !== "granted") return;
  expect(await refreshed(third.grant)).toEqual({ kind: "terminal", code: "invalid_grant" });
});
