import type { status as GrpcStatus, Metadata } from "@grpc/grpc-js";
import { BrokerFailure } from "../domain/failure.ts";
import { type RemoteFailure, readStatus } from "../rpc/remote.ts";
import { codeOf, reasonOf } from "../rpc/status.ts";
import type { ProfileReason, Unavailable } from "./types.ts";

/** Why the broker gave nothing, or could not be asked. Switch on `reason`, never on `code`. */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
  /** Name of the gRPC code, such as `RESOURCE_EXHAUSTED`. */
  readonly code: string;
  /** Such as `ALL_COOLING_DOWN`. Empty: unexpected, or no broker answered. */
  readonly reason: string;
  /** When a retry can help, as far as known. */
  declare readonly retryTime?: Date;
  /** The command that mends it, if one does. */
  declare readonly help?: string;
  /** Why each profile does not serve; empty where profiles are not the cause. */
  readonly profiles: readonly ProfileReason[];

  constructor(failure: Omit<RemoteFailure, "code"> & { readonly code: string }, options?: ErrorOptions) {
    super(failure.message, options);
    this.code = failure.code;
    this.reason = failure.reason;
    if (failure.retryTime !== undefined) this.retryTime = failure.retryTime;
    if (failure.help !== undefined) this.help = failure.help;
    this.profiles = failure.profiles;
  }
}

/** A failed call, from the error that grpc-js gives. */
export function callError(error: {
  readonly code: GrpcStatus;
  readonly details: string;
  readonly metadata?: Metadata;
}): BrokerError {
  return new BrokerError(readStatus(error, Date.now()));
}

/** No broker was there to say anything: the connection could not be made, broke, or was given up. */
export function connectionError(
  code: "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "CANCELLED",
  message: string,
): BrokerError {
  return new BrokerError({ code, reason: "", message, profiles: [] });
}

/** Somebody calls a client that was closed, or closes it during a call. */
export function closedError(): BrokerError {
  return connectionError("CANCELLED", "this client of the broker is closed");
}

/** This user or program may not use the endpoint, and the system or a closed connection says so. */
export function forbiddenError(message: string): BrokerError {
  const reason = "CLIENT_FORBIDDEN";
  return new BrokerError({ code: codeOf(reason), reason, message, profiles: [] });
}

/** What a watch or `next` says in place of a credential, as an error. */
export function unavailableError(unavailable: Unavailable, options?: ErrorOptions): BrokerError {
  const { help, ...rest } = unavailable;
  return new BrokerError(
    { ...rest, code: codeOf(unavailable.reason), ...(help !== "" && { help }) },
    options,
  );
}

/** A request that was refused before it was sent. Other errors come back as they are. */
export function refusedHere(error: unknown): unknown {
  if (!(error instanceof BrokerFailure)) return error;
  const reason = reasonOf(error.failure) ?? "";
  return new BrokerError({ code: codeOf(reason), reason, message: error.message, profiles: [] });
}

/**
 * True for errors that pass by themselves: a broken connection, a broker that starts or stops. A broker
 * that ends in the middle of a call shows as `CANCELLED`, unless it was this side that cancelled.
 */
export function isPassing({ code, reason }: BrokerError): boolean {
  const isBroken = reason === "" && (code === "UNAVAILABLE" || code === "CANCELLED");
  return isBroken || reason === "STARTING" || reason === "DRAINING";
}
