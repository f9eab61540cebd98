import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { isNativeLoaded, type Native, native } from "./native.ts";

/** The process that opened the other end of a connection, as the kernel knows it. */
export interface PeerCredentials {
  readonly uid: number;
  readonly gid: number;
  /** Absent where the system does not tell: in another process namespace, or on an old macOS. */
  readonly pid?: number;
}

const [SOL_SOCKET, SO_PEERCRED, SO_PEERPIDFD] = [1, 17, 77];
/** macOS, `sys/un.h`. */
const [SOL_LOCAL, LOCAL_PEERCRED, LOCAL_PEERPID] = [0, 1, 2];
/** `struct xucred` of macOS: version, uid, number of groups (16 bits and 16 of padding), 16 groups. */
const XUCRED_BYTES = 76;

const isLittle = endianness() === "LE";
const int = (bytes: Buffer, at: number): number => (isLittle ? bytes.readInt32LE(at) : bytes.readInt32BE(at));
const unsigned = (bytes: Buffer, at: number): number => int(bytes, at) >>> 0;

/**
 * Who is at the other end of a connected unix socket. Undefined where the system does not say or the native calls are
 * not to be had. Linux: run; macOS: written after its headers and not run.
 */
export function peerCredentials(fd: number): PeerCredentials | undefined {
  const calls = native();
  if (calls === undefined) return undefined;
  if (process.platform === "linux") return onLinux(calls, fd);
  return process.platform === "darwin" ? onMacos(calls, fd) : undefined;
}

/** As `peerCredentials`, and nothing where that would have to load the native calls first. */
export function peerCredentialsAtHand(fd: number): PeerCredentials | undefined {
  return isNativeLoaded() ? peerCredentials(fd) : undefined;
}

function option(calls: Native, fd: number, level: number, name: number, size: number): Buffer | undefined {
  const value = Buffer.alloc(size);
  const length = Buffer.alloc(4);
  if (isLittle) length.writeInt32LE(size);
  else length.writeInt32BE(size);
  return calls.getsockopt(fd, level, name, value, length) === 0 ? value : undefined;
}

function onLinux(calls: Native, fd: number): PeerCredentials | undefined {
  // struct ucred: pid, uid, gid.
  const found = option(calls, fd, SOL_SOCKET, SO_PEERCRED, 12);
  if (found === undefined) return undefined;
  const pid = int(found, 0);
  const who = { uid: unsigned(found, 4), gid: unsigned(found, 8) };
  return pid > 0 ? { ...who, pid } : who;
}

function onMacos(calls: Native, fd: number): PeerCredentials | undefined {
  const found = option(calls, fd, SOL_LOCAL, LOCAL_PEERCRED, XUCRED_BYTES);
  if (found === undefined) return undefined;
  const who = { uid: unsigned(found, 4), gid: unsigned(found, 12) };
  const pid = option(calls, fd, SOL_LOCAL, LOCAL_PEERPID, 4);
  return pid === undefined ? who : { ...who, pid: int(pid, 0) };
}

/** The kernel has given a handle of a peer. */
let hasHandles = false;

/**
 * Runs `look` at the process of that number and gives what it found only if that was the peer for all the time: the
 * peer's own handle (Linux 6.5 and later) tells whether its process is gone, so that its number may be another's.
 * On older kernels, which gave no such handle yet, `look` is believed; others give none for a peer that is gone.
 */
export function whilePeerLives<T>(fd: number, pid: number, look: () => T): T | undefined {
  const calls = native();
  const handle = calls && option(calls, fd, SOL_SOCKET, SO_PEERPIDFD, 4);
  if (calls === undefined) return look();
  if (handle === undefined) return hasHandles ? undefined : look();
  hasHandles = true;
  const pidfd = int(handle, 0);
  try {
    const found = look();
    const info = readFileSync(`/proc/self/fdinfo/${pidfd}`, "latin1");
    return Number(/^Pid:\t(-?\d+)$/m.exec(info)?.[1]) === pid ? found : undefined;
  } catch {
    return undefined;
  } finally {
    calls.close(pidfd);
  }
}
