/** The claims of a JWT. Nobody has verified them: they say what a token tells about itself, no more. */
export type Claims = Readonly<Record<string, unknown>>;

/** The last moment that a timestamp on the wire can name (end of the year 9999). */
const LAST_MS = 253_402_300_799_000;

/** Reads the payload of a JWT (RFC 7519 section 3) without looking at its signature; undefined if it is none. */
export function jwtClaims(token: string): Claims | undefined {
  const [, payload, signature, ...rest] = token.split(".");
  if (payload === undefined || signature === undefined || rest.length > 0) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (c) =>
      c.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isClaims(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

/** `iat` and `exp` (RFC 7519 section 4.1) in milliseconds since the epoch, each only if it is a plausible number. */
export function jwtTimes(claims: Claims | undefined): {
  readonly issuedAtMs?: number;
  readonly expiresAtMs?: number;
} {
  const issuedAtMs = numericDateMs(claims?.iat);
  const expiresAtMs = numericDateMs(claims?.exp);
  return {
    ...(issuedAtMs === undefined ? {} : { issuedAtMs }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

/** A claim that is a text with something in it. */
export function textClaim(claims: Claims | undefined, name: string): string | undefined {
  const value = claims?.[name];
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/** A claim that is an object of claims itself. */
export function nestedClaims(claims: Claims | undefined, name: string): Claims | undefined {
  const value = claims?.[name];
  return isClaims(value) ? value : undefined;
}

function isClaims(value: unknown): value is Claims {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numericDateMs(value: unknown): number | undefined {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return undefined;
  const ms = Math.round(value * 1_000);
  return ms <= LAST_MS ? ms : undefined;
}
