import { type Command, Option } from "commander";
import { dial } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { fixLogins } from "./login-fix.ts";
import { type LoginOptions, logIn } from "./login-follow.ts";
import { API_KEY_WANTED, logInWithKey } from "./login-key.ts";
import { jsonOption, named } from "./options.ts";

const EXAMPLE = `
The browser comes back to this machine. Where it cannot (ssh, containers), use --device if the provider
has it, else --paste. The broker is the only holder of what a login gives. A provider with API keys is asked
for its key: hidden on a terminal, else on standard input. One with client credentials needs nobody.

Example:
  $ auth-broker login openai-codex --label work
  $ auth-broker login openai-codex --device --no-browser
  $ pass show openrouter | auth-broker login openrouter
  $ auth-broker login --fix`;

export function defineLogin(command: Command): void {
  jsonOption(command)
    .argument("[provider]", "such as openai-codex; with --fix only its profiles")
    .option("--label <name>", "second part of the profile's id; without it the account decides", named)
    .addOption(new Option("--device", "type a code in on any machine").conflicts("paste"))
    .option("--paste", "bring the address or the code back by hand")
    .addOption(new Option("--api-key", "put in an API key").conflicts(["device", "paste", "fix"]))
    .option("--no-browser", "do not open a browser, only print the address")
    .option("--allow-account-change", "let the profile pass to another account")
    .addOption(
      new Option("--fix", "log in every profile that needs it, one after the other").conflicts("label"),
    )
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string | undefined, options: Options) => {
      if (options.fix) return fixLogins(provider ?? "", options);
      if (provider === undefined) {
        throw new CommandError(64, "which provider?", { help: "auth-broker login openai-codex" });
      }
      if (options.apiKey) return logInWithKey(provider, options);
      using line = await dial("login");
      try {
        await logIn(line, provider, options);
      } catch (error) {
        const isKeyWanted = error instanceof CommandError && error.reason === API_KEY_WANTED;
        if (!isKeyWanted || options.device || options.paste) throw error;
        await logInWithKey(provider, options);
      }
    });
}

type Options = LoginOptions & { readonly fix?: boolean; readonly apiKey?: boolean };
