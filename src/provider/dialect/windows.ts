import type { UsageWindow } from "../../domain/outcome.ts";
import { durationMs } from "./duration.ts";
import type { Evidence } from "./evidence.ts";
import { asNumber, asObject, type Json } from "./loose-json.ts";
import { type HeaderResets, instantMs, isPlausibleReset, latest } from "./reset-moment.ts";

const MOST_WINDOWS = 24;
/** Plans run for a month at most; a reset further away is a mistake. */
const LONGEST_PLAN_MS = 32 * 86_400_000;
/** Overdrawn a hundred times over is still thinkable. */
const MOST_PERCENT = 10_000;
const LONGEST_WINDOW_MINUTES = 366 * 1_440;
/** How exactly a reset one whole window ahead must fit to mean "not opened yet". */
const SLIDING_MS = 60_000;

/** What was read of one window, before it is judged. */
export interface WindowRead {
  readonly name: string;
  readonly usedPercent: number | undefined;
  readonly windowMinutes: number | undefined;
  readonly resetAtMs: number | undefined;
  /** It limits some models or one feature only. */
  readonly isPartial?: boolean;
}

/**
 * Makes usage windows of what was read: drops windows that do not exist (no length, no use), resets
 * that are implausible, and the reset of an unused window that slides ahead with every reading.
 */
export function usageWindows(
  reads: readonly WindowRead[],
  { receivedAtMs }: Pick<Evidence, "receivedAtMs">,
): readonly UsageWindow[] {
  const windows = new Map<string, UsageWindow>();
  for (const { name, usedPercent: shown, windowMinutes, resetAtMs, isPartial } of reads) {
    const usedPercent = shown !== undefined && shown >= 0 && shown <= MOST_PERCENT ? shown : undefined;
    if (!/^[a-z0-9][\w.-]{0,63}$/i.test(name) || windows.has(name) || windows.size >= MOST_WINDOWS) continue;
    const minutes = wholeMinutes(windowMinutes);
    if (windowMinutes === 0 && resetAtMs === undefined) continue;
    const lengthMs = (minutes ?? 0) * 60_000;
    const slides =
      usedPercent === 0 &&
      minutes !== undefined &&
      resetAtMs !== undefined &&
      resetAtMs - receivedAtMs >= lengthMs - SLIDING_MS;
    const isKnown = isPlausibleReset(resetAtMs, receivedAtMs, LONGEST_PLAN_MS) && !slides;
    if (usedPercent === undefined && !isKnown) continue;
    windows.set(name, {
      name,
      ...(minutes === undefined ? {} : { windowMinutes: minutes }),
      ...(usedPercent === undefined ? {} : { usedPercent }),
      ...(isKnown ? { resetAtMs } : {}),
      observedAtMs: receivedAtMs,
      ...(isPartial === true ? { isPartial } : {}),
    });
  }
  return [...windows.values()];
}

function wholeMinutes(minutes: number | undefined): number | undefined {
  const whole = Math.round(minutes ?? 0);
  return whole > 0 && whole <= LONGEST_WINDOW_MINUTES ? whole : undefined;
}

/** One bucket of a request or token limit per minute or day. */
export interface Bucket {
  readonly name: string;
  readonly limit: number | undefined;
  readonly remaining: number | undefined;
  readonly resetAtMs: number | undefined;
  /** The reset was given as a wait. */
  readonly isWait: boolean;
}

/** Finds limit families by pattern. `split` gives bucket and part of a header's name, or undefined. */
export function readBuckets(
  { headers, receivedAtMs }: Evidence,
  split: (header: string) => { readonly bucket: string; readonly part: string } | undefined,
): readonly Bucket[] {
  const parts = new Map<string, Map<string, string>>();
  for (const [header, value] of Object.entries(headers)) {
    const found = split(header);
    if (found === undefined || parts.size >= MOST_WINDOWS) continue;
    const bucket = parts.get(found.bucket) ?? new Map<string, string>();
    parts.set(found.bucket, bucket.set(found.part, value));
  }
  return [...parts].map(([name, bucket]) => {
    const reset = bucket.get("reset");
    const atMs = instantMs(reset);
    const waitMs = atMs === undefined ? waitMsOf(reset) : undefined;
    return {
      name,
      limit: asNumber(bucket.get("limit")),
      remaining: asNumber(bucket.get("remaining")),
      resetAtMs: atMs ?? (waitMs === undefined ? undefined : receivedAtMs + waitMs),
      isWait: waitMs !== undefined,
    };
  });
}

function waitMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = asNumber(text);
  return seconds === undefined ? durationMs(text) : seconds * 1_000;
}

/** The buckets that are used up; those of which nothing is known if none says so. */
export function exhausted(buckets: readonly Bucket[]): readonly Bucket[] {
  const empty = buckets.filter((bucket) => bucket.remaining !== undefined && bucket.remaining <= 0);
  return empty.length > 0 ? empty : buckets.filter((bucket) => bucket.remaining === undefined);
}

/** When the used-up buckets fill again: the latest of them. */
export function bucketResets(buckets: readonly Bucket[], receivedAtMs: number): HeaderResets {
  const spent = exhausted(buckets);
  const atMs = latest(...spent.map((bucket) => (bucket.isWait ? undefined : bucket.resetAtMs)));
  const wait = latest(...spent.map((bucket) => (bucket.isWait ? bucket.resetAtMs : undefined)));
  return {
    ...(atMs === undefined ? {} : { atMs }),
    ...(wait === undefined ? {} : { waitMs: wait - receivedAtMs }),
  };
}

export function bucketReads(buckets: readonly Bucket[]): readonly WindowRead[] {
  return buckets.map(({ name, limit, remaining, resetAtMs }) => ({
    name,
    usedPercent:
      limit !== undefined && limit > 0 && remaining !== undefined
        ? 100 - (100 * remaining) / limit
        : undefined,
    windowMinutes: undefined,
    resetAtMs,
  }));
}

/** Reads a window object under any of the spellings in use; undefined if it shows nothing. */
export function readWindowObject(
  name: string,
  value: Json | undefined,
  receivedAtMs: number,
): WindowRead | undefined {
  const window = asObject(value);
  if (window === undefined) return undefined;
  const number = (...keys: readonly string[]) =>
    keys.map((key) => asNumber(window[key])).find((found) => found !== undefined);
  const seconds = number("limit_window_seconds", "window_seconds");
  const waitSeconds = number("reset_after_seconds", "resets_in_seconds", "resetAfterSeconds");
  const at = [window.reset_at, window.resets_at, window.resetsAt, window.resetAt, window.resetTime];
  return {
    name,
    usedPercent: number("used_percent", "usedPercent"),
    windowMinutes:
      number("window_minutes", "windowDurationMins") ?? (seconds === undefined ? undefined : seconds / 60),
    resetAtMs:
      at.map(instantMs).find((found) => found !== undefined) ??
      (waitSeconds !== undefined && waitSeconds > 0 ? receivedAtMs + waitSeconds * 1_000 : undefined),
  };
}
