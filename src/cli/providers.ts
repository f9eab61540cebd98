import type { Command } from "commander";
import { type BuiltInProvider, isBuiltIn } from "../domain/provider-ids.ts";
import { probe } from "../endpoint/probe.ts";
import { addressOf, dial } from "./call.ts";
import { here } from "./here.ts";
import { jsonOption } from "./options.ts";
import { print, printJson } from "./output.ts";
import { allProfiles } from "./profile-pages.ts";
import { profileViews } from "./profile-view.ts";
import { table } from "./table.ts";

const EXAMPLE = `
Works without a broker; PROFILES is then unknown. For a provider of your own, set providers.<id>.type in
config.json (auth-broker config schema) and restart the broker.

Example:
  $ auth-broker providers`;

/** What the built-in ids stand for. Those that sell keys under another id are for logins only. */
const BUILT_IN: Readonly<Record<BuiltInProvider, { readonly what: string; readonly isLoginOnly?: true }>> = {
  "openai-codex": { what: "ChatGPT subscriptions, as Codex uses them", isLoginOnly: true },
  "openai-api": { what: "OpenAI's API" },
  anthropic: { what: "Claude subscriptions and Anthropic's API" },
  "google-gemini-cli": { what: "Gemini subscriptions, as the Gemini CLI uses them", isLoginOnly: true },
  "google-antigravity": { what: "Google's Antigravity", isLoginOnly: true },
  "github-copilot": { what: "GitHub Copilot", isLoginOnly: true },
  qwen: { what: "Qwen" },
  kimi: { what: "Kimi" },
  xai: { what: "xAI's Grok" },
  minimax: { what: "MiniMax" },
  openrouter: { what: "OpenRouter" },
};

interface Row {
  readonly provider: string;
  readonly takes: "logins" | "keys" | "both";
  readonly builtIn: boolean;
  readonly configured: boolean;
  /** Null: no broker could be asked. */
  readonly profiles: number | null;
  readonly description: string;
}

export function defineProviders(command: Command): void {
  jsonOption(command)
    .addHelpText("after", EXAMPLE)
    .action(async ({ json }: { json?: boolean }) => {
      const rows = await providerRows();
      if (json) return printJson({ providers: rows });
      print(
        table(
          ["PROVIDER", "TAKES", "PROFILES", "FROM", "WHAT"],
          rows.map(({ provider, takes, profiles, builtIn, configured, description }) => [
            provider,
            takes,
            profiles === null ? "?" : String(profiles),
            builtIn ? "built in" : configured ? "config.json" : "a profile",
            description,
          ]),
        ),
      );
    });
}

async function providerRows(): Promise<readonly Row[]> {
  const [{ loadConfig }, { buildProviders }] = await Promise.all([
    import("../config.ts"),
    import("../provider/registry.ts"),
  ]);
  const config = await loadConfig(here().configFile);
  const providers = buildProviders(config);
  const owned = await profilesOf();
  return [...new Set([...providers.ids, ...(owned?.keys() ?? [])])].map((provider) => {
    const data = isBuiltIn(provider) ? BUILT_IN[provider] : undefined;
    const hasLogins = providers.get(provider)?.oauth !== undefined;
    return {
      provider,
      takes: !hasLogins ? "keys" : data?.isLoginOnly ? "logins" : "both",
      builtIn: data !== undefined,
      configured: config.providers.has(provider),
      profiles: owned === undefined ? null : (owned.get(provider) ?? 0),
      description: data?.what ?? "",
    };
  });
}

/** Numbers of profiles by provider; undefined if no broker is there to ask. Rejects with `CommandError`. */
async function profilesOf(): Promise<ReadonlyMap<string, number> | undefined> {
  if ((await probe(addressOf("profile"))).state !== "live") return undefined;
  using line = await dial("profile");
  const numbers = new Map<string, number>();
  for (const { provider } of profileViews((await allProfiles(line)).profiles)) {
    numbers.set(provider, (numbers.get(provider) ?? 0) + 1);
  }
  return numbers;
}
