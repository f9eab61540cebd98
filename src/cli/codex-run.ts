import { type LaunchOptions, launchCodex } from "../codex/launch.ts";
import { note } from "./output.ts";

/** Runs Codex on a credential of the broker. Rejects like `launchCodex`. */
export function runCodex(args: readonly string[], options: LaunchOptions): Promise<number> {
  const { env, argv } = process;
  const say = (line: string) => note(`auth-broker: ${line}`);
  return launchCodex(args, options, { env, self: argv[1] ?? "", note: say });
}
