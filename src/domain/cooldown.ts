import type { Outcome } from "./outcome.ts";
import type { Cooldown, Profile, Strikes } from "./profile.ts";
import {
  backoffMs,
  MODEL_BLOCK_MS,
  type Settings,
  STRIKES_FORGOTTEN_MS,
  type SteppedOutcome,
  TIMEOUTS_TOLERATED,
} from "./settings.ts";
import { after, at, type Now, reached, wallOf } from "./time.ts";

/** A failure that may start a cooldown on the profile (`model` empty) or on one model of it. */
export interface Failing {
  readonly outcome: Outcome;
  readonly model: string;
  /** The moment that the provider stated, if it did. */
  readonly statedAtMs?: number;
  readonly leaseTag: string;
}

/** True if a stated moment can be believed: a number, not past, within the longest known window. */
export function isPlausible(atMs: number | undefined, now: Now, longestWindowMs: number): atMs is number {
  return (
    atMs !== undefined && Number.isFinite(atMs) && atMs > now.wallMs && atMs <= now.wallMs + longestWindowMs
  );
}

/** Cooldowns that keep a request for `model` away, running now. */
export function runningFor(profile: Profile, model: string, now: Now): readonly Cooldown[] {
  return profile.cooldowns.filter((c) => concerns(c, model) && !reached(c.until, now));
}

/** The running cooldown with the latest end, which decides. */
export function decidingFor(profile: Profile, model: string, now: Now): Cooldown | undefined {
  let latest: Cooldown | undefined;
  for (const c of profile.cooldowns) {
    if (!concerns(c, model) || reached(c.until, now)) continue;
    if (latest === undefined || wallOf(c.until, now) > wallOf(latest.until, now)) latest = c;
  }
  return latest;
}

/** Cooldowns that are over but want a trial before everybody may follow. */
export function awaitingTrial(profile: Profile, model: string, now: Now): readonly Cooldown[] {
  if (profile.cooldowns.length === 0) return [];
  return profile.cooldowns.filter((c) => c.halfOpen && concerns(c, model) && reached(c.until, now));
}

function concerns(entry: { readonly model: string }, model: string): boolean {
  return entry.model === "" || entry.model === model;
}

/**
 * Models are named by callers, so a profile keeps only so many cooldowns and rows of failures. Where there
 * is no room, a failure of one model more leaves no trace: nothing that runs ends earlier for it.
 */
const MOST_ENTRIES = 128;

function sameKey(a: { outcome: Outcome; model: string }, b: { outcome: Outcome; model: string }): boolean {
  return a.outcome === b.outcome && a.model === b.model;
}

/** Failures in a row of one outcome, 0 when none or forgotten. */
function strikesOf(profile: Profile, key: { outcome: Outcome; model: string }, now: Now): number {
  const entry = profile.strikes.find((s) => sameKey(s, key));
  return entry === undefined || isForgotten(entry, now) ? 0 : entry.count;
}

function isForgotten(strikes: Strikes, now: Now): boolean {
  return now.wallMs - strikes.lastAtMs >= STRIKES_FORGOTTEN_MS;
}

/** Over, and nobody has to try whether it is. */
function isSpent(cooldown: Cooldown, now: Now): boolean {
  return !cooldown.halfOpen && reached(cooldown.until, now);
}

/**
 * The profile after one more failure. Inside a running cooldown of the same outcome and model a
 * failure is no new strike and a guess changes nothing; a stated moment replaces a guess, and the
 * later of two stated moments holds.
 */
export function struck(profile: Profile, failing: Failing, now: Now, settings: Settings): Profile {
  const running = profile.cooldowns.find((c) => sameKey(c, failing) && !reached(c.until, now));
  if (running !== undefined) return restated(profile, running, failing, now);

  const cooldowns = profile.cooldowns.filter((c) => !sameKey(c, failing) && !isSpent(c, now));
  const strikes = profile.strikes.filter((s) => !sameKey(s, failing) && !isForgotten(s, now));
  const isFull = cooldowns.length >= MOST_ENTRIES || strikes.length >= MOST_ENTRIES;
  if (isFull && failing.model !== "") return profile;

  const count = strikesOf(profile, failing, now) + 1;
  const strike: Strikes = {
    model: failing.model,
    outcome: failing.outcome,
    count,
    lastAtMs: now.wallMs,
  };
  const cooldown = begun(failing, count, now, settings);
  return {
    ...profile,
    strikes: [...strikes, strike],
    cooldowns: cooldown === undefined ? cooldowns : [...cooldowns, cooldown],
  };
}

function restated(profile: Profile, running: Cooldown, failing: Failing, now: Now): Profile {
  const stated = failing.statedAtMs;
  if (stated === undefined) return profile;
  if (running.source === "PROVIDER" && stated <= running.until.wallMs) return profile;
  const next: Cooldown = {
    ...running,
    source: "PROVIDER",
    until: at(now, stated),
    setAtMs: now.wallMs,
    halfOpen: false,
    leaseTag: failing.leaseTag,
  };
  return { ...profile, cooldowns: profile.cooldowns.map((c) => (c === running ? next : c)) };
}

function begun(failing: Failing, count: number, now: Now, settings: Settings): Cooldown | undefined {
  const { outcome, model, leaseTag } = failing;
  if (outcome === "TIMEOUT" && count <= TIMEOUTS_TOLERATED) return undefined;
  const entry = { model, outcome, setAtMs: now.wallMs, leaseTag };
  if (failing.statedAtMs !== undefined) {
    return { ...entry, source: "PROVIDER", until: at(now, failing.statedAtMs), halfOpen: false };
  }
  const halfOpen = outcome === "USAGE_LIMIT" || outcome === "BILLING";
  return { ...entry, source: "GUESS", until: after(now, guessMs(outcome, count, settings)), halfOpen };
}

function guessMs(outcome: Outcome, count: number, settings: Settings): number {
  if (outcome === "MODEL_NOT_FOUND" || outcome === "FORBIDDEN") return MODEL_BLOCK_MS;
  const step = settings.cooldown.steps[outcome as SteppedOutcome];
  return backoffMs(step, outcome === "TIMEOUT" ? count - 1 - TIMEOUTS_TOLERATED : count - 1);
}

/**
 * The profile after a request for `model` went well. Ends guesses of the profile and of that model
 * that are older than the lease, and the row of failures with them. A cooldown younger than the
 * lease stays: the request may have been answered before the limit was met.
 */
export function succeeded(profile: Profile, model: string, leaseIssuedAtMs: number, now: Now): Profile {
  if (profile.cooldowns.length === 0 && profile.strikes.length === 0) return profile;
  const survives = (c: Cooldown) =>
    !concerns(c, model) || c.source === "PROVIDER" || c.setAtMs > leaseIssuedAtMs;
  const cooldowns = profile.cooldowns.filter(
    (c) => survives(c) && !(concerns(c, model) && reached(c.until, now)),
  );
  const strikes = profile.strikes.filter((s) => !concerns(s, model) || cooldowns.some((c) => sameKey(c, s)));
  if (cooldowns.length === profile.cooldowns.length && strikes.length === profile.strikes.length) {
    return profile;
  }
  return { ...profile, cooldowns, strikes };
}

/** The profile after an operator cleared one model's cooldowns, or all of them (`model` empty). */
export function cleared(profile: Profile, model: string): Profile {
  const other = (entry: { model: string }) => model !== "" && entry.model !== model;
  return {
    ...profile,
    cooldowns: profile.cooldowns.filter(other),
    strikes: profile.strikes.filter(other),
  };
}

/** The profile after a trial ended in silence: the half-open cooldowns are over, the strikes stay. */
export function trialEnded(profile: Profile, model: string, now: Now): Profile {
  const over = awaitingTrial(profile, model, now);
  if (over.length === 0) return profile;
  return { ...profile, cooldowns: profile.cooldowns.filter((c) => !over.includes(c)) };
}
