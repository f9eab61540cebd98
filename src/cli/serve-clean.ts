import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";

/**
 * Starts this very command once more with another environment, passes signals on, and gives its exit code. The
 * other one gets a channel that ends with this process, SIGKILL included.
 */
export async function serveClean(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env,
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    // Out of the terminal's group: Ctrl-C would reach it twice, and the second signal ends it at once.
    detached: true,
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + constants.signals[signal ?? "SIGKILL"];
}
