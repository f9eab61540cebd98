import type { Outcome } from "./outcome.ts";

/** A back-off: `baseMs · 2ⁿ`, at most `capMs`. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** The delay of the n-th repetition, counted from 0. */
export function backoffMs(backoff: Backoff, n: number): number {
  return Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(Math.max(0, n), 40));
}

/** Outcomes whose cooldown or advice grows with repetition. */
export type SteppedOutcome = Extract<
  Outcome,
  "RATE_LIMIT" | "USAGE_LIMIT" | "BILLING" | "TIMEOUT" | "OVERLOADED" | "SERVER_ERROR"
>;

/** Numbers that the operator may change; the domain knows no others. */
export interface Settings {
  readonly cooldown: {
    readonly steps: Readonly<Record<SteppedOutcome, Backoff>>;
    /** A stated moment further away than this is not believed. */
    readonly longestWindowMs: number;
    readonly banBrake: boolean;
  };
  readonly session: {
    readonly idleLimitMs: number;
    /** A bound session whose profile comes back within this time is lent another, not moved. */
    readonly homeWithinMs: number;
  };
  readonly refresh: {
    /** Requests of one OAuth client at a time. */
    readonly lanes: number;
    readonly minIntervalMs: number;
    readonly connectTimeoutMs: number;
    readonly totalTimeoutMs: number;
  };
  readonly usage: {
    /** Is usage read at providers at all? */
    readonly isPolled: boolean;
    /** Between two looks at an account's usage while somebody wants to know. */
    readonly intervalMs: number;
  };
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** What holds where the operator set nothing. */
export const DEFAULT_SETTINGS: Settings = {
  cooldown: {
    steps: {
      RATE_LIMIT: { baseMs: 30 * SECOND, capMs: 15 * MINUTE },
      USAGE_LIMIT: { baseMs: 15 * MINUTE, capMs: 6 * HOUR },
      BILLING: { baseMs: 10 * MINUTE, capMs: 6 * HOUR },
      TIMEOUT: { baseMs: 30 * SECOND, capMs: 5 * MINUTE },
      OVERLOADED: { baseMs: 2 * SECOND, capMs: 60 * SECOND },
      SERVER_ERROR: { baseMs: 2 * SECOND, capMs: 60 * SECOND },
    },
    longestWindowMs: 8 * 24 * HOUR,
    banBrake: true,
  },
  session: { idleLimitMs: HOUR, homeWithinMs: 5 * MINUTE },
  refresh: { lanes: 2, minIntervalMs: MINUTE, connectTimeoutMs: 10 * SECOND, totalTimeoutMs: 30 * SECOND },
  usage: { isPolled: true, intervalMs: 10 * MINUTE },
};

/** One model that an account may not use, or that is not there, is left alone this long. */
export const MODEL_BLOCK_MS = 12 * HOUR;
/** Failures in a row are forgotten this long after the last one. */
export const STRIKES_FORGOTTEN_MS = 24 * HOUR;
/** A generation brought by a forced refresh and refused within this time, without an OK before, needs a login. */
export const FORCED_PROBATION_MS = 10 * MINUTE;
/** A trial without a report or release ends after this time. */
export const TRIAL_MS = 60 * SECOND;
/** How long a bound session waits for its own profile's refresh before it is lent another. */
export const BOUND_WAIT_MS = 5 * SECOND;
/** From which timeout in a row on a profile and model goes into a cooldown. */
export const TIMEOUTS_TOLERATED = 2;
/** The token endpoint said "not now" without saying when. */
export const NOT_NOW_BACKOFF: Backoff = { baseMs: 30 * SECOND, capMs: 15 * MINUTE };
/** The token endpoint could not be reached, so that nothing was sent. */
export const UNSENT_BACKOFF: Backoff = { baseMs: 2 * SECOND, capMs: MINUTE };
/** While a plan limit runs, usage is looked at once in a time between this and its double. */
export const LIMITED_LOOK_MS = 30 * MINUTE;
/** Usage that was read this short a time ago is not read again, whoever asks. */
export const USAGE_FRESH_MS = 5 * MINUTE;
/** A profile that nobody used for this long is not looked at on account of its use. */
export const USAGE_IDLE_MS = HOUR;
/** A new process spreads its first looks over this time. */
export const USAGE_START_MS = 5 * MINUTE;
/** The usage endpoint refuses: throttled, out of scope, or not there. */
export const USAGE_REFUSED_BACKOFF: Backoff = { baseMs: 30 * MINUTE, capMs: 6 * HOUR };
/** The usage endpoint was not reached, or is broken. */
export const USAGE_TROUBLE_BACKOFF: Backoff = { baseMs: MINUTE, capMs: 30 * MINUTE };
