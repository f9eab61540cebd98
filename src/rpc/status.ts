import { Metadata, status } from "@grpc/grpc-js";
import { describe, type Failure, type Unavailability, type UnavailableReason } from "../domain/failure.ts";
import { durationOf, timestampOf } from "./instants.ts";
import { encode, type Message, messageType } from "./schema.ts";

/** Names of gRPC status codes. */
export type CodeName = keyof typeof status;

/** Every `ErrorInfo.reason` that the broker gives. `internal` has none. */
export type Reason = UnavailableReason | Uppercase<Exclude<Failure["kind"], "unavailable" | "internal">>;

const CODES: Readonly<Record<Reason, CodeName>> = {
  FIELD_INVALID: "INVALID_ARGUMENT",
  PROVIDER_UNKNOWN: "NOT_FOUND",
  PROFILE_UNKNOWN: "NOT_FOUND",
  LEASE_UNKNOWN: "NOT_FOUND",
  NO_PROFILE: "NOT_FOUND",
  ALL_COOLING_DOWN: "RESOURCE_EXHAUSTED",
  UPSTREAM_UNAVAILABLE: "UNAVAILABLE",
  LOGIN_REQUIRED: "FAILED_PRECONDITION",
  REFRESH_IN_DOUBT: "FAILED_PRECONDITION",
  PROFILE_BLOCKED: "FAILED_PRECONDITION",
  VALIDITY_UNREACHABLE: "FAILED_PRECONDITION",
  METERED_NOT_ALLOWED: "FAILED_PRECONDITION",
  OLDER_GRANT: "FAILED_PRECONDITION",
  ACCOUNT_CHANGED: "FAILED_PRECONDITION",
  IDENTITY_EXISTS: "ALREADY_EXISTS",
  LOGIN_UNKNOWN: "NOT_FOUND",
  LOGIN_IMPOSSIBLE: "FAILED_PRECONDITION",
  API_KEY_WANTED: "FAILED_PRECONDITION",
  RETURN_IMPOSSIBLE: "FAILED_PRECONDITION",
  STARTING: "UNAVAILABLE",
  DRAINING: "UNAVAILABLE",
  STORE_UNAVAILABLE: "UNAVAILABLE",
  STORE_CORRUPT: "DATA_LOSS",
  PEER_UNVERIFIED: "UNAUTHENTICATED",
  CLIENT_FORBIDDEN: "PERMISSION_DENIED",
  ENDPOINT_LIMIT: "RESOURCE_EXHAUSTED",
};

/** Domain of every `ErrorInfo` of a broker. */
export const ERROR_DOMAIN = "auth-broker";
/** Metadata key under which gRPC carries a `google.rpc.Status`. */
export const DETAILS_KEY = "grpc-status-details-bin";
/** What stands before a type's name in a `google.protobuf.Any`. */
export const TYPE_URL = "type.googleapis.com/";
/** A broker that starts or stops is back after about this long. */
const RESTART_MS = 1_000;
const MOST_PROFILES = 16;
const MOST_VIOLATIONS = 8;
const LONGEST_MESSAGE = 500;
const LONGEST_PART = 120;
/** Bytes of all details. They travel as base64 and stay under 4 KiB in that form too. */
const BUDGET = 3_000;

/** What grpc-js takes as the end of a call. */
export interface StatusReply {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** The gRPC code that goes with a reason; `UNKNOWN` for a reason of a newer broker. */
export function codeOf(reason: string): CodeName {
  return Object.hasOwn(CODES, reason) ? CODES[reason as Reason] : "UNKNOWN";
}

/** The reason that a failure has on the wire. */
export function reasonOf(failure: Failure): Reason | undefined {
  if (failure.kind === "internal") return undefined;
  if (failure.kind === "unavailable") return failure.unavailability.reason;
  return failure.kind.toUpperCase() as Uppercase<typeof failure.kind>;
}

/** The one way from a failure to a gRPC status with its details. `nowMs` is the wall clock. */
export function statusOf(failure: Failure, nowMs: number): StatusReply {
  const reason = reasonOf(failure);
  const details = cut(describe(failure), LONGEST_MESSAGE);
  const metadata = new Metadata();
  if (reason === undefined) return { code: status.INTERNAL, details, metadata };
  const code = status[CODES[reason]];
  metadata.set(DETAILS_KEY, pack(code, details, reason, failure, nowMs));
  return { code, details, metadata };
}

/** `authbroker.v1.Unavailable` as a message. */
export function writeUnavailable(unavailability: Unavailability): Message {
  const { reason, message, retryAtMs, help = "", profiles } = unavailability;
  return {
    reason,
    message,
    help,
    ...(retryAtMs !== undefined && { retryTime: timestampOf(retryAtMs) }),
    profiles: profiles.map(({ profile, reason, untilMs }) => ({
      profile,
      reason,
      ...(untilMs !== undefined && { untilTime: timestampOf(untilMs) }),
    })),
  };
}

function pack(code: status, message: string, reason: Reason, failure: Failure, nowMs: number): Buffer {
  const fixed = [any("google.rpc.ErrorInfo", { reason, domain: ERROR_DOMAIN }), ...causeOf(failure, nowMs)];
  if (failure.kind !== "unavailable") return encodeStatus(code, message, fixed);
  for (let most = MOST_PROFILES; ; most -= 1) {
    const unavailable = any("authbroker.v1.Unavailable", shorten(failure.unavailability, most));
    const bytes = encodeStatus(code, message, [...fixed, unavailable]);
    if (bytes.length <= BUDGET || most === 0) return bytes;
  }
}

function encodeStatus(code: status, message: string, details: readonly Message[]): Buffer {
  return encode(messageType("google.rpc.Status"), { code, message, details });
}

function any(typeName: string, message: Message): Message {
  return { type_url: `${TYPE_URL}${typeName}`, value: encode(messageType(typeName), message) };
}

/** Details beside ErrorInfo and Unavailable. */
function causeOf(failure: Failure, nowMs: number): readonly Message[] {
  if (failure.kind === "field_invalid") {
    const fieldViolations = failure.violations.slice(0, MOST_VIOLATIONS).map(({ field, description }) => ({
      field: cut(field, LONGEST_PART),
      description: cut(description, LONGEST_PART),
    }));
    return [any("google.rpc.BadRequest", { fieldViolations })];
  }
  const retryAtMs = retryOf(failure, nowMs);
  if (retryAtMs === undefined) return [];
  return [any("google.rpc.RetryInfo", { retryDelay: durationOf(Math.max(0, retryAtMs - nowMs)) })];
}

function retryOf(failure: Failure, nowMs: number): number | undefined {
  if (failure.kind === "unavailable") return failure.unavailability.retryAtMs;
  if (failure.kind === "endpoint_limit") return failure.retryAtMs;
  if (failure.kind === "starting" || failure.kind === "draining") return nowMs + RESTART_MS;
  return undefined;
}

function shorten(unavailability: Unavailability, most: number): Message {
  return writeUnavailable({
    ...unavailability,
    message: cut(unavailability.message, LONGEST_MESSAGE),
    ...(unavailability.help !== undefined && { help: cut(unavailability.help, LONGEST_MESSAGE) }),
    profiles: unavailability.profiles.slice(0, most),
  });
}

/** At most so many bytes of a text, whole characters only; a header cannot carry half of one. */
function cut(text: string, most: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return bytes.toString();
  return `${bytes
    .subarray(0, most)
    .toString()
    .replace(/\uFFFD+$/, "")}…`;
}
