import { execFile } from "node:child_process";
import { Secret } from "../domain/secret.ts";

const LIMIT_MS = 10_000;
const LARGEST_BYTES = 64 * 1024;

/** The program that gives the client secret failed. Never carries its output. */
class ClientSecretError extends Error {
  override readonly name = "ClientSecretError";
}

/** Where a client secret comes from: it stands in the configuration, or a program prints it. */
export type ClientSecretSource = Secret | { readonly command: readonly string[] };

/**
 * Gives the client secret anew. A program is run without a shell, for ten seconds at most, and its
 * output, less the line end, is the secret. Rejects with `ClientSecretError`.
 */
export function readClientSecret(source: ClientSecretSource): Promise<Secret> {
  if (source instanceof Secret) return Promise.resolve(source);
  const [program = "", ...args] = source.command;
  return new Promise((resolve, reject) => {
    const options = {
      timeout: LIMIT_MS,
      killSignal: "SIGKILL",
      maxBuffer: LARGEST_BYTES,
      windowsHide: true,
    } as const;
    const child = execFile(program, args, options, (error, stdout) => {
      const secret = stdout.replace(/\r?\n$/, "");
      if (error !== null) reject(new ClientSecretError(`"${program}" failed: ${reasonOf(error)}`));
      else if (secret === "") reject(new ClientSecretError(`"${program}" printed nothing`));
      else resolve(new Secret(secret));
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end();
  });
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
