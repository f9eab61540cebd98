import { z } from "zod";
import type { Seen } from "../broker/report.ts";
import type { Request } from "../domain/candidate.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { PROFILE_KINDS, type ProfileKind } from "../domain/grant.ts";
import { OUTCOMES, type UsageWindow } from "../domain/outcome.ts";
import type { ProviderResponse } from "../provider/provider.ts";
import { RESPONSE_SOURCES } from "../provider/provider.ts";
import {
  durationMs,
  instantMs,
  name,
  nameMap,
  optional,
  profileId,
  profileIds,
  providerId,
  read,
  required,
  requiredProfileId,
} from "./fields.ts";
import type { Message } from "./schema.ts";

const MIN_VALID_FOR_MS = 60_000;
const LONGEST_BODY = 64 * 1024;
const KINDS = PROFILE_KINDS.map((kind) => kind.toUpperCase() as Uppercase<ProfileKind>);

const kind = required("PROFILE_KIND_", KINDS).transform((text) => text.toLowerCase() as ProfileKind);

const wanted = {
  provider: providerId,
  model: name,
  sessionId: name,
  pool: name,
  kinds: z.array(kind),
  minValidFor: durationMs,
  profile: profileId,
  excludeProfiles: profileIds,
};

const watchRequest = z.object(wanted);
const acquireRequest = z.object({
  ...wanted,
  maxWait: durationMs,
  suspectGeneration: z.number().int().min(0).default(0),
});

/** The request of an acquire (and of an explain), and how long to wait. */
export function readAcquire(message: Message): { readonly request: Request; readonly maxWaitMs: number } {
  const { maxWait, suspectGeneration, ...fields } = read(acquireRequest, message);
  const request = requestOf(fields);
  return {
    request: suspectGeneration === 0 ? request : { ...request, suspectGeneration },
    maxWaitMs: maxWait ?? 0,
  };
}

export function readWatch(message: Message): Request {
  return requestOf(read(watchRequest, message));
}

function requestOf({ minValidFor, ...fields }: z.output<typeof watchRequest>): Request {
  return { ...fields, minValidForMs: minValidFor ?? MIN_VALID_FOR_MS };
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

const providerResponse = z.object({
  source: optional("RESPONSE_SOURCE_", RESPONSE_SOURCES),
  httpStatus: z.number().int().min(0, "must be 0 or an HTTP status").max(999, "must be 0 or an HTTP status"),
  headers: nameMap,
  body: z.instanceof(Uint8Array),
  transportError: z.string(),
  receiveTime: instantMs,
});

const reportRequest = z.object({
  leaseId: z.string().min(1, "is required"),
  report: z.enum(["outcome", "providerResponse"], "one of outcome and provider_response is required"),
  outcome: required("OUTCOME_", OUTCOMES).exactOptional(),
  providerResponse: providerResponse.exactOptional(),
  model: name,
  retryTime: instantMs,
  responseStarted: z.boolean(),
  usageWindows: z.array(usageWindow).max(64, "must not have more than 64 entries"),
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

function responseOf(raw: z.output<typeof providerResponse>, nowMs: number): ProviderResponse {
  if (raw.httpStatus === 0 && raw.body.length === 0 && raw.transportError === "") {
    const description = "must have an http_status, a body or a transport_error";
    throw new BrokerFailure({
      kind: "field_invalid",
      violations: [{ field: "provider_response", description }],
    });
  }
  const headers: Record<string, string> = {};
  for (const [key, value] of Object.entries(raw.headers)) headers[key.toLowerCase()] = value;
  return {
    source: raw.source ?? "MODEL_API",
    httpStatus: raw.httpStatus,
    headers,
    body: new TextDecoder().decode(raw.body.subarray(0, LONGEST_BODY)),
    transportError: raw.transportError.slice(0, 256),
    receivedAtMs: raw.receiveTime ?? nowMs,
    model: "",
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
