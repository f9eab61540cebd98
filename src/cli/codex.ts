import type { Command } from "commander";
import type { LaunchOptions } from "../codex/launch.ts";
import { runCodex } from "./codex-run.ts";
import { named } from "./options.ts";

const EXAMPLE = `
Codex finds its credential in a home of its own that is gone after the run; settings, sessions and
history are the user's own. A run of \`exec\` that meets a usage limit goes on with the next account.
Its exit code is passed on. \`auth-broker-codex\` takes the arguments of \`codex\` as they are.

Example:
  $ auth-broker codex --profile openai-codex:work -- exec "tidy up"`;

export function defineCodex(command: Command): void {
  command
    .argument("[arguments...]", "what to pass to codex, after --")
    .option("--profile <id>", "this profile and no other", named)
    .option("--model <name>", "model whose own cooldowns count (default: the one that codex is told)")
    .option("--session <name>", "conversation that stays with its profile")
    .option("--no-failover", "end at a usage limit")
    .option("--json", "print errors of the broker as JSON")
    .addHelpText("after", EXAMPLE)
    .action(async (args: readonly string[], options: LaunchOptions) => {
      process.exitCode = await runCodex(args, options);
    });
}
