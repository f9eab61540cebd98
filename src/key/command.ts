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
  return {
    kind: "command",
    place: program,
    read: () =>
      new Promise((resolve, reject) => {
        const options = { timeout: LIMIT_MS, killSignal: "SIGKILL", maxBuffer: LARGEST_BYTES } as const;
        const child = execFile(program, args, { ...options, windowsHide: true }, (error, stdout) => {
          const key = keyInText(stdout);
          if (error !== null) reject(refuse(`the program that gives the key failed: ${reasonOf(error)}`));
          else if (key !== undefined) resolve(key);
          else if (stdout.trim() === "") reject(refuse("the program that gives the key printed nothing"));
          else reject(refuse("what the program printed is not a key of 64 hex digits"));
        });
        child.stdin?.on("error", () => {});
        child.stdin?.end();
      }),
  };
}

/** `error.message` would repeat what the program wrote to its standard error. */
function reasonOf(error: {
  readonly killed?: boolean;
  readonly code?: unknown;
  readonly signal?: unknown;
}): string {
  if (error.killed === true) return `it took longer than ${LIMIT_MS / 1000} s or printed too much`;
  return `it ended with ${String(error.code ?? error.signal ?? "an error")}`;
}
