import { z } from "zod";
import type { Grant } from "../domain/grant.ts";
import { Secret } from "../domain/secret.ts";
import type { Now } from "../domain/time.ts";
import { at } from "../domain/time.ts";
import { list, maybe } from "./record-schema.ts";

const instant = maybe(z.number());

/** A grant as it stands in the file, secrets in the clear. */
export const GrantRecord = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("oauth"),
    accessToken: z.string(),
    refreshToken: maybe(z.string().min(1)),
    renewal: maybe(z.literal("client")),
    idToken: maybe(z.string()),
    tokenType: z.string(),
    expiresAtMs: instant,
    lifetimeMs: maybe(z.number()),
    refreshDueAtMs: instant,
    issuedAtMs: instant,
    scopes: list(z.string()),
  }),
  z.object({
    kind: z.literal("token"),
    token: z.string(),
    expiresAtMs: instant,
    issuedAtMs: instant,
  }),
  z.object({ kind: z.literal("api_key"), key: z.string() }),
]);
type GrantRecord = z.output<typeof GrantRecord>;

/** The one place of the store where secrets are opened. */
export function toGrantRecord(grant: Grant): GrantRecord {
  switch (grant.kind) {
    case "oauth": {
      const { expires, refreshDue, accessToken, refreshToken, idToken, ...same } = grant;
      return {
        ...same,
        accessToken: accessToken.reveal(),
        ...(refreshToken === undefined ? {} : { refreshToken: refreshToken.reveal() }),
        ...(idToken === undefined ? {} : { idToken: idToken.reveal() }),
        ...(expires === undefined ? {} : { expiresAtMs: expires.wallMs }),
        ...(refreshDue === undefined ? {} : { refreshDueAtMs: refreshDue.wallMs }),
      };
    }
    case "token": {
      const { expires, token, ...same } = grant;
      return {
        ...same,
        token: token.reveal(),
        ...(expires === undefined ? {} : { expiresAtMs: expires.wallMs }),
      };
    }
    case "api_key":
      return { kind: "api_key", key: grant.key.reveal() };
  }
}

/** A token's end is a fact of the wall clock, however far away: it is not shortened. */
export function fromGrantRecord(record: GrantRecord, now: Now): Grant {
  switch (record.kind) {
    case "oauth": {
      const { accessToken, refreshToken, idToken, expiresAtMs, refreshDueAtMs, ...same } = record;
      return {
        ...same,
        accessToken: new Secret(accessToken),
        ...(refreshToken === undefined ? {} : { refreshToken: new Secret(refreshToken) }),
        ...(idToken === undefined ? {} : { idToken: new Secret(idToken) }),
        ...(expiresAtMs === undefined ? {} : { expires: at(now, expiresAtMs) }),
        ...(refreshDueAtMs === undefined ? {} : { refreshDue: at(now, refreshDueAtMs) }),
      };
    }
    case "token": {
      const { token, expiresAtMs, ...same } = record;
      return {
        ...same,
        token: new Secret(token),
        ...(expiresAtMs === undefined ? {} : { expires: at(now, expiresAtMs) }),
      };
    }
    case "api_key":
      return { kind: "api_key", key: new Secret(record.key) };
  }
}
