import { z } from "zod";
import { canonicalProfileId } from "../domain/alias.ts";
import { BrokerFailure } from "../domain/failure.ts";
import type { Account, Grant, OAuthGrant } from "../domain/grant.ts";
import { jwtClaims, jwtTimes } from "../domain/jwt.ts";
import { OUTCOMES } from "../domain/outcome.ts";
import { COOLDOWN_SOURCES, type Cooldown, OWNERSHIPS, type Ownership } from "../domain/profile.ts";
import { Secret } from "../domain/secret.ts";
import { at, type Now } from "../domain/time.ts";
import {
  instantMs,
  name,
  nameMap,
  names,
  optional,
  profileId,
  profileIds,
  providerId,
  read,
  required,
  requiredProfileId,
  secretText,
} from "./fields.ts";
import type { Message } from "./schema.ts";

const needed = secretText.refine((text) => text !== "", "is required");

const oauthFields = z.object({
  accessToken: secretText,
  refreshToken: secretText,
  idToken: secretText,
  tokenType: name,
  expireTime: instantMs,
  accountId: name,
  userId: name,
  email: name,
  planType: name,
  scopes: names,
});

const oauth = oauthFields
  .refine(({ accessToken, refreshToken }) => accessToken !== "" || refreshToken !== "", {
    path: ["accessToken"],
    message: "is required without a refresh token",
  })
  .refine(({ accessToken, idToken, refreshToken }) => !isAmong(refreshToken, [accessToken, idToken]), {
    path: ["refreshToken"],
    message: "must be another text than the tokens that callers get",
  });

function isAmong(secret: string, texts: readonly string[]): boolean {
  return secret !== "" && texts.includes(secret);
}

const cooldown = z.object({
  model: name,
  outcome: required("OUTCOME_", OUTCOMES),
  source: optional("COOLDOWN_SOURCE_", COOLDOWN_SOURCES),
  untilTime: instantMs.refine((atMs) => atMs !== undefined, "is required"),
});

const putRequest = z.object({
  profile: requiredProfileId,
  grant: z.enum(["oauth", "token", "apiKey"], "one of oauth, token and api_key is required"),
  oauth: oauth.exactOptional(),
  token: z.object({ token: needed, expireTime: instantMs }).exactOptional(),
  apiKey: z.object({ key: needed }).exactOptional(),
  baseUrl: z.string().max(2_048).refine(isUrlOrEmpty, "must be an absolute http(s) URL"),
  enabled: z.boolean().exactOptional(),
  pools: names,
  ownership: optional("OWNERSHIP_", OWNERSHIPS),
  sourcePath: z.string().max(4_096),
  cooldowns: z.array(cooldown).max(256),
  allowAccountChange: z.boolean(),
  attributes: nameMap,
  aliases: profileIds,
});

/** A put as it was asked for; the account holds only what was said expressly. */
export interface PutRequest {
  readonly profile: string;
  readonly grant: Grant;
  readonly account: Account;
  readonly baseUrl?: string;
  readonly enabled?: boolean;
  readonly pools: readonly string[];
  readonly ownership?: Ownership;
  readonly sourcePath?: string;
  readonly cooldowns: readonly Cooldown[];
  readonly allowAccountChange: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly aliases: readonly string[];
}

export function readPut(message: Message, now: Now): PutRequest {
  const put = read(putRequest, message);
  const grant = grantOf(put, now);
  const profile = canonicalProfileId(put.profile, grant.kind);
  const renamed = profile === put.profile ? [] : [put.profile];
  return {
    profile,
    grant,
    account: put.oauth === undefined ? {} : accountOf(put.oauth),
    ...(put.baseUrl === "" ? {} : { baseUrl: put.baseUrl }),
    ...(put.enabled === undefined ? {} : { enabled: put.enabled }),
    pools: put.pools,
    ...(put.ownership === undefined ? {} : { ownership: put.ownership }),
    ...(put.sourcePath === "" ? {} : { sourcePath: put.sourcePath }),
    cooldowns: put.cooldowns.flatMap((c) => cooldownOf(c, now)),
    allowAccountChange: put.allowAccountChange,
    ...(Object.keys(put.attributes).length === 0 ? {} : { attributes: put.attributes }),
    aliases: [...renamed, ...put.aliases.filter((alias) => alias !== profile)],
  };
}

function grantOf(put: z.output<typeof putRequest>, now: Now): Grant {
  if (put.oauth !== undefined) return oauthGrant(put.oauth, now);
  if (put.token !== undefined) {
    const times = jwtTimes(jwtClaims(put.token.token));
    const expiresAtMs = put.token.expireTime ?? times.expiresAtMs;
    return {
      kind: "token",
      token: new Secret(put.token.token),
      ...(expiresAtMs === undefined ? {} : { expires: at(now, expiresAtMs) }),
      ...(times.issuedAtMs === undefined ? {} : { issuedAtMs: times.issuedAtMs }),
    };
  }
  return { kind: "api_key", key: new Secret(put.apiKey?.key ?? "") };
}

function oauthGrant(given: z.output<typeof oauth>, now: Now): OAuthGrant {
  const times = jwtTimes(jwtClaims(given.accessToken));
  const isYetToCome = given.accessToken === "";
  const expiresAtMs = isYetToCome ? now.wallMs : (given.expireTime ?? times.expiresAtMs);
  const lifetimeMs =
    times.issuedAtMs !== undefined && times.expiresAtMs !== undefined
      ? times.expiresAtMs - times.issuedAtMs
      : undefined;
  return {
    kind: "oauth",
    accessToken: new Secret(given.accessToken),
    ...(given.refreshToken === "" ? {} : { refreshToken: new Secret(given.refreshToken) }),
    ...(given.idToken === "" ? {} : { idToken: new Secret(given.idToken) }),
    tokenType: given.tokenType === "" ? "Bearer" : given.tokenType,
    ...(expiresAtMs === undefined ? {} : { expires: at(now, expiresAtMs) }),
    ...(lifetimeMs === undefined || lifetimeMs <= 0 ? {} : { lifetimeMs }),
    ...(times.issuedAtMs === undefined ? {} : { issuedAtMs: times.issuedAtMs }),
    scopes: given.scopes,
  };
}

function accountOf(given: z.output<typeof oauth>): Account {
  const { accountId, userId, email, planType } = given;
  return Object.fromEntries(
    Object.entries({ accountId, userId, email, planType }).filter(([, value]) => value !== ""),
  );
}

/** Cooldowns that are over already are not taken. */
function cooldownOf(c: z.output<typeof cooldown>, now: Now): readonly Cooldown[] {
  if (c.untilTime === undefined || c.untilTime <= now.wallMs) return [];
  const source = c.source ?? "GUESS";
  return [
    {
      model: c.model,
      outcome: c.outcome,
      source,
      setAtMs: now.wallMs,
      until: at(now, c.untilTime),
      halfOpen: source === "GUESS" && (c.outcome === "USAGE_LIMIT" || c.outcome === "BILLING"),
    },
  ];
}

const updateRequest = z.object({
  profile: requiredProfileId,
  label: name.exactOptional(),
  enabled: z.boolean().exactOptional(),
  baseUrl: z.string().max(2_048).refine(isUrlOrEmpty, "must be an absolute http(s) URL").exactOptional(),
  pools: names,
  ownership: optional("OWNERSHIP_", OWNERSHIPS),
});

export function readUpdate(message: Message): {
  readonly profile: string;
  readonly title?: string;
  readonly enabled?: boolean;
  readonly baseUrl?: string;
  readonly pools?: readonly string[];
  readonly ownership?: Ownership;
} {
  const { label, pools, ownership, ...rest } = read(updateRequest, message);
  const isEmpty =
    label === undefined && pools.length === 0 && ownership === undefined && Object.keys(rest).length === 1;
  if (isEmpty) {
    const description = "nothing to change: give label, enabled, base_url, pools or ownership";
    throw new BrokerFailure({ kind: "field_invalid", violations: [{ field: "label", description }] });
  }
  return {
    ...rest,
    ...(label === undefined ? {} : { title: label }),
    ...(pools.length === 0 ? {} : { pools }),
    ...(ownership === undefined ? {} : { ownership }),
  };
}

export function readOrder(message: Message): {
  readonly provider: string;
  readonly profiles: readonly string[];
} {
  return read(z.object({ provider: providerId, profiles: profileIds }), message);
}

export function readClear(message: Message): { readonly profile: string; readonly model: string } {
  return read(z.object({ profile: requiredProfileId, model: name }), message);
}

const listRequest = z.object({
  provider: z.union([z.literal(""), providerId]),
  pageSize: z.number().int().min(0, "must not be negative").max(1_000, "must not be more than 1000"),
  pageToken: profileId,
});

export function readList(message: Message): z.output<typeof listRequest> {
  return read(listRequest, message);
}

function isUrlOrEmpty(text: string): boolean {
  if (text === "") return true;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === "https:" || url?.protocol === "http:";
}
