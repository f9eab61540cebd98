import { existsSync } from "node:fs";
import type { Command } from "commander";
import { type EnvNames, envNamesOf } from "../domain/env-names.ts";
import { acquire } from "./acquire.ts";
import { ask } from "./call.ts";
import { grantedOf, secretOf } from "./granted.ts";
import { here } from "./here.ts";
import { type Wishes, waitOption, wishOptions } from "./options.ts";
import { runChild } from "./run-child.ts";

const EXAMPLE = `
The program finds the credential under the names in use for the provider (OPENAI_API_KEY and
OPENAI_BASE_URL, ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN with ANTHROPIC_BETAS, GEMINI_API_KEY and for a login
GOOGLE_CLOUD_ACCESS_TOKEN, else <PROVIDER>_API_KEY, or as "env" in config.json says), and AUTH_BROKER_PROFILE and AUTH_BROKER_LEASE. Its exit code is passed
on: 128+n after a signal, 126 if it cannot be run, 127 if there is no such program.

Example:
  $ auth-broker run anthropic --max-wait 5m -- claude -p "tidy up"`;

export function defineRun(command: Command): void {
  waitOption(wishOptions(command.argument("<provider>", "such as openai-codex")))
    .argument("<command...>", "the program and its arguments, after --")
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string, [program = "", ...args]: readonly string[], wishes: Wishes) => {
      const granted = grantedOf(await acquire(provider, wishes));
      const { leaseId, profile } = granted.lease;
      try {
        const names = await namesFor(granted.lease.provider);
        const env = {
          ...environment(names, granted.credential, secretOf(granted)),
          AUTH_BROKER_PROFILE: profile,
          AUTH_BROKER_LEASE: leaseId,
        };
        process.exitCode = await runChild(program, args, env);
      } finally {
        // The lease ends by itself too; a broker that went away must not change how the program ended.
        await ask("credential", "ReleaseLease", { leaseId }).catch(() => {});
      }
    });
}

/** Only an operator's own names need the configuration, which takes a while to load. */
async function namesFor(provider: string): Promise<EnvNames> {
  const { configFile } = here();
  if (!existsSync(configFile)) return envNamesOf(provider);
  const { envNamesFor, loadConfig } = await import("../config.ts");
  return envNamesFor(await loadConfig(configFile), provider);
}

/**
 * This environment with the credential, and without another one for the same provider: a program that
 * finds both might use the one that nobody chose.
 */
function environment(
  names: EnvNames,
  credential: ReturnType<typeof grantedOf>["credential"],
  secret: string,
): NodeJS.ProcessEnv {
  const foreign = new Set([names.token, names.apiKey, names.login?.token, names.login?.flag]);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.has(name)));
  const isKey = credential.apiKey !== undefined;
  return {
    ...env,
    [isKey ? names.apiKey : names.token]: secret,
    ...(names.login !== undefined && !isKey && { [names.login.token]: secret, [names.login.flag]: "true" }),
    ...(names.baseUrl !== undefined && credential.baseUrl !== "" && { [names.baseUrl]: credential.baseUrl }),
    ...(names.betas !== undefined && withBetas(names.betas, credential.headers)),
  };
}

/** Adds what the credential needs to what is there already; an outer `run` may have done so. */
function withBetas(name: string, { "anthropic-beta": needed }: Readonly<Record<string, string>>) {
  if (needed === undefined) return {};
  const there = process.env[name]?.split(",").filter((one) => one !== "" && one !== needed) ?? [];
  return { [name]: [...there, needed].join(",") };
}
