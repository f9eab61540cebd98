import { lstatSync } from "node:fs";
import type { Socket } from "node:net";
import {
  type PeerCredentials,
  peerCredentials,
  peerCredentialsAtHand,
  whilePeerLives,
} from "../system/peer-credentials.ts";
import { type ProcessFacts, processFacts } from "../system/process-facts.ts";
import type { Party } from "./fair-turns.ts";
import type { SocketMode } from "./policy.ts";

/** What the system tells about the process at the other end. What is absent is not to be had here. */
export interface Identity {
  /** Its user. */
  readonly uid?: number;
  readonly gid?: number;
  readonly pid?: number;
  /** The program as it was when it connected. */
  readonly program?: ProcessFacts;
}

/** One accepted connection, as its calls see it. */
export interface Connection extends Identity {
  /** Name of the endpoint that accepted it. */
  readonly endpoint: string;
  /** Counts from 1 on each endpoint. */
  readonly number: number;
}

/** The socket that a connection came through. */
export interface Gate {
  readonly mode: SocketMode;
  /** Its file. Absent on Windows. */
  readonly path?: string;
  /** The policy names programs, so that a user id is not enough. */
  readonly needsProgram: boolean;
}

/**
 * Who is calling: asked of the kernel. Through a socket that only our own user may open nothing else is needed, so there
 * the native calls are used once they are loaded, and not waited for: then the file's permissions, looked at again,
 * say that it is our own user (or root).
 */
export function identify(socket: Socket, gate: Gate): Identity {
  const fd = descriptorOf(socket);
  const isClosed = gate.mode === "private" && isClosedToOthers(gate.path);
  const found = fd === undefined ? undefined : credentials(fd, isClosed && !gate.needsProgram);
  if (found === undefined || fd === undefined) return isClosed ? ownIdentity() : {};
  const { pid } = found;
  const program = pid === undefined ? undefined : whilePeerLives(fd, pid, () => processFacts(pid));
  return { ...found, ...(program === undefined ? {} : { program }) };
}

function credentials(fd: number, isOptional: boolean): PeerCredentials | undefined {
  return isOptional ? peerCredentialsAtHand(fd) : peerCredentials(fd);
}

/** Node hides it; without it there is no identity, which is told like any other want of one. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as { _handle?: { readonly fd?: number } };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

/** Whether still nobody but the socket's user may connect. */
function isClosedToOthers(path: string | undefined): boolean {
  if (path === undefined) return true;
  try {
    const { mode, uid } = lstatSync(path);
    return (mode & 0o077) === 0 && uid === process.geteuid?.();
  } catch {
    return false;
  }
}

function ownIdentity(): Identity {
  const uid = process.geteuid?.();
  return uid === undefined ? {} : { uid };
}

/** Connections by their serial numbers; those that are over as long as a call of theirs may be. */
const open = new Map<number, Connection>();
const over: number[] = [];
/** Ended connections that are still known. */
const MOST_OVER = 1_024;
let serial = 0;

/**
 * Makes a connection known, and gives the text that `getPeer()` must give for it, such as `agent#12/57`: short, since
 * every call reads it, several times.
 */
export function introduce(connection: Connection): string {
  serial += 1;
  open.set(serial, connection);
  return `${connection.endpoint}#${connection.number}/${serial}`;
}

/** The connection has ended. Its last calls may still ask who they are from. */
export function forget(peer: string): void {
  over.push(serialOf(peer));
  if (over.length > MOST_OVER) open.delete(over.shift() ?? 0);
}

/**
 * Reads what `call.getPeer()` gives. Undefined if the connection came through no listener of ours
 * or is long gone; such a call must not be answered.
 */
export function connectionOf(peer: string): Connection | undefined {
  return open.get(serialOf(peer));
}

/** Whose turn a call is: its process, as far as the system tells (0: one that it may not name); else its connection. */
export function partyOf(peer: string): Party {
  return connectionOf(peer)?.pid || peer;
}

function serialOf(peer: string): number {
  return Number(/^[^#/]+#\d+\/(\d+)$/.exec(peer)?.[1]);
}
