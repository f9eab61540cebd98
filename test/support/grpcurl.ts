import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

const places = [...(process.env.PATH ?? "").split(delimiter), join(homedir(), "go", "bin")];

/** The real grpcurl, if this machine has it. */
export const grpcurlPath = places.map((place) => join(place, "grpcurl")).find(isExecutable);

/** Tests that need grpcurl are skipped on a desk without it, and fail for want of it in CI. */
export const skipWithoutGrpcurl = grpcurlPath === undefined && process.env.CI !== "true";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; never rejects for its exit code. */
export function runProgram(file: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: 30_000 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** `grpcurl -plaintext -unix <flags> <socket> <args>`. */
export function grpcurl(
  socket: string,
  args: readonly string[],
  flags: readonly string[] = [],
): Promise<Ran> {
  return runProgram(grpcurlPath ?? "grpcurl", ["-plaintext", "-unix", ...flags, socket, ...args]);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
