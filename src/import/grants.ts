import { claimedAccount } from "../domain/claimed-account.ts";
import type { Account, ApiKeyGrant, Grant, OAuthGrant, TokenGrant } from "../domain/grant.ts";
import { jwtClaims, jwtTimes } from "../domain/jwt.ts";
import { Secret } from "../domain/secret.ts";
import { at, type Deadline, type Now } from "../domain/time.ts";

/** An OAuth login as a file states it. Instants are wall clock. */
export interface OAuthParts {
  readonly access: string;
  readonly refresh: string | undefined;
  readonly idToken?: string | undefined;
  readonly tokenType?: string | undefined;
  /** Used where the token does not tell its own end. */
  readonly expiresAtMs?: number | undefined;
  /** Used where the token does not tell its own age. */
  readonly issuedAtMs?: number | undefined;
  readonly scopes?: readonly string[];
}

/** The grant, and who it belongs to as far as its tokens tell. */
export function oauthLogin(
  parts: OAuthParts,
  now: Now,
): { readonly grant: OAuthGrant; readonly account: Account } {
  const claims = jwtClaims(parts.access);
  const own = jwtTimes(claims);
  return {
    grant: {
      kind: "oauth",
      accessToken: new Secret(parts.access),
      ...(parts.refresh === undefined ? {} : { refreshToken: new Secret(parts.refresh) }),
      ...(parts.idToken === undefined ? {} : { idToken: new Secret(parts.idToken) }),
      tokenType: parts.tokenType ?? "Bearer",
      ...expiry(own.expiresAtMs ?? parts.expiresAtMs, now),
      ...lifetime(own),
      ...issue(own.issuedAtMs ?? parts.issuedAtMs),
      scopes: parts.scopes ?? [],
    },
    account: claimedAccount(claims, parts.idToken === undefined ? undefined : jwtClaims(parts.idToken)),
  };
}

export function tokenGrant(token: string, expiresAtMs: number | undefined, now: Now): TokenGrant {
  const own = jwtTimes(jwtClaims(token));
  return {
    kind: "token",
    token: new Secret(token),
    ...expiry(own.expiresAtMs ?? expiresAtMs, now),
    ...issue(own.issuedAtMs),
  };
}

export function apiKeyGrant(key: string): ApiKeyGrant {
  return { kind: "api_key", key: new Secret(key) };
}

/** True if both hold the same login text: the refresh token, or where there is none what is handed out. */
export function isSameGrant(a: Grant, b: Grant): boolean {
  return a.kind === b.kind && textOf(a).equals(textOf(b));
}

function textOf(grant: Grant): Secret {
  switch (grant.kind) {
    case "oauth":
      return grant.refreshToken ?? grant.accessToken;
    case "token":
      return grant.token;
    case "api_key":
      return grant.key;
  }
}

function lifetime(own: ReturnType<typeof jwtTimes>): { readonly lifetimeMs?: number } {
  if (own.issuedAtMs === undefined || own.expiresAtMs === undefined) return {};
  return own.expiresAtMs > own.issuedAtMs ? { lifetimeMs: own.expiresAtMs - own.issuedAtMs } : {};
}

function expiry(wallMs: number | undefined, now: Now): { readonly expires?: Deadline } {
  return wallMs === undefined ? {} : { expires: at(now, wallMs) };
}

function issue(issuedAtMs: number | undefined): { readonly issuedAtMs?: number } {
  return issuedAtMs === undefined ? {} : { issuedAtMs };
}
