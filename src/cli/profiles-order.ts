import type { Command } from "commander";
import { canonicalProvider } from "../domain/alias.ts";
import { answerJson, ask, dial } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { jsonOption, wantsJson } from "./options.ts";
import { note, plain, print, printJson } from "./output.ts";
import { allProfiles } from "./profile-pages.ts";
import { profileViews } from "./profile-view.ts";

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
  const answer = await ask("profile", "SetOrder", { provider, profiles });
  if (json) return printJson(answerJson("SetOrder", answer));
  const known = answer.profiles as readonly string[];
  const unknown = answer.unknown as readonly string[];
  if (profiles.length === 0) return print(`${plain(provider)} has no explicit order any more`);
  known.forEach((id, index) => {
    print(`${index + 1}  ${plain(id)}`);
  });
  if (unknown.length > 0)
    note(`no such profile, skipped until there is one: ${unknown.map(plain).join(", ")}`);
  if (known.length === 0) note("no profile of this order exists, so it is set aside");
}

/** The same shape as the answer to setting it. */
async function show(provider: string, json: boolean): Promise<void> {
  using line = await dial("profile");
  const { profiles } = await allProfiles(line, canonicalProvider(provider));
  const placed = profileViews(profiles)
    .filter(({ order }) => order > 0)
    .sort((a, b) => a.order - b.order);
  if (json) return printJson({ profiles: placed.map(({ profile }) => profile), unknown: [] });
  for (const { order, profile } of placed) print(`${order}  ${plain(profile)}`);
}
