import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { keyOfRecoveryCode, keyText, recoveryCode } from "../key/recovery-code.ts";
import { keyFacts, readKey, restoreKey, rotateKey } from "../key-commands.ts";
import { CommandError } from "./command-error.ts";
import { here } from "./here.ts";
import { readSecretInput } from "./input.ts";
import { jsonOption } from "./options.ts";
import { note, plain, print, printJson } from "./output.ts";
import { withProgress } from "./progress.ts";

const ABOUT = `
Every record in the state directory is sealed with one key. It is kept in a private file beside config.json,
in the system's keyring, or wherever a program of yours gets it from: key.source in config.json.

Example:
  $ auth-broker key show`;

const EXPORT = `
The code is the key, to be kept on paper or in a password manager, away from this machine. With it and a
copy of the state directory every login can be read; without the key nothing in the state can.

Example:
  $ auth-broker key export`;

const RESTORE = `
Reads a recovery code and puts the key back where it was kept. Only the key that sealed the records is
taken, and no other key is overwritten.

Example:
  $ auth-broker key restore < recovery-code.txt`;

const ROTATE = `
Seals every record with a new key, kept where config.json says; so this is also how the key moves to another
place. Stop the broker first. If it is interrupted, or the disk is full, every record still opens, and the
next start or the next rotation goes on. Older backups need the old key, so keep its recovery code as long as
you keep them. Leases that are out end with it.

Where a program gives the key, let it give the new one first, and give the old one's recovery code with
--former.

Example:
  $ auth-broker key rotate`;

interface Output {
  readonly json?: boolean;
}

export function defineKey(command: Command): void {
  jsonOption(
    command.command("show").description("tell which key is in use and where it is kept, never the key"),
  )
    .addHelpText("after", "\nExample:\n  $ auth-broker key show")
    .action(show);
  jsonOption(command.command("export").description("print the recovery code of the key"))
    .option("--hex", "64 hex digits instead, as a program that gives the key must print them")
    .addHelpText("after", EXPORT)
    .action(exportKey);
  jsonOption(command.command("restore").description("put a lost key back from its recovery code"))
    .argument("[file]", "file with the code; - is standard input", "-")
    .option("--hex", "only print the key as 64 hex digits, for a program that gives it")
    .addHelpText("after", RESTORE)
    .action(restore);
  jsonOption(command.command("rotate").description("seal everything with a new key"))
    .option("--former <file>", "recovery code of the key in use; - is standard input")
    .addHelpText("after", ROTATE)
    .action(rotate);
  command.addHelpText("after", ABOUT);
}

async function show({ json }: Output): Promise<void> {
  const { where, config } = await surroundings();
  const facts = await keyFacts(where, config);
  if (json) return printJson(facts);
  print(`key ${facts.key}, kept in ${facts.source} (${plain(facts.place)})`);
  print(`seals the records in ${plain(facts.stateDir)}`);
  if (facts.isRotating) print("a rotation is not over; the next start or auth-broker key rotate finishes it");
}

async function exportKey({ json, hex }: Output & { readonly hex?: boolean }): Promise<void> {
  const { where, config } = await surroundings();
  const key = await readKey(where, config);
  const code = hex ? keyText(key) : recoveryCode(key);
  if (json) return printJson(hex ? { key: code } : { recoveryCode: code });
  print(code);
  if (process.stdout.isTTY) note("keep it away from this machine; it opens every record");
}

async function restore(file: string, { json, hex }: Output & { readonly hex?: boolean }): Promise<void> {
  const key = await codeIn(file);
  if (hex) return print(keyText(key));
  const { where, config } = await surroundings();
  const facts = await restoreKey(where, config, key);
  if (json) return printJson(facts);
  print(`key ${facts.key} is back in ${facts.source} (${plain(facts.place)})`);
}

async function rotate({ json, former }: Output & { readonly former?: string }): Promise<void> {
  const old = former === undefined ? undefined : await codeIn(former);
  const { where, config } = await surroundings();
  const rotated = await withProgress("sealing the records anew", rotateKey(where, config, old));
  if (json) return printJson(rotated);
  print(`everything is sealed with key ${rotated.key}, kept in ${rotated.source}`);
  for (const name of rotated.unreadable) note(`${plain(name)} could not be read and stays as it is`);
  note("for a new recovery code: auth-broker key export");
}

async function codeIn(file: string): Promise<Uint8Array> {
  const text = await readSecretInput(file, "recovery code: ", "line");
  const key = keyOfRecoveryCode(text);
  if (key !== undefined) return key;
  throw new CommandError(65, "this is no recovery code, or there is a mistake in it", {
    help: "8 groups of 7 letters and digits, as auth-broker key export prints them",
  });
}

async function surroundings() {
  const where = here();
  return { where, config: (await loadConfig(where.configFile)).key };
}
