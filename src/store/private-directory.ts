import { chmod, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { makeDirectories } from "../make-directories.ts";
import { errnoOf, writeError } from "./file-error.ts";
import { StoreError } from "./store.ts";

const WINDOWS = process.platform === "win32";
const PRIVATE_DIRECTORY = 0o700;
const OTHERS = 0o077;

/**
 * Makes sure that `path` is a directory of ours which nobody else can enter. Creates what is missing
 * (durably), takes group's and others' rights away from one that is there and says so by
 * `tightened`. On Windows the inherited access list decides; nothing is checked.
 *
 * Rejects with `StoreError`: `denied` if it belongs to another user, `unreadable` if it is no
 * directory or none can be there, else as for writing.
 */
export async function ensurePrivateDirectory(path: string): Promise<"created" | "private" | "tightened"> {
  try {
    const made = makeDirectories(path, PRIVATE_DIRECTORY);
    if (made.length > 0) {
      // A new directory is durable when its parent is synced.
      for (const one of made.toReversed()) await syncDirectory(dirname(one));
      return "created";
    }
    if (WINDOWS) return "private";
    return await tighten(path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST" || errnoOf(error) === "ENOTDIR") throw notADirectory(path);
    if (errnoOf(error) === "ENOENT") throw noPlace(path);
    throw writeError(error, path);
  }
}

/** Makes renames and removals in a directory durable. Does nothing where a platform has no such call. */
export async function syncDirectory(path: string): Promise<void> {
  if (WINDOWS) return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } catch (error) {
    // EINVAL: this file system has no such operation on directories.
    if (errnoOf(error) !== "EINVAL") throw error;
  } finally {
    await directory.close();
  }
}

async function tighten(path: string): Promise<"private" | "tightened"> {
  const found = await stat(path);
  if (!found.isDirectory()) throw notADirectory(path);
  const me = process.geteuid?.();
  if (found.uid !== me) {
    throw new StoreError(
      "denied",
      path,
      `the directory belongs to user ${found.uid}, the broker runs as user ${me}`,
      "run the broker as the user that owns it, or choose another directory",
    );
  }
  if ((found.mode & OTHERS) === 0) return "private";
  await chmod(path, PRIVATE_DIRECTORY);
  return "tightened";
}

function noPlace(path: string): StoreError {
  const message = "no directory can be made there (ENOENT)";
  return new StoreError("unreadable", path, message, "choose another directory");
}

function notADirectory(path: string): StoreError {
  return new StoreError(
    "unreadable",
    path,
    "there is something that is no directory",
    "move it away, or choose another directory",
  );
}
