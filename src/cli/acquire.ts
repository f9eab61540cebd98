import type { Command } from "commander";
import type { Message } from "../rpc/schema.ts";
import { answerJson, ask } from "./call.ts";
import { grantedSheet } from "./granted.ts";
import { requestOf, type Wishes, waitOption, wishOptions } from "./options.ts";
import { print, printJson } from "./output.ts";

const EXAMPLE = `
Without --json the credential itself is not shown.

Example:
  $ auth-broker acquire openai-codex --model gpt-5.6-terra --session review-17 --json`;

export function defineAcquire(command: Command): void {
  waitOption(wishOptions(command.argument("<provider>", "such as openai-codex")))
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string, wishes: Wishes) => {
      const answer = await acquire(provider, wishes);
      if (wishes.json) printJson(answerJson("AcquireCredential", answer));
      else print(grantedSheet(answer, Date.now()));
    });
}

/** One acquire. Rejects with `CommandError`. */
export function acquire(provider: string, wishes: Wishes): Promise<Message> {
  return ask("credential", "AcquireCredential", requestOf(provider, wishes), wishes.maxWait);
}
