import type { Command } from "commander";
import type { ProviderStatus, Status } from "../client/index.ts";
import { localTime, moment } from "../client/when.ts";
import { probe } from "../endpoint/probe.ts";
import { toTwin } from "../rpc/json.ts";
import { addressOf, answerJson, ask, dial } from "./call.ts";
import { jsonOption } from "./options.ts";
import { paint, plain, print, printJson } from "./output.ts";
import { allProfiles } from "./profile-pages.ts";
import { profileTable, profileViews } from "./profile-view.ts";
import { table } from "./table.ts";

const EXAMPLE = `
With --json it is the numbers of each provider; \`auth-broker profiles --json\` has the profiles.

Example:
  $ auth-broker status --check || mail -s "no account left" root < /dev/null`;

export function defineStatus(command: Command): void {
  jsonOption(command)
    .option("--check", "exit with 75 when a provider has profiles but none is usable")
    .addHelpText("after", EXAMPLE)
    .action(async ({ json, check }: { json?: boolean; check?: boolean }) => {
      const answer = await ask("status", "GetStatus", {});
      const status = toTwin("authbroker.v1.GetStatusResponse", answer) as unknown as Status;
      if (json) printJson(answerJson("GetStatus", answer));
      else print(await statusText(status, Date.now()));
      if (check && status.providers.some(isOut)) process.exitCode = 75;
    });
}

function isOut({ usable, coolingDown, needsLogin, blocked, disabled }: ProviderStatus): boolean {
  return usable === 0 && coolingDown + needsLogin + blocked + disabled > 0;
}

async function statusText(status: Status, nowMs: number): Promise<string> {
  const { version, startTime, store, providers, warnings } = status;
  const since = startTime === undefined ? "" : `, up since ${localTime(startTime.getTime(), nowMs)}`;
  const state = store.writable ? "writable" : paint("red", store.locked ? "LOCKED" : "NOT writable");
  const paragraphs = [
    `auth-broker ${plain(version)}${since}; store ${plain(store.kind)}, ${state}`,
    ...(store.locked ? [] : await numbersText(providers, nowMs)),
    warnings.map((warning) => `${paint("yellow", "warning:")} ${plain(warning)}`).join("\n"),
  ];
  return paragraphs.filter((text) => text !== "").join("\n\n");
}

async function numbersText(providers: Status["providers"], nowMs: number): Promise<readonly string[]> {
  return [
    providers.length === 0
      ? "no provider has a profile: auth-broker import"
      : providerTable(providers, nowMs),
    await profilesIfShown(nowMs),
  ];
}

function providerTable(providers: readonly ProviderStatus[], nowMs: number): string {
  const rows = providers.map((numbers) => [
    numbers.provider,
    String(numbers.usable),
    String(numbers.coolingDown),
    String(numbers.needsLogin),
    String(numbers.blocked),
    String(numbers.disabled),
    numbers.nextUsableTime === undefined ? "" : moment(numbers.nextUsableTime, nowMs),
  ]);
  return table(["PROVIDER", "USABLE", "COOLING", "NEEDS LOGIN", "BLOCKED", "DISABLED", "NEXT BACK"], rows);
}

/** The profiles, for those who may see them. */
async function profilesIfShown(nowMs: number): Promise<string> {
  if ((await probe(addressOf("profile"))).state !== "live") return "";
  using line = await dial("profile");
  const profiles = profileViews((await allProfiles(line)).profiles);
  return profiles.length === 0 ? "" : profileTable(profiles, nowMs);
}
