import type { ServerOptions } from "@grpc/grpc-js";

/** What one listener bears. */
export interface Limits {
  /** Open connections; more are closed at once. */
  readonly connections: number;
  /** Time in milliseconds within which a new connection must send its HTTP/2 preface. */
  readonly prefaceMs: number;
}

export const DEFAULT_LIMITS: Limits = { connections: 1024, prefaceMs: 10_000 };

/** Time in milliseconds within which each next part of a request, and its end, must arrive whole. */
export const REQUEST_DEADLINE_MS = 10_000;

/**
 * Options for the grpc-js server behind the listeners. Not set, because Node's own limits hold
 * (measured with 20, 22 and 24): header lists over 64 KiB or 128 fields are refused, and floods of
 * resets end the connection. No keepalive: the kernel tells of a dead local peer, and a stopped
 * process is not dead. No connection age: it would end watches that are in order, and a request
 * that hangs has its own deadline.
 */
export const serverOptions = {
  "grpc.max_receive_message_length": 256 * 1024,
  // Every watch and every waiting acquire is a stream, and all clients of a process share a connection.
  "grpc.max_concurrent_streams": 4096,
  // A connection that has done its preface and then asks nothing.
  "grpc.max_connection_idle_ms": 300_000,
} as const satisfies ServerOptions;
