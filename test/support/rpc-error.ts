import { type ServiceError, status } from "@grpc/grpc-js";
import { toJson } from "../../src/rpc/json.ts";
import { decode, type Message, messageType } from "../../src/rpc/schema.ts";
import type { UnavailableJson } from "./wire-json.ts";

/** A failed call with its details, decoded with the schema alone. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: string;
  readonly reason: string;
  readonly domain: string;
  /** Of RetryInfo, in milliseconds. */
  readonly retryDelayMs: number | undefined;
  readonly unavailable: UnavailableJson | undefined;
  /** Names of the fields in BadRequest. */
  readonly fields: readonly string[];
  /** Bytes of all details as they travel. */
  readonly detailBytes: number;

  constructor(error: ServiceError) {
    super(error.details, { cause: error });
    this.code = status[error.code] ?? "";
    const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
    this.detailBytes = Buffer.isBuffer(bytes) ? bytes.length : 0;
    const details = Buffer.isBuffer(bytes) ? unpack(bytes) : new Map<string, Message>();
    const info = details.get("google.rpc.ErrorInfo");
    this.reason = String(info?.reason ?? "");
    this.domain = String(info?.domain ?? "");
    const delay = details.get("google.rpc.RetryInfo")?.retryDelay as {
      seconds: number;
      nanos: number;
    } | null;
    this.retryDelayMs = delay ? delay.seconds * 1000 + delay.nanos / 1e6 : undefined;
    const unavailable = details.get("authbroker.v1.Unavailable");
    this.unavailable = unavailable && (toJson("authbroker.v1.Unavailable", unavailable) as never);
    const violations = (details.get("google.rpc.BadRequest")?.fieldViolations ?? []) as { field: string }[];
    this.fields = violations.map(({ field }) => field);
  }

  /** Why one profile does not serve. */
  why(profile: string): string | undefined {
    return this.unavailable?.profiles.find((p) => p.profile === profile)?.reason;
  }
}

function unpack(bytes: Buffer): Map<string, Message> {
  const packed = decode(messageType("google.rpc.Status"), bytes).details as {
    type_url: string;
    value: Uint8Array;
  }[];
  return new Map(
    packed.map(({ type_url, value }) => {
      const name = type_url.slice(type_url.lastIndexOf("/") + 1);
      return [name, decode(messageType(name), value)];
    }),
  );
}
