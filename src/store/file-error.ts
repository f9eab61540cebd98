import { constants } from "node:os";
import { StoreError } from "./store.ts";

interface Meaning {
  readonly code: StoreError["code"];
  readonly message: string;
  readonly mend: string;
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: {
    code: "full",
    message: "the disk is full",
    mend: "free space (or inodes) on the disk that holds it",
  },
  EDQUOT: {
    code: "full",
    message: "the disk quota is used up",
    mend: "free space or raise the quota of this user",
  },
  EFBIG: {
    code: "full",
    message: "the file would be larger than this process may write",
    mend: "raise the file size limit (ulimit -f) and restart the broker",
  },
  EROFS: {
    code: "read_only",
    message: "the file system is read-only",
    mend: "mount the file system that holds it read-write",
  },
  EACCES: {
    code: "denied",
    message: "permission denied",
    mend: "give the user that runs the broker the right to read and write there",
  },
  EPERM: {
    code: "denied",
    message: "operation not permitted",
    mend: "give the user that runs the broker the right to read and write there",
  },
  EMFILE: {
    code: "io",
    message: "too many open files",
    mend: "raise the limit of open files (ulimit -n) and restart the broker",
  },
  ENFILE: {
    code: "io",
    message: "too many open files on this machine",
    mend: "raise the system's limit of open files",
  },
  ENOENT: {
    code: "io",
    message: "the file or its directory is gone",
    mend: "put the directory back, then restart the broker",
  },
};

/**
 * The name of a system error, such as `ENOSPC`; undefined for anything else. Node has no name for
 * some, EDQUOT among them, and says "Unknown system error -122" (seen with Node 20).
 */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  if (!("errno" in error) || !error.code.startsWith("Unknown system error")) return error.code;
  const number = -Number(error.errno);
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0];
}

/**
 * The `StoreError` for what the file system said while `path` was written. A `StoreError` passes
 * through, so that the place nearest to the cause names the path.
 */
export function writeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const errno = errnoOf(error);
  const meaning = errno === undefined ? undefined : MEANINGS[errno];
  if (meaning !== undefined) {
    return new StoreError(meaning.code, path, `${meaning.message} (${errno})`, meaning.mend, {
      cause: error,
    });
  }
  return new StoreError(
    "io",
    path,
    `input/output error (${errno ?? "unknown"})`,
    "check the disk that holds it; the system log may say more",
    { cause: error },
  );
}

/** The same for reading: always `unreadable`, with the same advice. */
export function readError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const { message, mend } = writeError(error, path);
  return new StoreError("unreadable", path, message, mend, { cause: error });
}
