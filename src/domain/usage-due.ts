import type { Profile } from "./profile.ts";
import { LIMITED_LOOK_MS, USAGE_START_MS } from "./settings.ts";
import { after, type Deadline, type Now, reached, remainingMs } from "./time.ts";
import { isLive } from "./token.ts";
import { lastReadAtMs } from "./usage.ts";

/** What is remembered of the looks at one profile's usage; in memory only. */
export interface Looks {
  /** Monotonic moment since which the profile is known to this process. */
  readonly sinceMonoMs: number;
  /** Monotonic moment of the last look, whatever came of it. */
  readonly lastMonoMs?: number;
  /** Drawn anew for each look, from [0, 1): keeps looks of several profiles apart. */
  readonly spread: number;
}

/**
 * When a profile's usage should be looked at next, or undefined if nobody needs it: once in 30 to 60
 * minutes while a plan limit runs that does not end before, and `intervalMs` ± 20 % after the last
 * reading, whoever brought it, while somebody wants to know.
 */
export function lookDueAt(
  profile: Profile,
  looks: Looks,
  isWanted: boolean,
  intervalMs: number,
  now: Now,
): Deadline | undefined {
  if (!canBeLookedAt(profile, now)) return undefined;
  const sinceLookMs =
    looks.lastMonoMs === undefined ? Number.POSITIVE_INFINITY : now.monoMs - looks.lastMonoMs;
  const firstMs = looks.sinceMonoMs + looks.spread * USAGE_START_MS - now.monoMs;
  const inMs = (gapMs: number, sinceMs: number) =>
    Math.max(0, gapMs - Math.max(0, Math.min(sinceMs, sinceLookMs)), firstMs);
  const limits = planLimits(profile, now);
  if (limits.length > 0) {
    const sinceRefusalMs = Math.min(...limits.map((c) => now.wallMs - c.setAtMs));
    const dueMs = inMs(LIMITED_LOOK_MS * (1 + looks.spread), sinceRefusalMs);
    const leftMs = Math.max(...limits.map((c) => remainingMs(c.until, now)));
    return dueMs < leftMs ? after(now, dueMs) : undefined;
  }
  if (!isWanted) return undefined;
  const readAtMs = lastReadAtMs(profile.usageWindows) ?? Number.NEGATIVE_INFINITY;
  return after(now, inMs(intervalMs * (0.8 + 0.4 * looks.spread), now.wallMs - readAtMs));
}

/** Plan limits that run now, of the account or of a model. */
export function planLimits(profile: Profile, now: Now): Profile["cooldowns"] {
  return profile.cooldowns.filter((c) => c.outcome === "USAGE_LIMIT" && !reached(c.until, now));
}

/**
 * True for a login that may show its usage. Keys have none to show, a bare token may lack the scope and
 * could not be mended after a 401, and a token that is over is not renewed for the sake of a reading.
 */
export function canBeLookedAt(profile: Profile, now: Now): boolean {
  return (
    profile.enabled &&
    profile.block === undefined &&
    profile.loginNeeded === undefined &&
    profile.grant.kind === "oauth" &&
    isLive(profile, now)
  );
}
