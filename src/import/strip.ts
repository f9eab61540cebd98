import type { Now } from "../domain/time.ts";
import { firstOf, type JsonObject, objectOf } from "./fields.ts";
import type { ImportedProfile, SourceName } from "./item.ts";
import { readEntry } from "./openclaw-entry.ts";
import { mapEntries } from "./openclaw-store.ts";
import type { Rewriting } from "./rewrite.ts";

/** Programs whose logins can be taken over for good. */
export const TAKEN_OVER = ["codex", "openclaw", "claude"] as const satisfies readonly SourceName[];
export type TakenOver = (typeof TAKEN_OVER)[number];

/** Spellings of a refresh token in OpenClaw's entries. */
export const REFRESH_NAMES = ["refresh", "refreshToken", "refresh_token"];

/**
 * What leaves a program its access token and no refresh token: it works to the end of that token, and
 * never refreshes. `isOurs` says which logins of OpenClaw are meant; the other files hold one alone. Gives
 * undefined where there is nothing to take.
 */
export function stripped(
  source: TakenOver,
  isOurs: (login: ImportedProfile) => boolean,
  path: string,
  now: Now,
): Rewriting {
  switch (source) {
    case "codex":
      return strippedCodex;
    case "claude":
      return strippedClaude;
    case "openclaw":
      return (value) => strippedOpenclaw(value, isOurs, path, now);
  }
}

/** In this mode Codex neither refreshes nor revokes what stands there (0.169, measured). */
function strippedCodex(value: unknown): unknown {
  const file = objectOf(value);
  const tokens = objectOf(file?.tokens);
  if (tokens === undefined || firstOf(tokens, "refresh_token") === undefined) return undefined;
  return { ...file, auth_mode: "chatgptAuthTokens", tokens: { ...tokens, refresh_token: "" } };
}

/** As its own setup tokens stand there. */
function strippedClaude(value: unknown): unknown {
  const file = objectOf(value);
  const login = objectOf(file?.claudeAiOauth);
  if (login === undefined || firstOf(login, "refreshToken") === undefined) return undefined;
  return { ...file, claudeAiOauth: { ...login, refreshToken: null } };
}

/** Both eras list and use such an entry until it expires (2026.5.19 and 2026.9.6, tried). */
function strippedOpenclaw(
  value: unknown,
  isOurs: (login: ImportedProfile) => boolean,
  path: string,
  now: Now,
): unknown {
  let isChanged = false;
  const next = mapEntries(value, path, (entry) => {
    const fields = objectOf(entry.value);
    const login = readEntry(entry, path, now);
    if (fields === undefined || !("grant" in login) || login.grant.kind !== "oauth") return entry.value;
    if (login.grant.refreshToken === undefined || !isOurs(login)) return entry.value;
    isChanged = true;
    return without(fields, REFRESH_NAMES);
  });
  return isChanged ? next : undefined;
}

/** The same fields without some. */
export function without(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
