import type { Command } from "commander";
import type { Message } from "../rpc/schema.ts";
import { answerJson, ask, dial } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { jsonOption, wantsJson } from "./options.ts";
import { note, plain, print, printJson } from "./output.ts";

const EXAMPLE = `
An explicit order is an allow-list: profiles outside it are never used. Without ids the present order is
shown.

Example:
  $ auth-broker profiles order openai-codex openai-codex:work openai-codex:home
  $ auth-broker profiles order openai-codex --clear`;

export function defineOrder(command: Command): void {
  jsonOption(command)
    .argument("<provider>", "such as openai-codex")
    .argument("[id...]", "profiles, the first to be used first")
    .option("--clear", "take the explicit order away")
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string, ids: readonly string[], { clear }: { clear?: boolean }) => {
      const json = wantsJson(command);
      if (clear && ids.length > 0) throw new CommandError(64, "--clear takes no ids");
      if (clear || ids.length > 0) await set(provider, ids, json);
      else await show(provider, json);
    });
}

async function set(provider: string, profiles: readonly string[], json: boolean): Promise<void> {
  using line = await dial("profile");
  const answer = await line.call("SetOrder", { provider, profiles });
  if (json) return printJson(answerJson("SetOrder", answer));
  if (profiles.length === 0) return print(`${plain(provider)} has no explicit order any more`);
  tell(await line.call("GetOrder", { provider }));
}

async function show(provider: string, json: boolean): Promise<void> {
  const answer = await ask("profile", "GetOrder", { provider });
  if (json) return printJson(answerJson("GetOrder", answer));
  tell(answer);
  if (!answer.isExplicit && (answer.unknown as readonly string[]).length === 0) {
    note("no explicit order is set; this one comes from the profiles' kinds and ids");
  }
}

function tell(answer: Message): void {
  const { profiles, unknown, outside } = answer as unknown as Readonly<Record<string, readonly string[]>>;
  const places = profiles?.map((id, index) => `${index + 1}  ${plain(id)}`) ?? [];
  for (const line of places) print(line);
  for (const id of unknown ?? []) print(`-  ${plain(id)} (not there yet)`);
  if (unknown?.length && !answer.isExplicit) {
    note("no profile of the explicit order exists, so it is set aside");
  }
  if (outside?.length) {
    note(`outside this order, so never used: ${outside.map(plain).join(", ")}`);
  }
}
