import { spawnSync } from "node:child_process";
import { MAIN } from "./cli.ts";
import { type ProcessOptions, type Running, start } from "./process.mjs";

/** A user who is not the one of the tests, and in no group of theirs. */
export const OTHER_UID = 65_534;

const AS_OTHER = [`--reuid=${OTHER_UID}`, `--regid=${OTHER_UID}`, "--clear-groups"];

/** Whether programs may be run here as another user, the command line among them. Says loudly if not. */
export function mayBeOther(): boolean {
  const tried = spawnSync("setpriv", [...AS_OTHER, "test", "-r", MAIN]);
  const may = process.getuid?.() === 0 && tried.status === 0;
  if (!may) console.warn("SKIPPED: what other users may do, needs root and a place that others may read");
  return may;
}

export function startAsOther(
  command: string,
  args: readonly string[],
  options?: ProcessOptions,
): Promise<Running> {
  return start("setpriv", [...AS_OTHER, command, ...args], options);
}

export async function runAsOther(command: string, args: readonly string[], options?: ProcessOptions) {
  const running = await startAsOther(command, args, options);
  return { ...(await running.exited), stdout: running.stdout(), stderr: running.stderr() };
}
