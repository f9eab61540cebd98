import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { note } from "./output.ts";

/** A terminal sends these to the program itself, so it would get them twice. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGWINCH"];
const FORWARDED: readonly NodeJS.Signals[] = [...FROM_TERMINAL, "SIGTERM", "SIGHUP"];

/**
 * Runs a program on our own standard streams and passes signals on to it. Resolves with the exit code
 * that a shell would give: the program's own, 128+n for a signal, 126 or 127 if it cannot be run.
 */
export async function runChild(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const child = spawn(program, args, { stdio: "inherit", env });
  const isOnTerminal = process.stdin.isTTY === true;
  const forward = (signal: NodeJS.Signals) => {
    if (!(isOnTerminal && FROM_TERMINAL.includes(signal))) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    return notRun(program, error as NodeJS.ErrnoException);
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}

function notRun(program: string, { code }: NodeJS.ErrnoException): number {
  const isAbsent = code === "ENOENT";
  note(`auth-broker: ${program}: ${isAbsent ? "no such program" : `cannot be run (${code ?? "unknown"})`}`);
  return isAbsent ? 127 : 126;
}
