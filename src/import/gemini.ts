import { join } from "node:path";
import type { Now } from "../domain/time.ts";
import { instantMs, objectOf, textOf } from "./fields.ts";
import { fileUnder, ImportError, readJsonFile } from "./file.ts";
import { oauthLogin } from "./grants.ts";
import { type ImportContext, type ImportPlan, planOf } from "./item.ts";
import { namedByAccount } from "./profile.ts";
import { tokenIn } from "./token-field.ts";

const FILE = "oauth_creds.json";

/** `~/.gemini`. */
export function geminiHome(context: ImportContext): string {
  return join(context.home, ".gemini");
}

/** Reads Gemini CLI's `oauth_creds.json`; `path` is the file or its directory. Rejects with `ImportError`. */
export async function readGemini(path: string, context: ImportContext): Promise<ImportPlan> {
  const file = await fileUnder(path, FILE);
  return geminiPlan(await readJsonFile(file, "json", context.pause), file, context.now);
}

/** What stands in an `oauth_creds.json`. Throws `ImportError` if it is no such file. */
export function geminiPlan(value: unknown, path: string, now: Now): ImportPlan {
  const file = objectOf(value);
  if (file === undefined || !("access_token" in file || "refresh_token" in file)) {
    throw new ImportError(65, path, "is no credentials file of Gemini CLI");
  }
  const access = tokenIn(file, "access_token", path);
  if (access === undefined) return planOf([], [{ item: FILE, reason: "it holds no access token" }]);
  const provider = "google-gemini-cli";
  const login = oauthLogin(
    {
      access,
      refresh: tokenIn(file, "refresh_token", path),
      idToken: tokenIn(file, "id_token", path),
      tokenType: textOf(file.token_type),
      expiresAtMs: instantMs(file.expiry_date),
      scopes: textOf(file.scope)?.split(/\s+/) ?? [],
    },
    now,
  );
  return planOf([namedByAccount({ provider, ...login, sourcePath: path, source: "gemini" })]);
}
