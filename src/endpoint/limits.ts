import type { ServerOptions } from "@grpc/grpc-js";
import type { UnreadLimits } from "./open-streams.ts";

/** What one listener bears. */
export interface Limits {
  /** Open connections; for one more the oldest without a call goes, or the new one if there is none such. */
  readonly connections: number;
  /** Time in milliseconds within which a new connection must send its HTTP/2 preface. */
  readonly prefaceMs: number;
}

export const DEFAULT_LIMITS: Limits = { connections: 1024, prefaceMs: 10_000 };

/** Time in milliseconds within which each next part of a request, and its end, must arrive whole. */
export const REQUEST_DEADLINE_MS = 10_000;

/**
 * What honest peers have asked for leaves within milliseconds. The bytes are for a crowd that is answered in
 * one moment, such as all that waited for a refresh: 256 MiB are 18,000 usual answers.
 */
export const UNREAD_LIMITS: UnreadLimits = { afterMs: 10_000, bytes: 256 * 1024 * 1024 };

/**
 * Options for the grpc-js server behind the listeners. Not set, because Node's own limits hold (measured with 20, 22
 * and 24): header lists over 64 KiB or 128 fields are refused. No keepalive: the kernel tells of a dead local peer, and
 * a stopped process is not dead. No connection age: it would end watches that are in order, and a request that hangs
 * has its own deadline.
 */
export const serverOptions = {
  "grpc.max_receive_message_length": 256 * 1024,
  // Every watch and every waiting acquire is a stream, and all clients of a process share a connection: a
  // thousand of each in one process must not wait for each other. More calls wait in the client.
  "grpc.max_concurrent_streams": 2048,
  // A connection that has done its preface and then asks nothing.
  "grpc.max_connection_idle_ms": 300_000,
  // Statistics of calls that nobody could ask for, since the service that tells them is not served.
  "grpc.enable_channelz": 0,
} as const satisfies ServerOptions;
