import type { Account, Grant } from "../domain/grant.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { CooldownSource } from "../domain/profile.ts";
import type { Now } from "../domain/time.ts";

/** Programs whose logins can be taken over. */
export const SOURCE_NAMES = ["codex", "openclaw", "claude", "gemini"] as const;
export type SourceName = (typeof SOURCE_NAMES)[number];

/** Where importers look and what time it is; nothing is taken from the process itself. */
export interface ImportContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home directory, absolute. */
  readonly home: string;
  readonly now: Now;
  /** What to wait for between two readings of a file that was caught half written; a short sleep if absent. */
  readonly pause?: () => Promise<void>;
}

export interface ImportedCooldown {
  /** Empty: the account as a whole. */
  readonly model: string;
  readonly outcome: Outcome;
  readonly source: CooldownSource;
  /** Wall clock; always in the future of the reading. */
  readonly untilMs: number;
}

/** One login found in another program's files, under the id that it gets here. */
export interface ImportedProfile {
  /** `<provider>:<label>`. */
  readonly id: string;
  readonly provider: string;
  readonly label: string;
  /** Ids of the same form under which the other program knows it, where they differ from `id`. */
  readonly aliases: readonly string[];
  readonly grant: Grant;
  readonly account: Account;
  /** What a client needs beside the token, such as a project id. Never secret. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The file that holds this grant. */
  readonly sourcePath: string;
  /** Further files in which the very same grant stands. */
  readonly copies: readonly string[];
  readonly source: SourceName;
  readonly cooldowns: readonly ImportedCooldown[];
}

/** Something that stands in the files and was not taken over. */
export interface Skipped {
  /** The id it has there, or the path of the file. */
  readonly item: string;
  /** For a person; never any content of a credential. */
  readonly reason: string;
}

/** What a source holds: everything that stands there is either a profile or skipped with a reason. */
export interface ImportPlan {
  readonly profiles: readonly ImportedProfile[];
  readonly skipped: readonly Skipped[];
  /** Explicit orders, with the ids used here; they may name profiles that do not exist. */
  readonly orders: readonly { readonly provider: string; readonly profiles: readonly string[] }[];
  readonly warnings: readonly string[];
}

/** A plan of profiles and skipped items alone. */
export function planOf(profiles: readonly ImportedProfile[], skipped: readonly Skipped[] = []): ImportPlan {
  return { profiles, skipped, orders: [], warnings: [] };
}
