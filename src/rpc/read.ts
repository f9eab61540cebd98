import { z } from "zod";
import type { Seen } from "../broker/report.ts";
import { canonicalProvider } from "../domain/alias.ts";
import type { Request } from "../domain/candidate.ts";
import { BrokerFailure, type FieldViolation } from "../domain/failure.ts";
import { PROFILE_KINDS, type ProfileKind } from "../domain/grant.ts";
import { OUTCOMES, type UsageWindow } from "../domain/outcome.ts";
import {
  durationProblem,
  instantMs,
  name,
  nameProblem,
  profileProblem,
  providerId,
  providerProblem,
  read,
  required,
  requiredProfileId,
} from "./fields.ts";
import { msOf, type Seconds } from "./instants.ts";
import { providerResponse, responseOf } from "./provider-response.ts";
import type { Message } from "./schema.ts";

const MIN_VALID_FOR_MS = 60_000;
const MOST_EXCLUDED = 256;
/** There are no more kinds than these; a request with thousands must not cost more than its reading. */
const MOST_KINDS = 16;
const MOST_WINDOWS = 64;
/** The lease carries them, so that they cost every answer and report; 256 ids of usual length need a third. */
const EXCLUDED_BYTES = 16 * 1024;
const KINDS: ReadonlyMap<unknown, ProfileKind> = new Map(
  PROFILE_KINDS.map((kind) => [`PROFILE_KIND_${kind.toUpperCase()}`, kind]),
);

/** The request of an acquire (and of an explain), and how long to wait. */
export function readAcquire(message: Message): { readonly request: Request; readonly maxWaitMs: number } {
  const violations: FieldViolation[] = [];
  const request = readRequest(message, violations);
  const maxWaitMs = readDuration(message.maxWait, "max_wait", 0, violations);
  const suspected = Number(message.suspectGeneration ?? 0);
  if (suspected < 0) violations.push({ field: "suspect_generation", description: "must not be negative" });
  if (violations.length > 0) throw new BrokerFailure({ kind: "field_invalid", violations });
  return { request: suspected === 0 ? request : { ...request, suspectGeneration: suspected }, maxWaitMs };
}

export function readWatch(message: Message): Request {
  const violations: FieldViolation[] = [];
  const request = readRequest(message, violations);
  if (violations.length > 0) throw new BrokerFailure({ kind: "field_invalid", violations });
  return request;
}

/** By hand, because every acquire comes through here and zod would take a tenth of its time (measured). */
function readRequest(message: Message, violations: FieldViolation[]): Request {
  const text = (key: string, field: string, problem: (text: string) => string | undefined): string => {
    const value = message[key] as string;
    const description = problem(value);
    if (description !== undefined) violations.push({ field, description });
    return value;
  };
  return {
    provider: canonicalProvider(text("provider", "provider", providerProblem)),
    model: text("model", "model", nameProblem),
    sessionId: text("sessionId", "session_id", nameProblem),
    pool: text("pool", "pool", nameProblem),
    kinds: readKinds(message.kinds as readonly unknown[], violations),
    minValidForMs: readDuration(message.minValidFor, "min_valid_for", MIN_VALID_FOR_MS, violations),
    profile: text("profile", "profile", profileProblem),
    excludeProfiles: readExcluded(message.excludeProfiles as readonly string[], violations),
  };
}

function readDuration(value: unknown, field: string, unsetMs: number, violations: FieldViolation[]): number {
  if (value === null || value === undefined) return unsetMs;
  const ms = msOf(value as Seconds);
  const description = durationProblem(ms);
  if (description !== undefined) violations.push({ field, description });
  return ms;
}

function readKinds(values: readonly unknown[], violations: FieldViolation[]): readonly ProfileKind[] {
  if (values.length > MOST_KINDS) {
    violations.push({ field: "kinds", description: `must not have more than ${MOST_KINDS} entries` });
    return [];
  }
  return values.map((value, i) => {
    const kind = KINDS.get(value);
    if (kind !== undefined) return kind;
    const description = `must be one of ${PROFILE_KINDS.map((k) => k.toUpperCase()).join(", ")}`;
    violations.push({ field: `kinds[${i}]`, description });
    return "oauth";
  });
}

function readExcluded(ids: readonly string[], violations: FieldViolation[]): readonly string[] {
  if (ids.length > MOST_EXCLUDED) {
    const description = `must not have more than ${MOST_EXCLUDED} entries`;
    violations.push({ field: "exclude_profiles", description });
    return [];
  }
  if (ids.length > 0 && Buffer.byteLength(ids.join("")) > EXCLUDED_BYTES) {
    const description = `must not have more than ${EXCLUDED_BYTES} bytes in all`;
    violations.push({ field: "exclude_profiles", description });
    return [];
  }
  ids.forEach((id, i) => {
    const description = id === "" ? "must not be empty" : profileProblem(id);
    if (description !== undefined) violations.push({ field: `exclude_profiles[${i}]`, description });
  });
  return ids;
}

const usageWindow = z
  .object({
    name: name.min(1, "is required"),
    windowMinutes: z.number().int().min(0).exactOptional(),
    usedPercent: z.number().min(0).max(1_000_000).exactOptional(),
    resetTime: instantMs,
    observeTime: instantMs,
  })
  .transform(({ resetTime, observeTime, ...rest }) => ({ ...rest, resetTime, observeTime }));

const reportRequest = z.object({
  leaseId: z.string().min(1, "is required"),
  report: z.enum(["outcome", "providerResponse"], "one of outcome and provider_response is required"),
  outcome: required("OUTCOME_", OUTCOMES).exactOptional(),
  providerResponse: providerResponse.exactOptional(),
  model: name,
  retryTime: instantMs,
  responseStarted: z.boolean(),
  // Looked at before each of them is: a list may have hundreds of thousands.
  usageWindows: z
    .custom<unknown[]>((list) => Array.isArray(list) && list.length <= MOST_WINDOWS, {
      message: `must not have more than ${MOST_WINDOWS} entries`,
      abort: true,
    })
    .pipe(z.array(usageWindow)),
  acquireNext: z.boolean(),
});

/** `nowMs`: wall clock, for what has no moment of its own. */
export function readReport(message: Message, nowMs: number): Seen {
  const {
    report: _report,
    retryTime,
    usageWindows,
    providerResponse: raw,
    outcome,
    ...rest
  } = read(reportRequest, message);
  return {
    ...rest,
    ...(outcome === undefined ? {} : { outcome }),
    ...(raw === undefined ? {} : { response: responseOf(raw, nowMs) }),
    ...(retryTime === undefined ? {} : { retryAtMs: retryTime }),
    usageWindows: usageWindows.map((w) => windowOf(w, nowMs)),
  };
}

function windowOf(w: z.output<typeof usageWindow>, nowMs: number): UsageWindow {
  const { resetTime, observeTime, ...rest } = w;
  return {
    ...rest,
    ...(resetTime === undefined ? {} : { resetAtMs: resetTime }),
    observedAtMs: observeTime ?? nowMs,
  };
}

export function readLeaseId(message: Message): string {
  return read(z.object({ leaseId: z.string().min(1, "is required") }), message).leaseId;
}

export function readProfileId(message: Message): string {
  return read(z.object({ profile: requiredProfileId }), message).profile;
}

export function readProvider(message: Message): string {
  return read(z.object({ provider: providerId }), message).provider;
}

/** A provider that may be left empty: all. */
export function readAnyProvider(message: Message): string {
  return read(z.object({ provider: z.union([z.literal(""), providerId]) }), message).provider;
}
