import type { OAuthGrant } from "../../src/domain/grant.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { OAuthClient, RefreshGrant } from "../../src/provider/provider.ts";

/** A grant that can be refreshed. */
export const oldGrant: OAuthGrant = {
  kind: "oauth",
  accessToken: new Secret("at-FAKE-1"),
  refreshToken: new Secret("rt-FAKE-1"),
  tokenType: "Bearer",
  scopes: [],
};

/** A public OAuth client of a strict provider. */
export function oauthClient(tokenUrl: string, over: Partial<OAuthClient> = {}): OAuthClient {
  return {
    providerId: "my-company",
    tokenUrl,
    clientId: "client-FAKE",
    clientAuth: "none",
    body: "form",
    scopes: [],
    rotation: "strict",
    rotationGraceMs: 0,
    refreshAt: 0.8,
    ...over,
  };
}

/** A request to refresh `oldGrant` at this URL, without a deadline unless given. */
export function refreshRequest(
  tokenUrl: string,
  over: Partial<Parameters<RefreshGrant>[0]> = {},
): Parameters<RefreshGrant>[0] {
  return {
    client: oauthClient(tokenUrl),
    grant: oldGrant,
    account: {},
    now: () => ({ wallMs: Date.now(), monoMs: performance.now() }),
    signal: new AbortController().signal,
    ...over,
  };
}
