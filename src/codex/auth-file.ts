import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Credential, OAuthCredential } from "../client/index.ts";
import { jwtClaims } from "../domain/jwt.ts";
import { LaunchError } from "./error.ts";

/**
 * Writes `auth.json` of a private home, as a whole or not at all, and reads it back. A running Codex
 * takes it up at its next 401. Synchronous: Codex waits for it. Throws `LaunchError` for a credential that Codex would not take:
 * it drops a file that it cannot read without a word and sends its requests without a credential.
 */
export function writeAuth(home: string, credential: Credential, now: Date): void {
  const path = join(home, "auth.json");
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const content = JSON.stringify(authFile(credential, now));
  try {
    writeFileSync(temporary, content, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new LaunchError(74, `${path} cannot be written: ${(error as Error).message}`);
  }
  if (readFileSync(path, "utf8") !== content) {
    throw new LaunchError(74, `${path} does not hold what was written into it`);
  }
}

/** What Codex 0.169 reads. It never refreshes, rewrites or revokes in these two modes (measured). */
function authFile(credential: Credential, now: Date): object {
  const { oauth, apiKey } = credential;
  if (apiKey !== undefined) return { auth_mode: "apikey", OPENAI_API_KEY: apiKey.key };
  if (oauth === undefined) throw new LaunchError(70, "the broker gave no credential");
  return {
    auth_mode: "chatgptAuthTokens",
    tokens: {
      id_token: idToken(oauth),
      access_token: oauth.accessToken,
      refresh_token: "",
      account_id: oauth.accountId,
    },
    last_refresh: now.toISOString(),
  };
}

/** Codex reads plan and address from it and refuses what is no JWT; both tokens of a login name the account. */
function idToken({ idToken: own, accessToken, accountId }: OAuthCredential): string {
  const token = [own, accessToken].find((candidate) => jwtClaims(candidate) !== undefined);
  if (token !== undefined && accountId !== "") return token;
  throw new LaunchError(
    78,
    "Codex does not take this login: it names no account in an ID token",
    "auth-broker login openai-codex",
  );
}
