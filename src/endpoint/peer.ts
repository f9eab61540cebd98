import type { Socket } from "node:net";
import type { SocketMode } from "./policy.ts";

/** What the system tells about the process at the other end. */
export interface Identity {
  /** Its user. Absent: not to be had here. */
  readonly uid?: number;
}

/** One accepted connection, as its calls see it. */
export interface Connection extends Identity {
  /** Name of the endpoint that accepted it. */
  readonly endpoint: string;
  /** Counts from 1 on each endpoint. */
  readonly number: number;
}

/**
 * Who is calling. Node offers no peer credentials, so this rests on the file's permissions: through
 * a private socket only our own user (or root) gets in. A shared one tells nothing, nor does Windows.
 */
export function identify(_socket: Socket, mode: SocketMode): Identity {
  const uid = mode === "private" ? process.geteuid?.() : undefined;
  return uid === undefined ? {} : { uid };
}

/** The text that `getPeer()` gives for a connection, such as `agent#12/1000`. */
export function peerText({ endpoint, number, uid }: Connection): string {
  return `${endpoint}#${number}${uid === undefined ? "" : `/${uid}`}`;
}

/**
 * Reads what `call.getPeer()` gives. Undefined if the connection came through no listener of ours
 * or is gone already; such a call must not be answered.
 */
export function connectionOf(peer: string): Connection | undefined {
  const parts = /^([^#/]+)#(\d+)(?:\/(\d+))?$/.exec(peer);
  if (parts?.[1] === undefined) return undefined;
  return {
    endpoint: parts[1],
    number: Number(parts[2]),
    ...(parts[3] === undefined ? {} : { uid: Number(parts[3]) }),
  };
}
