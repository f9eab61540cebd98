import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { text } from "node:stream/consumers";
import { errnoOf, writeError } from "./file-error.ts";
import { StoreError } from "./store.ts";

/** `O_EXLOCK` of macOS and the BSDs: open and lock at once. */
const BSD_EXLOCK = 0x20;
/** libuv's `UV_FS_O_EXLOCK`: Windows lets nobody else open the file. */
const WINDOWS_EXLOCK = 0x10000000;
const WINDOWS = process.platform === "win32";
const OPEN = constants.O_RDWR | constants.O_CREAT;
/** Every pid is written with this many characters, so that a shorter one leaves no rest of a longer. */
const PID_WIDTH = 20;

export interface Lock {
  release(): void;
}

/**
 * Takes the lock on a file, at once or not at all. The kernel holds it for this process: it ends
 * with the process, however that ends, and stays while the process is merely stopped. Children do
 * not inherit it (Node opens files with `O_CLOEXEC`). The file stays behind unlocked; it must not be
 * removed, or two processes could lock two files of the same name.
 *
 * Rejects with `StoreError`: `locked`, with the holder's pid if the file tells, `io` if the system
 * lacks the means, else what the file system said. Works on a read-only file system too, if the file
 * is there. `meanwhile` is called once a child that takes the lock is under way.
 */
export async function acquireLock(path: string, meanwhile: () => void = () => {}): Promise<Lock> {
  const fd = await openLocked(path, meanwhile);
  writePid(fd, path);
  return { release: () => closeSync(fd) };
}

async function openLocked(path: string, meanwhile: () => void): Promise<number> {
  switch (process.platform) {
    case "win32":
      return openExclusively(path, OPEN | WINDOWS_EXLOCK, "EBUSY");
    case "darwin":
    case "freebsd":
    case "openbsd":
    case "netbsd":
      return openExclusively(path, OPEN | BSD_EXLOCK | constants.O_NONBLOCK, "EAGAIN");
    default:
      return openAndFlock(path, meanwhile);
  }
}

function openExclusively(path: string, flags: number, refusal: string): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw errnoOf(error) === refusal ? locked(path) : writeError(error, path);
  }
}

/**
 * Linux: Node cannot call flock(2), but a child can, on a descriptor that it shares with us. The lock
 * belongs to the open file, not to the child, and stays when the child has ended.
 */
async function openAndFlock(path: string, meanwhile: () => void): Promise<number> {
  const fd = openForFlock(path);
  try {
    await flock(fd, path, meanwhile);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openForFlock(path: string): number {
  try {
    return openSync(path, OPEN, 0o600);
  } catch (error) {
    if (errnoOf(error) !== "EROFS") throw writeError(error, path);
  }
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    throw writeError(error, path);
  }
}

async function flock(fd: number, path: string, meanwhile: () => void): Promise<void> {
  const child = spawn("flock", ["-n", "3"], { stdio: ["ignore", "ignore", "pipe", fd] });
  const ended = Promise.all([
    child.stderr === null ? "" : text(child.stderr),
    once(child, "exit").then(
      ([code]) => code as number | null,
      (error: unknown) => Promise.reject(noFlock(error, path)),
    ),
  ]);
  meanwhile();
  const [complaint, status] = await ended;
  if (status === 0) return;
  // util-linux and busybox both end with 1 and without a word if another holds the lock.
  if (status === 1 && complaint === "") throw locked(path);
  throw new StoreError(
    "io",
    path,
    `the file cannot be locked (flock ended with ${status}: ${complaint.trim()})`,
    "keep the state on a file system that supports locks",
  );
}

function noFlock(error: unknown, path: string): StoreError {
  return new StoreError(
    "io",
    path,
    `the program "flock", which takes the lock, cannot be run (${errnoOf(error) ?? "unknown"})`,
    "install util-linux or busybox and make sure that flock is on the PATH",
    { cause: error },
  );
}

function locked(path: string): StoreError {
  const pid = readPid(path);
  return new StoreError(
    "locked",
    path,
    `another broker${pid === undefined ? "" : ` (process ${pid})`} owns this state`,
    "use that one, or stop it first",
    pid === undefined ? {} : { pid },
  );
}

/** Best effort: the lock holds without it, and a full disk must not keep the broker from reading. */
function writePid(fd: number, path: string): void {
  const line = `${process.pid}`.padEnd(PID_WIDTH - 1).concat("\n");
  try {
    if (WINDOWS) writeFileSync(pidFile(path), line);
    else writeSync(fd, line, 0);
  } catch {}
}

/** Windows lets nobody read a locked file, so the number stands beside it there. */
function pidFile(path: string): string {
  return WINDOWS ? `${path}.pid` : path;
}

/** Undefined if the file does not tell. */
function readPid(path: string): number | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(pidFile(path), constants.O_RDONLY);
    const buffer = Buffer.alloc(PID_WIDTH);
    const pid = Number.parseInt(buffer.toString("latin1", 0, readSync(fd, buffer)), 10);
    return Number.isSafeInteger(pid) ? pid : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
