import type { UsageFacts, UsageWindow } from "./outcome.ts";
import type { Cooldown, Profile } from "./profile.ts";
import { type Now, reached } from "./time.ts";

/** A reading is renewed after this time, or when it moved by this much. */
const READING_AGE_MS = 60_000;
const READING_PERCENT = 1;
/** Windows are named by callers too; of more than these the ones read longest ago are forgotten. */
const MOST_WINDOWS = 32;
/** Shorter windows are throttles (requests a minute), not what a plan gives. */
const SHORTEST_PLAN_MS = 3_600_000;

/**
 * The profile with newer readings of its usage windows. A reading newer than a refusal that shows
 * room in every window that decides ends the plan cooldown. `since` guards against a reading that
 * arrived later but was made earlier: cooldowns set after it stay.
 */
export function observed(
  profile: Profile,
  windows: readonly UsageWindow[],
  sinceMs: number,
  now: Now,
): Profile {
  const fresh = newest(windows, now).filter((w) => isNews(profile, w, now));
  if (fresh.length === 0) return profile;
  const names = new Set(fresh.map((w) => w.name));
  const kept = profile.usageWindows.filter((old) => !names.has(old.name));
  const usageWindows = [...kept, ...fresh].slice(-MOST_WINDOWS);
  const isRefuted = (c: Cooldown) => {
    if (c.outcome !== "USAGE_LIMIT" || c.setAtMs >= sinceMs) return false;
    const deciding = decidingWindows(usageWindows, c.model);
    return (
      deciding.every((w) => isRoomy(w, now)) &&
      deciding.some((w) => fresh.includes(w) && w.observedAtMs > c.setAtMs)
    );
  };
  return { ...profile, usageWindows, cooldowns: profile.cooldowns.filter((c) => !isRefuted(c)) };
}

/**
 * As `observed`, for the provider's own read-out, which is whole: a window of an earlier one that it does
 * not show any more is gone with the plan that it belonged to. Of a former plan nothing is left, whoever
 * saw it.
 */
export function readOut(
  profile: Profile,
  read: { readonly windows: readonly UsageWindow[]; readonly facts: UsageFacts },
  sinceMs: number,
  now: Now,
): Profile {
  const { windows, facts } = read;
  const shown = new Set(windows.map((w) => w.name));
  const isOther = isOtherPlan(profile.account, facts);
  const isPast = (w: UsageWindow) => !shown.has(w.name) && (isOther || w.source === "USAGE_API");
  const usageWindows = profile.usageWindows.filter((w) => !isPast(w));
  const isWhole = usageWindows.length === profile.usageWindows.length;
  const known = withFacts(isWhole ? profile : { ...profile, usageWindows }, facts);
  return observed(known, windows, sinceMs, now);
}

/** True if both name a plan, and not the same one. */
export function isOtherPlan(known: UsageFacts, read: UsageFacts): boolean {
  if (known.planType === undefined || read.planType === undefined) return false;
  return known.planType.toLowerCase() !== read.planType.toLowerCase();
}

/** The plan that a read-out names is newer than what a token names. */
function withFacts(profile: Profile, facts: UsageFacts): Profile {
  const { storedResets: known, ...rest } = profile;
  const { planType, storedResets = 0 } = facts;
  const isSamePlan = planType === undefined || profile.account.planType === planType;
  if (isSamePlan && (known ?? 0) === storedResets) return profile;
  return {
    ...rest,
    account: isSamePlan ? profile.account : { ...profile.account, planType },
    ...(storedResets === 0 ? {} : { storedResets }),
  };
}

/** The last reading of each window. Nothing was read later than now, whatever it says. */
function newest(windows: readonly UsageWindow[], now: Now): readonly UsageWindow[] {
  const byName = new Map<string, UsageWindow>();
  for (const given of windows) {
    const window = { ...given, observedAtMs: Math.min(given.observedAtMs, now.wallMs) };
    const other = byName.get(window.name);
    if (window.name !== "" && (other === undefined || other.observedAtMs <= window.observedAtMs)) {
      byName.set(window.name, window);
    }
  }
  return [...byName.values()];
}

/**
 * The windows that decide whether a model (empty: the account as a whole) has room: the one named
 * after the model if there is one, else for the account all but those of some models only.
 */
function decidingWindows(windows: readonly UsageWindow[], model: string): readonly UsageWindow[] {
  const own = windows.filter((w) => (model === "" ? w.isPartial !== true : w.name === model));
  return own.length > 0 ? own : windows;
}

/**
 * True for a reading worth keeping. Many answers carry one and each kept reading is a write, so one that
 * tells nearly the same as a moment ago is left out, unless it may refute a refusal.
 */
function isNews(profile: Profile, window: UsageWindow, now: Now): boolean {
  const old = profile.usageWindows.find((w) => w.name === window.name);
  if (old === undefined) return true;
  // The wall clock may have been set back since.
  const oldAtMs = Math.min(old.observedAtMs, now.wallMs);
  if (window.observedAtMs < oldAtMs) return false;
  if (window.observedAtMs - oldAtMs >= READING_AGE_MS) return true;
  if (profile.cooldowns.some((c) => c.outcome === "USAGE_LIMIT" && !reached(c.until, now))) return true;
  const movedBy = Math.abs((window.usedPercent ?? 0) - (old.usedPercent ?? 0));
  const shiftedBy = Math.abs((window.resetAtMs ?? 0) - (old.resetAtMs ?? 0));
  const crosses = isRoomy(window, now) !== isRoomy(old, now);
  return crosses || movedBy >= READING_PERCENT || shiftedBy >= READING_AGE_MS;
}

function isRoomy(window: UsageWindow, now: Now): boolean {
  if (isOver(window, now)) return true;
  return window.usedPercent !== undefined && window.usedPercent < 100;
}

/** True once the window that was read has started anew: what it showed is history. */
export function isOver(window: UsageWindow, now: Now): boolean {
  return window.resetAtMs !== undefined && window.resetAtMs <= now.wallMs;
}

/** True for a window of a plan (hours, days), as far as its length or its reset tells. */
export function isPlanWindow(window: UsageWindow): boolean {
  if (window.windowMinutes !== undefined) return window.windowMinutes * 60_000 >= SHORTEST_PLAN_MS;
  return window.resetAtMs !== undefined && window.resetAtMs - window.observedAtMs >= SHORTEST_PLAN_MS;
}

/**
 * The reset at which what is left of the account would be lost first, or undefined if nothing is left
 * to lose: no running window is known, or one is used up. Windows of some models and throttles count
 * only where nothing better is known.
 */
export function soonestReset(windows: readonly UsageWindow[], now: Now): number | undefined {
  const running = decidingWindows(windows, "").filter((w) => w.resetAtMs !== undefined && !isOver(w, now));
  const plan = running.filter(isPlanWindow);
  const counted = plan.length > 0 ? plan : running;
  if (counted.length === 0 || counted.some((w) => !isRoomy(w, now) && w.usedPercent !== undefined))
    return undefined;
  return Math.min(...counted.map((w) => w.resetAtMs ?? Number.POSITIVE_INFINITY));
}

/** When any of the windows was last read, or undefined if none ever was. */
export function lastReadAtMs(windows: readonly UsageWindow[]): number | undefined {
  return windows.length === 0 ? undefined : Math.max(...windows.map((w) => w.observedAtMs));
}
