import type { Account, Grant, Rotation } from "./grant.ts";
import type { Outcome, UsageWindow } from "./outcome.ts";
import type { Deadline } from "./time.ts";

export const OWNERSHIPS = ["SOLE", "SHARED", "UNKNOWN"] as const;
/** SOLE: only we hold the grant. SHARED: another program's file holds it too. UNKNOWN: nobody said. */
export type Ownership = (typeof OWNERSHIPS)[number];

export const COST_CLASSES = ["SUBSCRIPTION", "METERED"] as const;
export type CostClass = (typeof COST_CLASSES)[number];

export const COOLDOWN_SOURCES = ["PROVIDER", "GUESS"] as const;
/** PROVIDER: a moment that the provider stated. GUESS: computed from strikes. */
export type CooldownSource = (typeof COOLDOWN_SOURCES)[number];

/** One reason to stay away from a profile (`model` empty) or from one model of it, until a moment. */
export interface Cooldown {
  readonly model: string;
  readonly outcome: Outcome;
  readonly source: CooldownSource;
  readonly setAtMs: number;
  readonly until: Deadline;
  /** After its end one trial is made before others may follow (guessed plan and billing limits). */
  readonly halfOpen: boolean;
  /** Tag of the lease that set it last, to tell a repeated report. Absent: imported or put. */
  readonly leaseTag?: string;
}

/** Failures in a row of one outcome on the profile or one model of it. */
export interface Strikes {
  readonly model: string;
  readonly outcome: Outcome;
  readonly count: number;
  readonly lastAtMs: number;
}

/** Why only an operator (or a new login) can bring the profile back. */
export interface Block {
  readonly outcome: Outcome;
  readonly ban: boolean;
  readonly setAtMs: number;
}

/** Why only a new login can bring the profile back. */
export interface LoginNeeded {
  /** `refused` (token refused again or not refreshable), `permanent` (the provider said so), `lost_in_flight`. */
  readonly reason: "refused" | "permanent" | "lost_in_flight";
  readonly setAtMs: number;
}

/**
 * The refresh token of this generation must not be sent again: the server ended it (`terminal`), or
 * it may be spent and no answer came (`lost`). Says nothing about the access token.
 */
export interface RefreshDead {
  readonly cause: "terminal" | "lost";
  /** The server's error code out of a fixed list, never its text. */
  readonly code: string;
  readonly setAtMs: number;
}

/** A refresh that was sent or is about to be; durable before the first byte leaves. */
export interface Intent {
  /** The generation whose refresh token is sent. */
  readonly generation: number;
  readonly rotation: Rotation;
  readonly setAtMs: number;
  /** Which sending this is: 0 the first, 1 the one replay. */
  readonly replay: 0 | 1;
  /** `open`: in flight. `lost`: sent, and no complete answer came (or the process died). */
  readonly phase: "open" | "lost";
  /** For `grace`: the last moment at which a replay may still count on the server's tolerance. */
  readonly graceUntil?: Deadline;
}

/** The token endpoint said "not now". */
export interface RefreshBackoff {
  readonly until: Deadline;
  readonly setAtMs: number;
  readonly strikes: number;
}

/** Where the current grant came from. */
export type GrantOrigin = "put" | "login" | "refresh" | "forced" | "adopted";

/**
 * One account's login and everything known about it. Immutable; only `transition` makes a new one.
 */
export interface Profile {
  /** `<provider>:<label>`. */
  readonly id: string;
  readonly provider: string;
  readonly label: string;
  /** Shown instead of the label, if the operator set one. */
  readonly title?: string;
  /** Former ids that are still accepted. */
  readonly aliases: readonly string[];
  readonly grant: Grant;
  readonly generation: number;
  readonly origin: GrantOrigin;
  /** Wall-clock moment at which this generation was obtained. */
  readonly obtainedAtMs: number;
  /** Wall-clock moment of the last refresh that brought a grant. */
  readonly lastRefreshAtMs?: number;
  /** An OK was reported for this generation; kept only where a rule asks for it (origin `forced`). */
  readonly proven: boolean;
  /** Changes when another account takes the id, or the id is made anew. Random text. */
  readonly accountEpoch: string;
  readonly account: Account;
  /** Names and values that leave with the credential, such as a project id. Never secret. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly enabled: boolean;
  readonly baseUrl: string;
  readonly pools: readonly string[];
  readonly ownership: Ownership;
  /** A restored older copy of the state may hold this grant too. */
  readonly restored: boolean;
  readonly sourcePath: string;
  readonly costClass: CostClass;
  readonly cooldowns: readonly Cooldown[];
  readonly strikes: readonly Strikes[];
  readonly usageWindows: readonly UsageWindow[];
  /** Resets that the account held when its usage was last read at the provider. Absent: none are known. */
  readonly storedResets?: number;
  readonly block?: Block;
  readonly loginNeeded?: LoginNeeded;
  /** The generation whose access token a provider refused. */
  readonly refusedGeneration?: number;
  readonly refreshDead?: RefreshDead;
  readonly intent?: Intent;
  readonly backoff?: RefreshBackoff;
  /** When the last refresh request of this profile was begun; spaces two requests. */
  readonly lastAttempt?: Deadline;
}

/** Splits `<provider>:<label>`; undefined when it is not of that form. */
export function splitProfileId(
  id: string,
): { readonly provider: string; readonly label: string } | undefined {
  const colon = id.indexOf(":");
  if (colon <= 0 || colon === id.length - 1) return undefined;
  return { provider: id.slice(0, colon), label: id.slice(colon + 1) };
}
