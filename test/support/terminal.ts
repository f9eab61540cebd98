import { spawnSync } from "node:child_process";
import { type ProcessOptions, type Running, start } from "./process.mjs";

/** Whether `script` of util-linux, which gives a command a terminal, is there. */
export const hasTerminal =
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true;

/** In front of a command: a terminal without a size makes every letter a line. */
export const WIDE = ["sh", "-c", 'stty cols 200 rows 50; exec "$@"', "sh"];

/** Starts a command with a terminal of its own as all three standard streams; both outputs come as one. */
export function startOnTerminal(command: readonly string[], options: ProcessOptions): Promise<Running> {
  const line = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  return start("script", ["-qec", `exec ${line}`, "/dev/null"], { ...options, keepStdin: true });
}
