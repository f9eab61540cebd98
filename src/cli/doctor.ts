import { existsSync } from "node:fs";
import type { Command } from "commander";
import { VERSION } from "../package.ts";
import { CommandError, commandErrorOf } from "./command-error.ts";
import { brokerChecks } from "./doctor-broker.ts";
import { type Check, ok, warn } from "./doctor-check.ts";
import { type FoundLogins, loginChecks } from "./doctor-logins.ts";
import { placeChecks } from "./doctor-places.ts";
import { versionChecks } from "./doctor-programs.ts";
import { here } from "./here.ts";
import { jsonOption } from "./options.ts";
import { paint, plain, print, printJson, type Style } from "./output.ts";

const MARKS: Readonly<Record<Check["status"], Style>> = { ok: "green", warn: "yellow", fail: "red" };

const EXAMPLE = `
Works with and without a running broker, and changes nothing. Looks at versions, places and permissions,
config.json, the broker, and the logins of Codex, OpenClaw, Claude Code and Gemini CLI: two programs that
hold the same single-use login log each other out. Exits with 78 if something failed, 0 if there are at
most warnings.

Example:
  $ auth-broker doctor`;

export function defineDoctor(command: Command): void {
  jsonOption(command)
    .addHelpText("after", EXAMPLE)
    .action(async ({ json }: { json?: boolean }) => {
      const checks: Check[] = [
        ok("version", `auth-broker ${VERSION}, Node ${process.version}, ${process.platform}`),
      ];
      checks.push(...versionChecks(process.env));
      const found = await examine(checks);
      if (json) printJson({ checks, ...found });
      else for (const check of checks) printCheck(check);
      if (checks.some(({ status }) => status === "fail")) process.exitCode = 78;
    });
}

async function examine(checks: Check[]): Promise<FoundLogins> {
  const nothing: FoundLogins = { logins: [], sharedGrants: [] };
  const where = await attempt(checks, "places", here);
  if (where === undefined) return nothing;
  checks.push(...placeChecks(where));
  await attempt(checks, "config", async () => {
    const { loadConfig } = await import("../config.ts");
    await loadConfig(where.configFile);
    const isThere = existsSync(where.configFile);
    checks.push(
      ok("config", `${where.configFile} ${isThere ? "is valid" : "does not exist; the defaults apply"}`),
    );
  });
  await attempt(checks, "state", async () => {
    const { recordChecks } = await import("./doctor-records.ts");
    checks.push(...(await recordChecks(where)));
  });
  const profiles = (await attempt(checks, "broker", () => brokerChecks(checks))) ?? [];
  return (await attempt(checks, "logins", () => loginChecks(checks, where, profiles))) ?? nothing;
}

/** What cannot be looked at is a finding, not the end of the examination. */
async function attempt<T>(
  checks: Check[],
  topic: string,
  look: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await look();
  } catch (thrown) {
    const { message, help } = commandErrorOf(thrown) ?? new CommandError(70, "unexpected error");
    checks.push({ ...warn(topic, message, help), status: "fail" });
    return undefined;
  }
}

function printCheck({ status, topic, message, help }: Check): void {
  const [first = "", ...rest] = message.split("\n").map(plain);
  print(`${paint(MARKS[status], status.padEnd(4))}  ${topic}: ${first}`);
  for (const line of rest) print(`      ${line}`);
  if (help !== "" && !message.includes(help)) print(`      what helps: ${plain(help)}`);
}
