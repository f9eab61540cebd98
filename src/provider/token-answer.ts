import type { OAuthGrant } from "../domain/grant.ts";
import { type Claims, jwtClaims, jwtTimes } from "../domain/jwt.ts";
import { Secret } from "../domain/secret.ts";
import { after, type Now } from "../domain/time.ts";
import { DEFAULT_LIFETIME_MS, drawRefreshDue, momentLeftMs, statedLifetimeMs } from "./lifetime.ts";

export interface AnswerContext {
  /** The grant that was refreshed: what the answer leaves out is kept from it. Absent at a login. */
  readonly previous?: OAuthGrant;
  /** When the request was sent. Lifetimes count from here, so a slow answer never makes a token last longer. */
  readonly sentAt: Now;
  readonly refreshAt: number;
  /** Gives [0, 1). */
  readonly random: () => number;
}

/**
 * Reads a successful token answer (RFC 6749 section 5.1), with the liberties that servers take:
 * `token_type` missing, `expires_in` missing or a text, `refresh_token` missing or empty. Undefined
 * if there is no usable access token in it, or if what callers would see of it shows a refresh token.
 */
export function readTokenAnswer(answer: Claims, context: AnswerContext): OAuthGrant | undefined {
  const { previous } = context;
  const accessToken = sendableText(answer.access_token);
  if (accessToken === undefined) return undefined;
  const isClient = previous?.renewal === "client";
  const refreshToken = isClient ? undefined : (secretOf(answer.refresh_token) ?? previous?.refreshToken);
  const idToken = secretOf(answer.id_token) ?? previous?.idToken;
  const visible = visibleOf(answer);
  const isShown = (secret: Secret | undefined) => visible.some((part) => secret?.isShownIn(part));
  if (isShown(refreshToken) || isShown(previous?.refreshToken)) return undefined;
  const tokenType = /^[\w.~-]{1,32}$/.exec(text(answer.token_type) ?? "")?.[0] ?? "Bearer";
  const scopes = text(answer.scope)?.split(" ").filter(Boolean) ?? previous?.scopes ?? [];
  return {
    kind: "oauth",
    accessToken: new Secret(accessToken),
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(isClient ? { renewal: "client" as const } : {}),
    ...(idToken === undefined ? {} : { idToken }),
    tokenType: tokenType.toLowerCase() === "bearer" ? "Bearer" : tokenType,
    scopes,
    ...readTimes(answer, accessToken, context),
  };
}

/** The texts of an answer that reach callers or operators: tokens, whom they name, and where the API is. */
function visibleOf({ access_token, id_token, token_type, ...others }: Claims): readonly string[] {
  const tokens = [access_token, id_token, token_type, others.resource_url]
    .map(text)
    .filter((token) => token !== undefined);
  const named = [...tokens.map((token) => jwtClaims(token)), others.account, others.organization];
  return [...tokens, ...named.flatMap((claims) => (claims === undefined ? [] : [JSON.stringify(claims)]))];
}

type Times = Pick<OAuthGrant, "expires" | "lifetimeMs" | "refreshDue" | "issuedAtMs">;

function readTimes(answer: Claims, accessToken: string, context: AnswerContext): Times {
  const { sentAt, previous, refreshAt, random } = context;
  const { issuedAtMs, expiresAtMs } = jwtTimes(jwtClaims(accessToken));
  const wholeMs = wholeLifeMs(issuedAtMs, expiresAtMs);
  const statedMs =
    statedLifetimeMs(answer.expires_in) ?? momentLeftMs(answer.expires_at ?? answer.expired_in, sentAt);
  const leftMs =
    statedMs ??
    leftOfJwtMs(expiresAtMs, wholeMs, sentAt) ??
    positive(previous?.lifetimeMs) ??
    DEFAULT_LIFETIME_MS;
  const lifetimeMs = positive(statedMs) ?? wholeMs ?? previous?.lifetimeMs;
  const expires = after(sentAt, leftMs);
  return {
    expires,
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    refreshDue: drawRefreshDue(expires, leftMs, refreshAt, sentAt, random),
    ...(issuedAtMs === undefined ? {} : { issuedAtMs }),
  };
}

function wholeLifeMs(issuedAtMs: number | undefined, expiresAtMs: number | undefined): number | undefined {
  if (issuedAtMs === undefined || expiresAtMs === undefined) return undefined;
  return positive(expiresAtMs - issuedAtMs);
}

/** What is left by the JWT's own `exp`; never more than its whole life, should our clock be behind. */
function leftOfJwtMs(
  expiresAtMs: number | undefined,
  wholeMs: number | undefined,
  sentAt: Now,
): number | undefined {
  if (expiresAtMs === undefined) return undefined;
  return Math.max(0, Math.min(expiresAtMs - sentAt.wallMs, wholeMs ?? Number.POSITIVE_INFINITY));
}

function positive(ms: number | undefined): number | undefined {
  return ms !== undefined && ms > 0 ? ms : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** An access token must fit into a header: visible ASCII (RFC 6749 appendix A.12). */
function sendableText(value: unknown): string | undefined {
  return typeof value === "string" && /^[\x20-\x7e]+$/.test(value) ? value : undefined;
}

function secretOf(value: unknown): Secret | undefined {
  const given = text(value);
  return given === undefined ? undefined : new Secret(given);
}
