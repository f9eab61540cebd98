import type { UsageWindow } from "./outcome.ts";
import type { Profile } from "./profile.ts";
import type { Now } from "./time.ts";
import { isPlanWindow } from "./usage.ts";

/** How long readings are kept. */
export const HISTORY_MS = 30 * 86_400_000;
/** One sample of a window in this time, unless it started anew in between. */
const STEP_MS = 3_600_000;

/** What a window showed once. */
export interface UsageSample {
  /** The window's name. */
  readonly name: string;
  /** Wall-clock moment of the reading. */
  readonly atMs: number;
  readonly usedPercent: number;
}

/** The readings of one account, the oldest first. */
export interface UsageHistory {
  /** Whose they are: another account under the same id begins anew. */
  readonly accountEpoch: string;
  readonly samples: readonly UsageSample[];
}

/**
 * The history with what a profile's plan windows show now: the last reading of each hour, and the last one
 * before a window started anew. Gives the very same object when nothing is new.
 */
export function noted(history: UsageHistory | undefined, profile: Profile, now: Now): UsageHistory {
  const { accountEpoch } = profile;
  const old = history?.accountEpoch === accountEpoch ? history : { accountEpoch, samples: [] };
  let samples = old.samples;
  for (const window of profile.usageWindows) if (isPlanWindow(window)) samples = withReading(samples, window);
  const oldest = now.wallMs - HISTORY_MS;
  if (samples.some((s) => s.atMs <= oldest)) samples = samples.filter((s) => s.atMs > oldest);
  return samples === old.samples ? old : { accountEpoch, samples };
}

function withReading(samples: readonly UsageSample[], window: UsageWindow): readonly UsageSample[] {
  const { name, usedPercent, observedAtMs: atMs } = window;
  const last = samples.findLast((s) => s.name === name);
  if (usedPercent === undefined || (last !== undefined && atMs <= last.atMs)) return samples;
  const isSameHour = last !== undefined && Math.floor(last.atMs / STEP_MS) === Math.floor(atMs / STEP_MS);
  const kept = isSameHour && usedPercent >= last.usedPercent ? samples.filter((s) => s !== last) : samples;
  return [...kept, { name, atMs, usedPercent }];
}
