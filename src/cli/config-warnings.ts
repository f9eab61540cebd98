import { statSync } from "node:fs";
import type { Config } from "../config.ts";
import { isBuiltIn } from "../domain/provider-ids.ts";
import { probe } from "../endpoint/probe.ts";
import { atMsOf, type Seconds } from "../rpc/instants.ts";
import { addressOf, ask } from "./call.ts";

/**
 * What is no error in a configuration and yet may not do what was meant. `runningFile`: the file that a
 * broker here would have read. Rejects with `CommandError` if one is there and does not answer.
 */
export async function configWarnings(
  config: Config,
  runningFile: string | undefined,
): Promise<readonly string[]> {
  const stale = runningFile !== undefined && (await isOlderThan(runningFile));
  return [
    ...ruleWarnings(config),
    ...(stale ? ["the broker that runs was started before this file was changed; restart it"] : []),
  ];
}

function ruleWarnings({ rules, providers }: Config): readonly string[] {
  return rules.flatMap(({ name, match: { provider } }) =>
    provider === undefined || isBuiltIn(provider) || providers.has(provider)
      ? []
      : [`the rule "${name}" is for "${provider}", which is neither built in nor configured here`],
  );
}

async function isOlderThan(file: string): Promise<boolean> {
  const changedMs = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  if (changedMs === undefined || (await probe(addressOf("status"))).state !== "live") return false;
  const { startTime } = await ask("status", "GetStatus", {});
  return startTime !== null && atMsOf(startTime as Seconds) < changedMs;
}
