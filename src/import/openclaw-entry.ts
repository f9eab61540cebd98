import { isName, knownParts } from "../domain/claimed-account.ts";
import type { Account, Grant } from "../domain/grant.ts";
import type { Now } from "../domain/time.ts";
import { firstOf, instantMs, type JsonObject, objectOf, textOf } from "./fields.ts";
import { apiKeyGrant, oauthLogin, tokenGrant } from "./grants.ts";
import type { ImportedProfile, Skipped } from "./item.ts";
import { renamed } from "./profile.ts";
import { tokenField } from "./token-field.ts";

/** One credential as a file of OpenClaw holds it. */
export interface OpenclawEntry {
  readonly id: string;
  readonly value: unknown;
  /** What the oldest files leave unsaid, because the key of the entry or the file says it. */
  readonly provider?: string;
  readonly type?: string;
}

const FENCE = "openclaw-oauth-refresh-fence:v1:";
/** Spellings by which OpenClaw refers to a secret that lies elsewhere. */
const REFERENCE = /^(\$\{[^}]*\}|\$[A-Z][A-Z0-9_]*|secretref-\S*|__env__:\S*)$/;

const SPELLINGS = {
  key: ["key", "apiKey", "api_key"],
  token: ["token", "access", "accessToken", "access_token"],
  "access token": ["access", "accessToken", "access_token"],
  "refresh token": ["refresh", "refreshToken", "refresh_token"],
  "id token": ["idToken", "id_token"],
  expires: ["expires", "expiresAt", "expires_at"],
  accountId: ["accountId", "account_id"],
  userId: ["userId", "user_id"],
  planType: ["chatgptPlanType", "planType", "plan_type"],
} as const;

/** Why an entry is no login. Thrown and caught inside this file only. */
class NoLogin extends Error {}

const referred = () =>
  new NoLogin("it refers to a secret that lies elsewhere (SecretRef), which is not resolved; add it by hand");

/** Reads one entry, in any spelling that was in use. What is no login is skipped with the reason. */
export function readEntry(entry: OpenclawEntry, path: string, now: Now): ImportedProfile | Skipped {
  try {
    return login(entry, path, now);
  } catch (cause) {
    if (cause instanceof NoLogin) return { item: entry.id, reason: cause.message };
    throw cause;
  }
}

function login(entry: OpenclawEntry, path: string, now: Now): ImportedProfile {
  const fields = objectOf(entry.value);
  if (fields === undefined) throw new NoLogin("it is no object");
  const provider = (textOf(fields.provider) ?? entry.provider)?.toLowerCase();
  if (provider === undefined) throw new NoLogin("it names no provider");
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(provider)) throw new NoLogin("its provider is no name");
  if (!isName(entry.id) || entry.id.trim() === "") throw new NoLogin("its id is no name");
  const type = textOf(firstOf(fields, "type", "mode")) ?? entry.type;
  const { grant, account } = credential(fields, type, now);
  return {
    ...renamed(entry.id, provider, grant.kind),
    grant,
    account,
    sourcePath: path,
    copies: [],
    attributes: attributesOf(fields),
    source: "openclaw",
    cooldowns: [],
  };
}

function credential(
  fields: JsonObject,
  type: string | undefined,
  now: Now,
): { readonly grant: Grant; readonly account: Account } {
  const expiresAtMs = instantMs(firstOf(fields, ...SPELLINGS.expires));
  switch (type) {
    case "api_key":
    case "apiKey":
      return { grant: apiKeyGrant(ownText(fields, "key", "keyRef")), account: {} };
    case "token":
      return {
        grant: tokenGrant(ownText(fields, "token", "tokenRef"), expiresAtMs, now),
        account: statedAccount(fields),
      };
    case "oauth": {
      const { grant, account } = oauthLogin(
        {
          access: accessText(fields),
          refresh: textIn(fields, "refresh token"),
          idToken: textIn(fields, "id token"),
          expiresAtMs,
        },
        now,
      );
      return { grant, account: { ...account, ...statedAccount(fields) } };
    }
    case undefined:
      throw new NoLogin("it has no type");
    default:
      throw new NoLogin("its type is none of api_key, token and oauth");
  }
}

function statedAccount(fields: JsonObject): Account {
  return knownParts({
    accountId: textOf(firstOf(fields, ...SPELLINGS.accountId)),
    userId: textOf(firstOf(fields, ...SPELLINGS.userId)),
    email: textOf(fields.email),
    planType: textOf(firstOf(fields, ...SPELLINGS.planType)),
  });
}

/** What some providers' clients need beside the token. */
function attributesOf(fields: JsonObject): Readonly<Record<string, string>> {
  const found = ["projectId", "enterpriseUrl"].map((name) => [name, textOf(fields[name])] as const);
  return Object.fromEntries(
    found.flatMap(([name, value]) => (value !== undefined && isName(value) ? [[name, value]] : [])),
  );
}

/** A key or token. A reference beside it wins, as it does in OpenClaw: the text is a leftover then. */
function ownText(fields: JsonObject, name: "key" | "token", reference: string): string {
  if (firstOf(fields, reference) !== undefined) throw referred();
  const text = textIn(fields, name);
  if (text === undefined) throw new NoLogin(`it holds no ${name}`);
  return text;
}

function accessText(fields: JsonObject): string {
  const text = textIn(fields, "access token");
  if (text !== undefined) return text;
  throw new NoLogin(
    firstOf(fields, "oauthRef") === undefined
      ? "it holds no access token"
      : "its tokens lie in a sidecar of OpenClaw (oauthRef), which is not read; log in again here",
  );
}

function textIn(
  fields: JsonObject,
  name: "key" | "token" | "access token" | "refresh token" | "id token",
): string | undefined {
  const value = firstOf(fields, ...SPELLINGS[name]);
  if (objectOf(value) !== undefined) throw referred();
  const field = tokenField(value);
  if (field.kind === "unusable") throw new NoLogin(`its ${name} ${field.why}`);
  if (field.kind === "absent") return undefined;
  if (REFERENCE.test(field.text)) throw referred();
  if (field.text.startsWith(FENCE)) {
    throw new NoLogin(
      "OpenClaw put a marker in place of its token while it refreshed (a fence); log in again here",
    );
  }
  return field.text;
}
