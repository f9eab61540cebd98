import { randomBytes } from "node:crypto";
import { closeSync, constants, fchmodSync, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errnoOf, readError, writeError } from "./file-error.ts";
import { syncDirectory } from "./private-directory.ts";
import { StoreError } from "./store.ts";

const WINDOWS = process.platform === "win32";
const PRIVATE_FILE = 0o600;
const OTHERS = 0o077;
const SPARE = ".spare";
/** Absent on Windows, where a file name cannot be a pipe that blocks its opener. */
const OPEN_TO_READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Replaces the content of a file so that, whatever happens on the way, the old or the new content is
 * there as a whole. Resolves when the new content will survive a power cut. Content goes into the
 * file's spare, if `reserve` made one, and uses it up, unless `keepSpare` says that it is for later.
 *
 * Rejects with `StoreError`. The file then still has its old content, but for one case: if only the
 * last step failed (making the rename durable), the new content may be there already.
 */
export async function writeDurable(
  path: string,
  bytes: Uint8Array,
  options: { readonly keepSpare?: boolean } = {},
): Promise<void> {
  try {
    if (options.keepSpare !== true && (await writeIntoSpare(path, bytes))) return;
    await writeAnew(path, bytes);
  } catch (error) {
    throw writeError(error, path);
  }
}

/**
 * Sets space aside: the next `writeDurable` of up to `size` bytes to this path needs no new space on
 * the disk. Holds on file systems that overwrite in place (tried on ext4 and tmpfs), not on those that
 * copy on write, such as btrfs and zfs. Rejects with `StoreError`; what was set aside before stays.
 */
export async function reserve(path: string, size: number): Promise<void> {
  const spare = path + SPARE;
  try {
    const file = await open(spare, "a", PRIVATE_FILE);
    try {
      await grow(file, size);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw writeError(error, spare);
  }
}

/** Removes a file and its spare, durably. No error if they are not there. Rejects with `StoreError`. */
export async function removeDurable(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await rm(path + SPARE, { force: true });
    await syncDirectory(dirname(path));
  } catch (error) {
    throw writeError(error, path);
  }
}

/** Moves a file within its directory, durably. Rejects with `StoreError`. */
export async function moveDurable(from: string, to: string): Promise<void> {
  try {
    await renameOver(from, to);
    await syncDirectory(dirname(to));
  } catch (error) {
    throw writeError(error, from);
  }
}

/** Writes, syncs and removes a file of `size` bytes in `directory`. Rejects with `StoreError`. */
export async function proveWritable(directory: string, size: number): Promise<void> {
  const path = temporaryName(`${directory}/probe`);
  try {
    const file = await open(path, "wx", PRIVATE_FILE);
    try {
      await fill(file, Buffer.alloc(size));
    } finally {
      await rm(path, { force: true });
    }
  } catch (error) {
    throw writeError(error, directory);
  }
}

/**
 * The whole content of a file; undefined if there is none. Takes rights of group and others away
 * from it. Synchronous: for a thousand small files several times faster than the thread pool (measured).
 * Throws `StoreError` `unreadable`, also for what is no file or is larger than `limit` bytes.
 */
export function readPrivate(path: string, limit: number): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, OPEN_TO_READ);
    const found = fstatSync(fd);
    if (!found.isFile()) throw unusable(path, "there is something that is no file");
    if (found.size > limit) throw unusable(path, `it is larger than ${limit} bytes`);
    if (!WINDOWS && (found.mode & OTHERS) !== 0) tighten(fd);
    const bytes = Buffer.allocUnsafe(found.size);
    return bytes.subarray(0, readSync(fd, bytes));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw readError(error, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** True for names of files that only an interrupted process leaves behind. */
export function isLeftover(name: string): boolean {
  return /\.[0-9a-f]{12}\.tmp$/.test(name) || name.endsWith(SPARE);
}

async function writeAnew(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryName(path);
  const file = await open(temporary, "wx", PRIVATE_FILE);
  try {
    await fill(file, bytes);
    await renameOver(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** False if there is no spare or anything is wrong with it: the ordinary way may still work then. */
async function writeIntoSpare(path: string, bytes: Uint8Array): Promise<boolean> {
  const spare = path + SPARE;
  try {
    await fill(await open(spare, "r+"), bytes);
    await renameOver(spare, path);
    await syncDirectory(dirname(path));
    return true;
  } catch {
    // A spare that is still there stays: a later attempt may need its space.
    return false;
  }
}

/** Makes `bytes` the whole content of an open file, durably, and closes it. */
async function fill(file: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    // Not `write`, which may stop short of the end without an error.
    await file.writeFile(bytes);
    await file.truncate(bytes.length);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Zeros are written, because a hole in a file takes no space. */
async function grow(file: FileHandle, size: number): Promise<void> {
  const before = (await file.stat()).size;
  if (before >= size) return;
  try {
    await file.writeFile(Buffer.alloc(size - before));
    await file.sync();
  } catch (error) {
    await file.truncate(before).catch(() => {});
    throw error;
  }
}

/**
 * On Windows a virus scanner or an indexer may hold either file for a moment; the rename is then
 * tried again for about a second.
 */
async function renameOver(from: string, to: string): Promise<void> {
  await retryWhileHeld(() => rename(from, to), WINDOWS ? [10, 20, 40, 80, 160, 320, 400] : []);
}

/** Runs `action` again after each of the delays, as long as another program holds the file. */
export async function retryWhileHeld(
  action: () => Promise<void>,
  delaysMs: readonly number[],
  wait: (ms: number) => Promise<unknown> = pause,
): Promise<void> {
  for (const delayMs of delaysMs) {
    try {
      return await action();
    } catch (error) {
      if (!["EPERM", "EACCES", "EBUSY"].includes(errnoOf(error) ?? "")) throw error;
      await wait(delayMs);
    }
  }
  await action();
}

function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}.tmp`;
}

/** Best effort: the next write makes a new, private file in any case. */
function tighten(fd: number): void {
  try {
    fchmodSync(fd, PRIVATE_FILE);
  } catch {}
}

function unusable(path: string, message: string): StoreError {
  return new StoreError("unreadable", path, message, "repair it from a backup or move it away");
}
