import { basename, dirname, join, resolve } from "node:path";
import { knownParts } from "../domain/claimed-account.ts";
import type { Account } from "../domain/grant.ts";
import type { Now } from "../domain/time.ts";
import { firstOf, instantMs, objectOf, textOf } from "./fields.ts";
import { fileUnder, ImportError, readJsonFile } from "./file.ts";
import { oauthLogin } from "./grants.ts";
import { type ImportContext, type ImportPlan, planOf } from "./item.ts";
import { namedByAccount } from "./profile.ts";
import { tokenIn } from "./token-field.ts";

const FILE = ".credentials.json";

/** `$CLAUDE_CONFIG_DIR`, else `~/.claude`. */
export function claudeHome(context: ImportContext): string {
  return resolve(textOf(context.env.CLAUDE_CONFIG_DIR) ?? join(context.home, ".claude"));
}

/** Reads Claude Code's `.credentials.json`; `path` is the file or its directory. Rejects with `ImportError`. */
export async function readClaude(path: string, context: ImportContext): Promise<ImportPlan> {
  const file = await fileUnder(path, FILE);
  const value = await readJsonFile(file, "json", context.pause);
  return claudePlan(value, await claudeAccount(file, context.pause), file, context.now);
}

/** What stands in a `.credentials.json`. Throws `ImportError` if it is no such file. */
export function claudePlan(value: unknown, account: Account, path: string, now: Now): ImportPlan {
  const file = objectOf(value);
  if (file === undefined || !("claudeAiOauth" in file || "mcpOAuth" in file)) {
    throw new ImportError(65, path, "is no credentials file of Claude Code");
  }
  if (firstOf(file, "claudeAiOauth") === undefined) return nothing("nobody is logged in with Claude there");
  const login = objectOf(file.claudeAiOauth);
  if (login === undefined) throw new ImportError(65, path, "claudeAiOauth is not an object");
  const access = tokenIn(login, "accessToken", path);
  if (access === undefined) return nothing("it holds no access token");
  const provider = "anthropic";
  const { grant } = oauthLogin(
    {
      access,
      refresh: tokenIn(login, "refreshToken", path),
      expiresAtMs: instantMs(login.expiresAt),
      scopes: Array.isArray(login.scopes) ? login.scopes.filter((scope) => typeof scope === "string") : [],
    },
    now,
  );
  const planType = textOf(login.subscriptionType);
  return planOf([
    namedByAccount({
      provider,
      grant,
      account: { ...account, ...knownParts({ planType }) },
      sourcePath: path,
      source: "claude",
    }),
  ]);
}

/**
 * Who is logged in. The tokens do not tell; Claude Code writes it into `.claude.json`, which lies
 * beside its default directory or inside one that was chosen. Nothing known if that cannot be read.
 */
export async function claudeAccount(credentialsPath: string, pause?: () => Promise<void>): Promise<Account> {
  const directory = dirname(credentialsPath);
  const settings = join(basename(directory) === ".claude" ? dirname(directory) : directory, ".claude.json");
  try {
    const account = objectOf(objectOf(await readJsonFile(settings, "json", pause))?.oauthAccount);
    return knownParts({
      accountId: textOf(account?.organizationUuid),
      userId: textOf(account?.accountUuid),
      email: textOf(account?.emailAddress),
    });
  } catch {
    return {};
  }
}

function nothing(reason: string): ImportPlan {
  return planOf([], [{ item: FILE, reason }]);
}
