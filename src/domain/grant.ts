import { Secret } from "./secret.ts";
import type { Deadline } from "./time.ts";

/** How a provider treats a refresh token that was used: keeps it, tolerates it for a while, or never again. */
export const ROTATIONS = ["none", "grace", "strict"] as const;
export type Rotation = (typeof ROTATIONS)[number];

/** Who a grant belongs to. Unknown parts are absent and match nothing. */
export interface Account {
  /** Account, workspace or organisation id. */
  readonly accountId?: string;
  readonly userId?: string;
  readonly email?: string;
  readonly planType?: string;
}

/**
 * What the broker keeps of one OAuth login. Stays in the process and in the store: the refresh token
 * has no way out of this type but the token request and the record encoder.
 */
export interface OAuthGrant {
  readonly kind: "oauth";
  /** Empty, and over already: the first refresh brings it. */
  readonly accessToken: Secret;
  /**
   * What the next access token is had with: a refresh token, or the long-lived token that short ones are
   * derived from. Never an empty text. Absent: nothing, unless `renewal` says otherwise.
   */
  readonly refreshToken?: Secret;
  /** `client`: the client's own secret renews it (RFC 6749 section 4.4); there is no refresh token. */
  readonly renewal?: "client";
  readonly idToken?: Secret;
  /** `Bearer` unless the server said otherwise. */
  readonly tokenType: string;
  /** Absent: unknown; the token counts as good until refused. */
  readonly expires?: Deadline;
  /** The token's whole life in milliseconds, if it was stated (`expires_in`, or JWT `exp` − `iat`). */
  readonly lifetimeMs?: number;
  /** When a refresh ahead is due, jitter included; drawn once with the grant. Absent: never by itself. */
  readonly refreshDue?: Deadline;
  /** Wall-clock moment at which the token was issued (JWT `iat`), if it tells. */
  readonly issuedAtMs?: number;
  readonly scopes: readonly string[];
}

/** A bare bearer token without a refresh token, such as a setup token. */
export interface TokenGrant {
  readonly kind: "token";
  readonly token: Secret;
  readonly expires?: Deadline;
  readonly issuedAtMs?: number;
}

export interface ApiKeyGrant {
  readonly kind: "api_key";
  readonly key: Secret;
}

export type Grant = OAuthGrant | TokenGrant | ApiKeyGrant;
export const PROFILE_KINDS = ["oauth", "token", "api_key"] as const;
export type ProfileKind = (typeof PROFILE_KINDS)[number];

/** True if a new access token can be had without a person. */
export function isRenewable(grant: Grant): grant is OAuthGrant {
  return grant.kind === "oauth" && (grant.refreshToken !== undefined || grant.renewal === "client");
}

/** The end of what is handed out, if known. An API key has none. */
export function expiryOf(grant: Grant): Deadline | undefined {
  return grant.kind === "api_key" ? undefined : grant.expires;
}

const NONE_YET = new Secret("");

/**
 * How old a grant says it is, for "which of two is newer": JWT `iat`, else the expiry.
 * Absent when it does not tell.
 */
function ageOf(grant: Grant): { readonly by: "issued" | "expiry"; readonly atMs: number } | undefined {
  if (grant.kind === "api_key") return undefined;
  if (grant.kind === "oauth" && grant.accessToken.equals(NONE_YET)) return undefined;
  if (grant.issuedAtMs !== undefined) return { by: "issued", atMs: grant.issuedAtMs };
  if (grant.expires !== undefined) return { by: "expiry", atMs: grant.expires.wallMs };
  return undefined;
}

/**
 * True if both grants tell their age and `candidate` is older than `current`. Ages of different
 * kinds are compared by expiry, which both then have.
 */
export function isOlder(candidate: Grant, current: Grant): boolean {
  const a = ageOf(candidate);
  const b = ageOf(current);
  if (a === undefined || b === undefined) return false;
  if (a.by === b.by) return a.atMs < b.atMs;
  const ea = expiryOf(candidate);
  const eb = expiryOf(current);
  return ea !== undefined && eb !== undefined && ea.wallMs < eb.wallMs;
}
