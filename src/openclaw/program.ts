import { type ExecFileException, execFile } from "node:child_process";
import { OpenclawError } from "./error.ts";

/** OpenClaw's own command line. */
export interface Openclaw {
  /** Runs a command to its end, whatever its exit code. Rejects with `OpenclawError` if it cannot be run. */
  run(args: readonly string[], input?: string): Promise<Ended>;
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** It takes seconds to start, and more on a slow machine. */
const WITHIN_MS = 120_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** The program that `openclaw` is in the PATH, or the one at `path`. */
export function openclawProgram(path: string, env: NodeJS.ProcessEnv): Openclaw {
  return {
    run: (args, input = "") =>
      new Promise((resolve, reject) => {
        const options = { env, timeout: WITHIN_MS, maxBuffer: MOST_BYTES };
        const child = execFile(path, args, options, (error, stdout, stderr) => {
          if (error === null) resolve({ code: 0, stdout, stderr });
          else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
          else reject(notRun(path, error));
        });
        child.stdin?.on("error", () => {}).end(input);
      }),
  };
}

function notRun(path: string, error: ExecFileException): OpenclawError {
  if (error.killed) return new OpenclawError(75, `${path} did not end in time`, "try again");
  return new OpenclawError(
    78,
    `OpenClaw cannot be run: ${path} (${error.code ?? error.message})`,
    "put it into the PATH, or name it with --openclaw PATH",
  );
}

/** The JSON that a command printed. Throws `OpenclawError` (78) with what it said if it printed none. */
export function jsonOf({ stdout, stderr, code }: Ended, what: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(stdout);
  } catch {
    const said = (stderr || stdout).trim().split("\n").slice(-3).join(" ");
    throw new OpenclawError(78, `openclaw ${what} ended with ${code}: ${said}`, "openclaw doctor");
  }
}
