import { join, resolve } from "node:path";
import { knownParts } from "../domain/claimed-account.ts";
import type { Now } from "../domain/time.ts";
import { firstOf, instantMs, type JsonObject, objectOf, textOf } from "./fields.ts";
import { fileUnder, ImportError, readJsonFile } from "./file.ts";
import { apiKeyGrant, oauthLogin } from "./grants.ts";
import { type ImportContext, type ImportedProfile, type ImportPlan, planOf, type Skipped } from "./item.ts";
import { namedByAccount } from "./profile.ts";
import { tokenField, tokenIn } from "./token-field.ts";

/** Every `auth.json` has one of these keys. */
const MARKS = ["auth_mode", "OPENAI_API_KEY", "tokens"];

type Finding = ImportedProfile | Skipped;

/** `$CODEX_HOME`, else `~/.codex`. */
export function codexHome(context: ImportContext): string {
  return resolve(textOf(context.env.CODEX_HOME) ?? join(context.home, ".codex"));
}

/** Reads Codex's `auth.json`; `path` is the file or its directory. Rejects with `ImportError`. */
export async function readCodex(path: string, context: ImportContext): Promise<ImportPlan> {
  const file = await fileUnder(path, "auth.json");
  return codexPlan(await readJsonFile(file, "json", context.pause), file, context.now);
}

/** What stands in an `auth.json`. Throws `ImportError` if it is no such file. */
export function codexPlan(value: unknown, path: string, now: Now): ImportPlan {
  const file = objectOf(value);
  if (file === undefined || !MARKS.some((mark) => mark in file)) {
    throw new ImportError(65, path, "is no auth.json of Codex");
  }
  const findings = findingsOf(file, path, now);
  return planOf(
    findings.filter((finding) => "grant" in finding),
    findings.filter((finding) => "reason" in finding),
  );
}

/** Files of older versions have no `auth_mode`: there, whatever is in the file counts. */
function findingsOf(file: JsonObject, path: string, now: Now): readonly Finding[] {
  const hasKey = tokenField(file.OPENAI_API_KEY).kind !== "absent";
  const mode = firstOf(file, "auth_mode");
  switch (mode) {
    case "chatgpt":
      return [chatgptLogin(file, path, now), ...(hasKey ? [UNUSED_KEY] : [])];
    case "apikey":
      return [apiKeyLogin(file, path)];
    case undefined:
      if (!hasKey) return [chatgptLogin(file, path, now)];
      return firstOf(file, "tokens") === undefined
        ? [apiKeyLogin(file, path)]
        : [chatgptLogin(file, path, now), apiKeyLogin(file, path)];
    case "chatgptAuthTokens":
      return [
        skipped("the tokens there were lent to Codex by another program, they are no login of its own"),
      ];
    default:
      return [skipped(`its mode ${nameOf(mode)} holds no login that could be taken over`)];
  }
}

function chatgptLogin(file: JsonObject, path: string, now: Now): Finding {
  if (firstOf(file, "tokens") === undefined) return skipped("nobody is logged in with ChatGPT there");
  const tokens = objectOf(file.tokens);
  if (tokens === undefined) throw new ImportError(65, path, "tokens is not an object");
  const access = tokenIn(tokens, "access_token", path);
  if (access === undefined) return skipped("it holds no access token");
  const provider = "openai-codex";
  const { grant, account } = oauthLogin(
    {
      access,
      refresh: tokenIn(tokens, "refresh_token", path),
      idToken: tokenIn(tokens, "id_token", path),
      issuedAtMs: instantMs(file.last_refresh),
    },
    now,
  );
  const accountId = textOf(tokens.account_id);
  return namedByAccount({
    provider,
    grant,
    account: { ...account, ...knownParts({ accountId }) },
    sourcePath: path,
    source: "codex",
  });
}

function apiKeyLogin(file: JsonObject, path: string): Finding {
  const key = tokenIn(file, "OPENAI_API_KEY", path);
  if (key === undefined) return skipped("it holds no API key");
  const grant = apiKeyGrant(key);
  return namedByAccount({ provider: "openai-api", grant, account: {}, sourcePath: path, source: "codex" });
}

const UNUSED_KEY: Skipped = {
  item: "OPENAI_API_KEY",
  reason: "Codex does not use it in its mode chatgpt; add it by hand if it is wanted",
};

function skipped(reason: string): Skipped {
  return { item: "auth.json", reason };
}

/** A mode as the file names it, unless it looks like anything but a name. */
function nameOf(mode: unknown): string {
  return typeof mode === "string" && /^\w{1,40}$/.test(mode) ? mode : "(unreadable)";
}
