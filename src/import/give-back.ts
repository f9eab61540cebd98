import { basename } from "node:path";
import type { Account, OAuthGrant } from "../domain/grant.ts";
import type { Now } from "../domain/time.ts";
import { firstOf, type JsonObject, objectOf } from "./fields.ts";
import { ImportError } from "./file.ts";
import { readEntry } from "./openclaw-entry.ts";
import { mapEntries, withEntry } from "./openclaw-store.ts";
import { rewrite } from "./rewrite.ts";
import { REFRESH_NAMES, without } from "./strip.ts";

/** A login that goes back to the program that it was taken over from. */
export interface Returning {
  /** The file or database that it was taken from. */
  readonly sourcePath: string;
  /** Its id here, and those under which the program may know it. */
  readonly ids: readonly [string, ...string[]];
  readonly provider: string;
  readonly grant: OAuthGrant;
  readonly account: Account;
}

/**
 * Writes the grant into the file that it was taken from: the current one, with its refresh token. The one
 * way for that token out of the broker, by an operator's order. Never takes the place of another login.
 * Gives why it could not be done. Never rejects.
 */
export async function giveBack(login: Returning, now: Now): Promise<string | undefined> {
  try {
    await rewrite(login.sourcePath, (value) => withLogin(value, login, now));
    return undefined;
  } catch (error) {
    if (!(error instanceof ImportError)) return `${login.sourcePath} cannot be written`;
    if (error.exit !== 78) return error.message;
    return `${error.path} is a database that the broker's Node ${process.version} cannot write; start it with npx -p node@24 auth-broker serve`;
  }
}

function withLogin(value: unknown, login: Returning, now: Now): unknown {
  const { sourcePath } = login;
  const file = objectOf(value);
  if (file !== undefined && ("tokens" in file || "auth_mode" in file)) return codexFile(file, login, now);
  if (file !== undefined && "claudeAiOauth" in file) return claudeFile(file, login);
  const isStore = sourcePath.endsWith(".sqlite") || (file !== undefined && "profiles" in file);
  if (isStore || basename(sourcePath) === "oauth.json") return openclawStore(value, login, now);
  throw new ImportError(65, sourcePath, "is not the file of logins that it was");
}

function codexFile(file: JsonObject, { sourcePath, grant, account }: Returning, now: Now): JsonObject {
  const tokens = objectOf(file.tokens) ?? {};
  refuseOther(firstOf(tokens, "refresh_token"), grant, sourcePath);
  return {
    ...file,
    auth_mode: "chatgpt",
    tokens: {
      ...tokens,
      ...(grant.idToken !== undefined && { id_token: grant.idToken.reveal() }),
      access_token: grant.accessToken.reveal(),
      refresh_token: grant.refreshToken?.reveal() ?? "",
      ...(account.accountId !== undefined && { account_id: account.accountId }),
    },
    last_refresh: new Date(now.wallMs).toISOString(),
  };
}

function claudeFile(file: JsonObject, { sourcePath, grant }: Returning): JsonObject {
  const login = objectOf(file.claudeAiOauth) ?? {};
  refuseOther(firstOf(login, "refreshToken"), grant, sourcePath);
  const claudeAiOauth = {
    ...login,
    accessToken: grant.accessToken.reveal(),
    refreshToken: grant.refreshToken?.reveal() ?? null,
    ...(grant.expires !== undefined && { expiresAt: Math.round(grant.expires.wallMs) }),
  };
  return { ...file, claudeAiOauth };
}

function openclawStore(value: unknown, login: Returning, now: Now): unknown {
  const { sourcePath: path, ids, grant } = login;
  let isDone = false;
  const next = mapEntries(value, path, (entry) => {
    const found = readEntry(entry, path, now);
    const fields = objectOf(entry.value);
    if (isDone || fields === undefined || !("grant" in found) || found.grant.kind !== "oauth")
      return entry.value;
    if (![found.id, ...found.aliases].some((id) => ids.includes(id))) return entry.value;
    refuseOther(found.grant.refreshToken?.reveal(), grant, path);
    isDone = true;
    return { ...without(fields, SPELLINGS), ...openclawTokens(grant) };
  });
  if (isDone) return next;
  // Where every provider's logins are `openai`, so are their ids.
  const [own] = ids;
  const id = (path.endsWith(".sqlite") ? ids.find((one) => one.startsWith("openai:")) : undefined) ?? own;
  const provider = id === own ? login.provider : "openai";
  return withEntry(value, id, {
    type: "oauth",
    provider,
    ...openclawTokens(grant),
    ...accountFields(login.account),
  });
}

const SPELLINGS = [
  ...REFRESH_NAMES,
  ...["access", "accessToken", "access_token", "expires", "expiresAt", "expires_at", "idToken", "id_token"],
];

function openclawTokens({ accessToken, refreshToken, idToken, expires }: OAuthGrant): JsonObject {
  return {
    access: accessToken.reveal(),
    ...(refreshToken !== undefined && { refresh: refreshToken.reveal() }),
    ...(expires !== undefined && { expires: Math.round(expires.wallMs) }),
    ...(idToken !== undefined && { idToken: idToken.reveal() }),
  };
}

function accountFields({ accountId, email, planType }: Account): JsonObject {
  return {
    ...(accountId !== undefined && { accountId }),
    ...(email !== undefined && { email }),
    ...(planType !== undefined && { chatgptPlanType: planType }),
  };
}

/** The program may have been logged in anew since. */
function refuseOther(there: unknown, grant: OAuthGrant, path: string): void {
  if (there === undefined || there === grant.refreshToken?.reveal()) return;
  throw new ImportError(75, path, "holds another login by now");
}
