import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { Message } from "../rpc/schema.ts";
import { answerJson, ask } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { jsonOption } from "./options.ts";
import { note, plain, print, printJson } from "./output.ts";
import { bare, type ProfileView, profileView } from "./profile-view.ts";

interface LogoutOptions {
  readonly yes?: boolean;
  readonly keepAtProvider?: boolean;
  readonly json?: boolean;
}

const EXAMPLE = `
The login is revoked at the provider, where the provider has a way for that, and the profile is removed.

Example:
  $ auth-broker logout openai-codex:work`;

/** A revocation is one request. */
const REVOKE_MS = 35_000;

export function defineLogout(command: Command): void {
  jsonOption(command)
    .argument("<id>", "<provider>:<label>")
    .option("-y, --yes", "do not ask")
    .option("--keep-at-provider", "remove it here only; it stays valid at the provider")
    .addHelpText("after", EXAMPLE)
    .action(async (profile: string, options: LogoutOptions) => {
      const view = profileView((await ask("profile", "GetProfile", { profile })).profile as Message);
      if (!options.yes) await mustAgree(view, options);
      const { keepAtProvider = false } = options;
      const answer = await ask("login", "Logout", { profile, keepAtProvider }, REVOKE_MS);
      if (options.json) return printJson(answerJson("Logout", answer));
      print(`logged out: ${plain(view.profile)}${answer.revoked ? ", revoked at the provider" : ""}`);
      if (answer.message !== "") note(`not revoked at the provider: ${plain(String(answer.message))}`);
    });
}

async function mustAgree(view: ProfileView, { keepAtProvider }: LogoutOptions): Promise<void> {
  const id = plain(view.profile);
  if (!process.stdin.isTTY) {
    throw new CommandError(64, "logging out ends the login for good, so it must be confirmed", {
      help: `auth-broker logout ${id} --yes`,
    });
  }
  if (bare(view.ownership) === "SHARED" && !keepAtProvider) {
    note(`${id} is shared: the program that it came from will be signed out, too`);
  }
  const what = keepAtProvider ? "remove" : "revoke and remove";
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${what} ${id} ${plain(view.accountHint)}? [y/N] `);
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError(75, "nothing was changed");
}
