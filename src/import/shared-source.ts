import { isOtherAccount } from "../domain/account.ts";
import { type Account, isOlder, type OAuthGrant } from "../domain/grant.ts";
import type { Now } from "../domain/time.ts";
import { claudeAccount, claudePlan } from "./claude.ts";
import { codexPlan } from "./codex.ts";
import { objectOf } from "./fields.ts";
import { readJsonFile } from "./file.ts";
import { geminiPlan } from "./gemini.ts";
import type { ImportedProfile } from "./item.ts";
import { readDatabase } from "./openclaw-database.ts";
import { readEntry } from "./openclaw-entry.ts";
import { storeEntries } from "./openclaw-store.ts";

interface SharedLogin {
  readonly grant: OAuthGrant;
  readonly account: Account;
}

/**
 * Looks again into a file from which a login was imported. Gives the newest grant there of the same
 * account, or undefined if there is none, the file is gone or cannot be read. Never rejects.
 */
export async function readSharedSource(
  sourcePath: string,
  provider: string,
  account: Account,
  now: Now,
): Promise<SharedLogin | undefined> {
  try {
    const there = (await loginsIn(sourcePath, now))
      .filter((profile) => profile.provider === provider)
      .flatMap(({ grant, account: holder }) => (grant.kind === "oauth" ? [{ grant, account: holder }] : []));
    const own = hasIdentity(account)
      ? there.filter((login) => isOwn(account, login.account))
      : there.length === 1
        ? there
        : [];
    return own.reduce<SharedLogin | undefined>(
      (best, next) => (best !== undefined && !isOlder(best.grant, next.grant) ? best : next),
      undefined,
    );
  } catch {
    return undefined;
  }
}

/** Tells the programs' files apart by what stands in them, since a file may lie anywhere. */
async function loginsIn(path: string, now: Now): Promise<readonly ImportedProfile[]> {
  if (path.endsWith(".sqlite")) return openclawLogins((await readDatabase(path)).store, path, now);
  const value = await readJsonFile(path, "json");
  const file = objectOf(value);
  if (file === undefined) return [];
  if ("tokens" in file || "auth_mode" in file) return codexPlan(value, path, now).profiles;
  if ("claudeAiOauth" in file) return claudePlan(value, await claudeAccount(path), path, now).profiles;
  if ("access_token" in file) return geminiPlan(value, path, now).profiles;
  return openclawLogins(value, path, now);
}

function openclawLogins(store: unknown, path: string, now: Now): readonly ImportedProfile[] {
  return storeEntries(store, path)
    .map((entry) => readEntry(entry, path, now))
    .filter((reading) => "grant" in reading);
}

function hasIdentity(account: Account): boolean {
  return account.accountId !== undefined || account.userId !== undefined || account.email !== undefined;
}

/** At least one part that both know, and every such part is the same. */
function isOwn(ours: Account, theirs: Account): boolean {
  const isShared = (part: "accountId" | "userId" | "email") =>
    ours[part] !== undefined && theirs[part] !== undefined;
  return (isShared("accountId") || isShared("userId") || isShared("email")) && !isOtherAccount(ours, theirs);
}
