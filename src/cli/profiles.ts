import type { Command } from "commander";
import { nearest } from "../domain/nearest.ts";
import type { Message } from "../rpc/schema.ts";
import { answerJson, ask, dial } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { jsonOption, wantsJson } from "./options.ts";
import { print, printJson } from "./output.ts";
import { allProfiles } from "./profile-pages.ts";
import { profileSheet, profileTable, profileView, profileViews } from "./profile-view.ts";
import { defineAdd } from "./profiles-add.ts";
import { defineChanges } from "./profiles-change.ts";
import { defineOrder } from "./profiles-order.ts";

const EXAMPLE = `
Example:
  $ auth-broker profiles
  $ auth-broker profiles show openai-codex:work`;

export function defineProfiles(command: Command): void {
  jsonOption(command.command("list").description("list profiles with their states"))
    .argument("[provider]", "of this provider only")
    .addHelpText("after", "\nExample:\n  $ auth-broker profiles list openai-codex --json")
    .action((provider = "", _options, self: Command) => list(provider, wantsJson(self)));
  jsonOption(command.command("show").description("show everything about one profile"))
    .argument("<id>", "<provider>:<label>")
    .addHelpText("after", "\nExample:\n  $ auth-broker profiles show openai-codex:work")
    .action(async (profile: string, _options, show: Command) => {
      const answer = await ask("profile", "GetProfile", { profile });
      if (wantsJson(show)) printJson(answerJson("GetProfile", answer));
      else print(profileSheet(profileView(answer.profile as Message), Date.now()));
    });
  defineAdd(command.command("add").description("add a profile, or replace its login"));
  defineOrder(command.command("order").description("show, set or clear the order of a provider's profiles"));
  defineChanges(command);
  // Last, since subcommands take this setting over when they are made.
  jsonOption(command)
    .addHelpText("after", EXAMPLE)
    .allowExcessArguments()
    .action(async ({ json }: { json?: boolean }) => {
      const [unknown] = command.args;
      if (unknown !== undefined) throw unknownCommand(command, unknown);
      await list("", json);
    });
}

async function list(provider: string, json: boolean | undefined): Promise<void> {
  using line = await dial("profile");
  const answer = await allProfiles(line, provider);
  // A list of nothing is right for a provider that is known; what refuses one that is not is an explanation.
  if (provider !== "" && (answer.profiles as readonly unknown[]).length === 0) {
    await ask("status", "ExplainSelection", { provider });
  }
  if (json) return printJson(answerJson("ListProfiles", answer));
  const profiles = profileViews(answer.profiles);
  if (profiles.length > 0) print(profileTable(profiles, Date.now()));
  else
    print(provider === "" ? "there is no profile yet: auth-broker import" : "this provider has no profile");
}

function unknownCommand(command: Command, name: string): CommandError {
  const closest = nearest(
    name,
    command.commands.map((one) => one.name()),
  );
  const hint = closest === undefined ? "" : `\n(Did you mean ${closest}?)`;
  return new CommandError(64, `unknown command '${name}'${hint}`, { help: "auth-broker profiles --help" });
}
