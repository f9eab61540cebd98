import { startChild } from "../codex/child.ts";
import { note } from "./output.ts";

/**
 * Runs a program on our own standard streams and passes signals on to it. Resolves with the exit code
 * that a shell would give: the program's own, 128+n for a signal, 126 or 127 if it cannot be run.
 */
export async function runChild(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  try {
    const child = await startChild(program, args, { env });
    return await child.ended;
  } catch (error) {
    return notRun(program, error as NodeJS.ErrnoException);
  }
}

function notRun(program: string, { code }: NodeJS.ErrnoException): number {
  const isAbsent = code === "ENOENT";
  note(`auth-broker: ${program}: ${isAbsent ? "no such program" : `cannot be run (${code ?? "unknown"})`}`);
  return isAbsent ? 127 : 126;
}
