import type { Command } from "commander";
import { OpenclawError } from "../openclaw/error.ts";
import { ROUTES } from "../openclaw/routes.ts";
import { durationMs, jsonOption } from "./options.ts";

const SETUP = `
Routes:
  plugin   model requests of OpenClaw ask the broker one by one: the best one
  secrets  keys and tokens that OpenClaw reads at its start, for --provider NAME[=ID]
  codex    the Codex harness starts Codex by the broker's launcher
ID is a provider of the broker or a profile; as OpenClaw allows no @ in it, write # in its place.

Without --write the configuration is printed and nothing else happens. With it, OpenClaw's own commands
try, write and check it; --undo takes it out again.

Example:
  $ auth-broker openclaw setup plugin --write
  $ auth-broker openclaw setup secrets --provider anthropic=anthropic:work --write`;

const SECRETS = `
OpenClaw starts this by itself once \`openclaw setup secrets\` has been done, and writes which ids it wants
to standard input. --watch instead runs on and lets OpenClaw ask again when a credential behind one of the
ids has changed, at most once in --every. What is answered is JSON in any case; --json changes errors only.

Example:
  $ auth-broker openclaw secrets --watch anthropic openrouter`;

/** `openclaw setup` and `openclaw secrets`. */
export function defineOpenclaw(command: Command): void {
  command.addHelpText("after", "\nExample:\n  $ auth-broker openclaw setup plugin");
  const setup = command.command("setup").description("let OpenClaw ask the broker");
  jsonOption(setup)
    .argument("<route>", ROUTES.join(", "))
    .option("--provider <name[=id]>", "for secrets: what gets a key (may be repeated)", collectPair)
    .option("--write", "write it, instead of printing it")
    .option("--undo", "take it out again")
    .option("--openclaw <path>", "the program (default: openclaw in the PATH)")
    .addHelpText("after", SETUP)
    .action(async (route: string, options) => (await import("./openclaw-setup.ts")).setup(route, options));
  jsonOption(command.command("secrets").description("answer OpenClaw's requests for secrets"))
    .argument("[ids...]", "with --watch: what to watch")
    .option("--watch", "tell OpenClaw when a credential has changed")
    .option("--every <duration>", "shortest time between two reloads (default: 30s)", durationMs)
    .option("--openclaw <path>", "the program (default: openclaw in the PATH)")
    .addHelpText("after", SECRETS)
    .action(async (ids: readonly string[], options) =>
      (await import("./openclaw-secrets.ts")).secrets(ids, options),
    );
}

type Pairs = Readonly<Record<string, string>>;

function collectPair(value: string, before: Pairs = {}): Pairs {
  const [name = "", id = name] = value.split(/=(.*)/s, 2);
  if (/^[a-z0-9][\w.-]*$/i.test(name) && /^[A-Za-z0-9][A-Za-z0-9._:/#-]{0,255}$/.test(id)) {
    return { ...before, [name]: id };
  }
  throw new OpenclawError(64, `--provider ${value} is not NAME or NAME=ID`, "write # in place of @");
}
