import type { Scope } from "../../domain/outcome.ts";
import type { Evidence } from "./evidence.ts";
import { asNumber, asObject } from "./loose-json.ts";
import { type HeaderResets, instantMs, latest } from "./reset-moment.ts";
import { both, type Dialect, either, hasCode, hasStatus, not, rule, says, type Test } from "./rule.ts";
import {
  bucketReads,
  bucketResets,
  exhausted,
  readBuckets,
  readWindowObject,
  usageWindows,
  type WindowRead,
} from "./windows.ts";

const PREFIX = "anthropic-ratelimit-";
const UNIFIED = "anthropic-ratelimit-unified-";
const PARTS = ["status", "utilization", "reset"] as const;
/** Claims and usage fields spell out what headers abbreviate. */
const SPELLED: readonly (readonly [string, string])[] = [
  ["five_hour", "5h"],
  ["seven_day", "7d"],
];

interface UnifiedWindow {
  readonly name: string;
  readonly status?: string;
  readonly utilization?: string;
  readonly reset?: string;
}

/** Plan windows by pattern: `5h`, `7d`, and families such as `7d_opus`. `overage` is no window. */
function unifiedWindows({ headers }: Evidence): readonly UnifiedWindow[] {
  const found = new Map<string, UnifiedWindow>();
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(UNIFIED)) continue;
    const rest = header.slice(UNIFIED.length);
    const part = PARTS.find((known) => rest.endsWith(`-${known}`));
    const name = part === undefined ? "" : rest.slice(0, -part.length - 1);
    if (part === undefined || name === "" || name === "overage") continue;
    found.set(name, { ...found.get(name), name, [part]: value });
  }
  return [...found.values()];
}

function shortName(spelled: string): string {
  const known = SPELLED.find(([long]) => spelled === long || spelled.startsWith(`${long}_`));
  return known === undefined ? spelled : known[1] + spelled.slice(known[0].length);
}

/** Windows that refused the request; if none says so, the one that the answer names as the cause. */
function rejected(evidence: Evidence): readonly UnifiedWindow[] {
  const windows = unifiedWindows(evidence);
  const refused = windows.filter(({ status }) => status === "rejected");
  if (refused.length > 0) return refused;
  const claim = shortName(evidence.headers[`${UNIFIED}representative-claim`] ?? "");
  return windows.filter(({ name, utilization }) => name === claim || (asNumber(utilization) ?? 0) >= 1);
}

/** The plan, not a throttle, refused the request. */
const isPlanSpent: Test = (evidence) => {
  const status = evidence.headers[`${UNIFIED}status`];
  if (status?.startsWith("allowed")) return false;
  return (
    status === "rejected" ||
    evidence.headers[`${UNIFIED}representative-claim`] !== undefined ||
    unifiedWindows(evidence).some((window) => window.status === "rejected")
  );
};

function isOfFamily(name: string): boolean {
  return name.includes("_");
}

/** A family's window (`7d_opus`) leaves the other models usable. */
function planScope(evidence: Evidence): Scope {
  const refused = rejected(evidence);
  return refused.length > 0 && refused.every(({ name }) => isOfFamily(name)) ? "PROFILE_MODEL" : "PROFILE";
}

const buckets = (evidence: Evidence) =>
  readBuckets(evidence, (header) => {
    if (!header.startsWith(PREFIX) || header.startsWith(UNIFIED)) return undefined;
    const part = ["limit", "remaining", "reset"].find((known) => header.endsWith(`-${known}`));
    return part === undefined ? undefined : { bucket: header.slice(PREFIX.length, -part.length - 1), part };
  });

function headerResets(evidence: Evidence): HeaderResets {
  const plan = latest(...rejected(evidence).map(({ reset }) => instantMs(reset)));
  const atMs = plan ?? instantMs(evidence.headers[`${UNIFIED}reset`]);
  if (atMs !== undefined) return isPlanSpent(evidence) ? { atMs } : {};
  return bucketResets(buckets(evidence), evidence.receivedAtMs);
}

function minutesOf(name: string): number | undefined {
  const [, count, unit] = /^(\d{1,3})([hd])(?:_|$)/.exec(name) ?? [];
  return count === undefined ? undefined : Number(count) * (unit === "h" ? 60 : 1_440);
}

function windowReads(evidence: Evidence): readonly WindowRead[] {
  const plan = unifiedWindows(evidence).map(({ name, utilization, reset }) => {
    const share = asNumber(utilization);
    return {
      name,
      usedPercent: share === undefined ? undefined : share * 100,
      windowMinutes: minutesOf(name),
      resetAtMs: instantMs(reset),
      isPartial: isOfFamily(name),
    };
  });
  return [...plan, ...bucketReads(buckets(evidence)), ...usageBody(evidence)];
}

/** `GET /api/oauth/usage`: `{five_hour: {utilization: 42, resets_at}, seven_day_opus: …}`, in percent. */
function usageBody({ source, root, receivedAtMs }: Evidence): readonly WindowRead[] {
  if (source !== "USAGE_API") return [];
  return Object.entries(asObject(root) ?? {}).flatMap(([key, value]) => {
    const name = shortName(key);
    const read = name === key ? undefined : readWindowObject(name, value, receivedAtMs);
    const usedPercent = asNumber(asObject(value)?.utilization);
    if (read === undefined) return [];
    return [{ ...read, usedPercent, windowMinutes: minutesOf(name), isPartial: isOfFamily(name) }];
  });
}

const isThrottle = either(hasStatus(429), hasCode("rate_limit_error"));

/** Claude: subscription windows in `unified` headers, API limits per bucket. */
export const anthropic: Dialect = {
  name: "anthropic",
  rules: [
    {
      name: "plan_window_rejected",
      when: both(isThrottle, isPlanSpent),
      verdict: (evidence) => ({ outcome: "USAGE_LIMIT", scope: planScope(evidence) }),
    },
    rule(
      "throttled_by_server",
      both(isThrottle, ({ text }) => text.startsWith("rate limited") || text.includes("· rate limited")),
      "RATE_LIMIT",
      "PROVIDER",
    ),
    rule(
      "limit_of_family",
      says("opus limit", "sonnet limit", "opus weekly limit", "sonnet weekly limit"),
      "USAGE_LIMIT",
      "PROFILE_MODEL",
    ),
    rule("extra_usage_only", says("now draw from your extra usage"), "BILLING", "PROFILE"),
    rule("no_such_place", both(hasCode("not_found_error"), not(says("model"))), "SERVER_ERROR", "PROVIDER"),
  ],
  throttleScope: (evidence) => {
    const spent = exhausted(buckets(evidence)).filter(({ remaining }) => remaining !== undefined);
    const isOfModel =
      spent.some(({ name }) => name.includes("tokens")) || evidence.text.includes("tokens per minute");
    return isOfModel ? "PROFILE_MODEL" : "PROFILE";
  },
  windows: (evidence) => usageWindows(windowReads(evidence), evidence),
  headerResets,
};
