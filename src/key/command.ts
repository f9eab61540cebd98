import { execFile } from "node:child_process";
import type { KeySource } from "../store/key-source.ts";
import { keyInText } from "../store/seal.ts";
import { StoreError } from "../store/store.ts";

/** A password manager may ask its owner. */
const LIMIT_MS = 60_000;
const LARGEST_BYTES = 64 * 1024;

/**
 * A key that a program prints as 64 hex digits, such as one of systemd-creds, Vault or a password manager.
 * Run without a shell, for a minute at most. What it prints is never passed on, nor what it complains of.
 */
export function commandKey([program = "", ...args]: readonly string[]): KeySource {
  const refuse = (message: string) =>
    new StoreError(
      "unreadable",
      program,
      message,
      "run it by hand, with the arguments of key.command in config.json",
    );
  const failed = (why: string) => refuse(`the program that gives the key ${why}`);
  const read = (resolve: (key: Uint8Array) => void, reject: (error: StoreError) => void) => {
    const options = { timeout: LIMIT_MS, killSignal: "SIGKILL", maxBuffer: LARGEST_BYTES } as const;
    const child = execFile(program, args, { ...options, windowsHide: true }, (error, stdout) => {
      const key = keyInText(stdout);
      if (error !== null) reject(failed(reasonOf(error)));
      else if (key !== undefined) resolve(key);
      else if (stdout.trim() === "") reject(failed("printed nothing"));
      else reject(refuse("what the program printed is not a key of 64 hex digits"));
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end();
  };
  return {
    kind: "command",
    place: program,
    read: () =>
      new Promise((resolve, reject) => {
        try {
          read(resolve, reject);
        } catch (error) {
          // Some failures of a start are thrown, others are told by the callback.
          reject(failed(reasonOf(error as NodeJS.ErrnoException)));
        }
      }),
  };
}

const NOT_STARTED: Readonly<Record<string, string>> = {
  ENOENT: "is not there",
  ENOTDIR: "is not there",
  EACCES: "may not be run by this user",
  EMFILE: "could not be started: too many files are open",
  ENOMEM: "could not be started: there is no memory left",
};

/** `error.message` would repeat what the program wrote to its standard error. */
function reasonOf(error: {
  readonly killed?: boolean | undefined;
  readonly code?: unknown;
  readonly signal?: unknown;
}): string {
  if (error.killed === true) return `failed: it took longer than ${LIMIT_MS / 1000} s or printed too much`;
  const code = String(error.code ?? error.signal ?? "an error");
  return (
    NOT_STARTED[code] ??
    (/^E[A-Z0-9]/.test(code) ? `could not be started (${code})` : `failed: it ended with ${code}`)
  );
}
