import type { Command } from "commander";
import { answerJson, ask } from "./call.ts";
import { jsonOption } from "./options.ts";
import { print, printJson } from "./output.ts";

/** Refreshes under way are waited for, as long as each of them may take. */
const LANDING_MS = 65_000;

const LOCK = `
The broker forgets the key and every login until it is unlocked; agents are told so, and nothing is refreshed.
Credentials that are out stay good until they expire. key.lockAfter in config.json does the same when nobody
asked for anything for a while.

Example:
  $ auth-broker lock`;

const UNLOCK = `
The broker takes the key from its place again: the file, the keyring or the program of key.source in
config.json, which may ask its owner.

Example:
  $ auth-broker unlock`;

export function defineLock(command: Command): void {
  jsonOption(command)
    .addHelpText("after", LOCK)
    .action(async ({ json }: { json?: boolean }) => {
      const answer = await ask("store", "LockStore", {}, LANDING_MS);
      if (json) printJson(answerJson("LockStore", answer));
      else print("locked");
    });
}

export function defineUnlock(command: Command): void {
  jsonOption(command)
    .addHelpText("after", UNLOCK)
    .action(async ({ json }: { json?: boolean }) => {
      const answer = await ask("store", "UnlockStore", {}, LANDING_MS);
      if (json) printJson(answerJson("UnlockStore", answer));
      else print("unlocked");
    });
}
