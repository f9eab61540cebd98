import { durationMs } from "./duration.ts";
import type { Evidence } from "./evidence.ts";
import { asList, asNumber, asObject, type Json, type JsonObject } from "./loose-json.ts";

/** Moments and waits that a provider's own headers state; either may be absent or implausible. */
export interface HeaderResets {
  readonly atMs?: number;
  readonly waitMs?: number;
  /** Resets of all used-up windows: a body that names one of them means the last of them. */
  readonly allAtMs?: readonly number[];
}

const ABSOLUTE_FIELDS = [
  "resets_at",
  "reset_at",
  "resetsAt",
  "resetAt",
  "reset_time",
  "resetTime",
  "quotaResetTimeStamp",
  "retry_at",
  "next_reset_at",
] as const;
const SECONDS_FIELDS = [
  "resets_in_seconds",
  "reset_in_seconds",
  "reset_after_seconds",
  "reset_seconds",
  "retry_after_seconds",
  "retry_after",
  "retryAfter",
  "resets_in",
  "retryDelay",
  "quotaResetDelay",
  "reset_time",
] as const;
const MS_FIELDS = ["retry_after_ms", "retryAfterMs", "reset_in_ms"] as const;
/** Two waits that differ this much are not both meant. */
const ABSURD_RATIO = 100;
/** Two moments this close are one. */
const SAME_MS = 60_000;

/** True for a moment that can be waited for: in the future, and no further away than any known window. */
export function isPlausibleReset(
  atMs: number | undefined,
  receivedAtMs: number,
  longestMs: number,
): atMs is number {
  return atMs !== undefined && atMs > receivedAtMs && atMs - receivedAtMs <= longestMs;
}

/**
 * The moment at which the answer says a limit ends. Body before headers, headers before prose, a
 * moment before a wait; each is passed over when it is not plausible. A moment that is implausible on
 * our clock is read on the server's (`Date`).
 */
export function statedReset(evidence: Evidence, provider: HeaderResets): number | undefined {
  const { receivedAtMs, longestWindowMs, headers, stated: prose } = evidence;
  const parts = partsOf(evidence.chain);
  const retryAfter = readRetryAfter(headers);
  const serverMs = httpDateMs(headers.date) ?? receivedAtMs;
  const ours = (atMs: number | undefined) => {
    if (atMs === undefined || isPlausibleReset(atMs, receivedAtMs, longestWindowMs)) return atMs;
    return receivedAtMs + atMs - serverMs;
  };
  const later = (waitMs: number | undefined) => (waitMs === undefined ? undefined : receivedAtMs + waitMs);
  const candidates = [
    ...absoluteFields(parts).map(ours),
    ours(latest(provider.atMs, retryAfter.atMs)),
    later(bodyWaitMs(parts, prose.waitMs)),
    later(retryAfter.waitMs),
    later(provider.waitMs),
    ours(prose.atMs),
    later(prose.waitMs),
  ];
  const isPlausible = (atMs: number | undefined): atMs is number =>
    isPlausibleReset(atMs, receivedAtMs, longestWindowMs);
  const found = candidates.find(isPlausible);
  const windows = provider.allAtMs ?? [];
  const isOneOfThem = windows.some((atMs) => Math.abs(atMs - (found ?? Number.NaN)) <= SAME_MS);
  return isOneOfThem ? latest(...windows.filter(isPlausible)) : found;
}

/** The wait that body or prose state, plausible or not; tells a throttle from a spent plan. */
export function statedWaitMs(evidence: Evidence): number | undefined {
  const { waitMs, atMs } = evidence.stated;
  const body = bodyWaitMs(partsOf(evidence.chain), waitMs);
  return body ?? waitMs ?? (atMs === undefined ? undefined : atMs - evidence.receivedAtMs);
}

function partsOf(chain: readonly JsonObject[]): readonly JsonObject[] {
  const parts = [...chain].reverse().flatMap((object) => {
    const details = asList(object.details).slice(0, 16).map(asObject);
    return [object, object.metadata, ...details, ...details.map((detail) => detail?.metadata)];
  });
  return parts.map(asObject).filter((part) => part !== undefined);
}

function absoluteFields(parts: readonly JsonObject[]): readonly number[] {
  return parts.flatMap((part) => ABSOLUTE_FIELDS.map((field) => instantMs(part[field]) ?? Number.NaN));
}

function bodyWaitMs(parts: readonly JsonObject[], proseMs: number | undefined): number | undefined {
  for (const part of parts) {
    for (const field of MS_FIELDS) {
      const ms = asNumber(part[field]);
      if (ms !== undefined && ms > 0) return ms;
    }
    for (const field of SECONDS_FIELDS) {
      const ms = waitMsOf(part[field]);
      if (ms === undefined || ms <= 0) continue;
      // "36s" beside "retry in 36.43s": the field was cut, so the next full second is meant.
      const isCut = proseMs !== undefined && proseMs > ms && proseMs < ms + 1_000;
      return isCut ? Math.ceil(proseMs / 1_000) * 1_000 : ms;
    }
  }
  return undefined;
}

function waitMsOf(value: Json | undefined): number | undefined {
  const seconds = asNumber(value);
  if (seconds !== undefined) return seconds < 1e9 ? seconds * 1_000 : undefined;
  return typeof value === "string" ? durationMs(value) : undefined;
}

/** An instant in epoch seconds or milliseconds (number or text) or RFC 3339; a bare timestamp is UTC. */
export function instantMs(value: Json | undefined): number | undefined {
  const number = asNumber(value);
  if (number !== undefined) return number < 1e9 ? undefined : number < 1e11 ? number * 1_000 : number;
  if (typeof value !== "string" || value.length > 40 || !/^\d{4}-\d\d-\d\d/.test(value)) return undefined;
  const hasZone = value.length === 10 || /(?:[zZ]|[+-]\d\d:?\d\d)$/.test(value);
  const ms = Date.parse(hasZone ? value : `${value.replace(" ", "T")}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** An HTTP date (RFC 9110 section 5.6.7) in milliseconds; undefined if it is none. */
function httpDateMs(value: string | undefined): number | undefined {
  if (value === undefined || value.length > 40 || !/^[A-Za-z]{3,9},? /.test(value)) return undefined;
  const ms = Date.parse(/(?:GMT|UTC)$/.test(value) ? value : `${value} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}

/**
 * `Retry-After` (seconds or a date, RFC 9110 section 10.2.3) and `Retry-After-Ms`. Milliseconds win
 * over seconds, unless the two differ absurdly: then the shorter one is meant.
 */
function readRetryAfter(headers: Readonly<Record<string, string>>): HeaderResets {
  const text = headers["retry-after"]?.trim() ?? "";
  const seconds = asNumber(text);
  const fromSeconds = positive(seconds === undefined ? durationMs(text) : Math.ceil(seconds) * 1_000);
  const fromMs = positive(asNumber(headers["retry-after-ms"]));
  const atMs = seconds === undefined ? httpDateMs(text) : undefined;
  const waitMs = pickWait(fromMs, fromSeconds);
  return { ...(atMs === undefined ? {} : { atMs }), ...(waitMs === undefined ? {} : { waitMs }) };
}

function pickWait(ms: number | undefined, secondsAsMs: number | undefined): number | undefined {
  if (ms === undefined || secondsAsMs === undefined) return ms ?? secondsAsMs;
  const [short, long] = ms < secondsAsMs ? [ms, secondsAsMs] : [secondsAsMs, ms];
  return long / short >= ABSURD_RATIO ? short : ms;
}

function positive(number: number | undefined): number | undefined {
  return number !== undefined && number > 0 ? number : undefined;
}

export function latest(...moments: readonly (number | undefined)[]): number | undefined {
  const known = moments.filter((moment) => moment !== undefined && Number.isFinite(moment)) as number[];
  return known.length === 0 ? undefined : Math.max(...known);
}
