import { type Command, InvalidArgumentError, Option } from "commander";
import { PROFILE_KINDS } from "../domain/grant.ts";
import { durationOf } from "../rpc/instants.ts";
import type { Message } from "../rpc/schema.ts";
import { readDuration } from "./duration.ts";

/** What a caller can say about the credential that it wants. */
export interface Wishes {
  readonly model?: string;
  readonly session?: string;
  readonly pool?: string;
  readonly kind?: readonly string[];
  readonly profile?: string;
  readonly exclude?: readonly string[];
  readonly minValidFor?: number;
  readonly maxWait?: number;
  readonly json?: boolean;
}

/** Adds the options of a request for a credential, `--json` included. */
export function wishOptions(command: Command): Command {
  return jsonOption(
    command
      .option("--model <name>", "model that will be asked; its own cooldowns then count")
      .option("--session <name>", "conversation that stays with its profile")
      .option("--pool <name>", "choose from this pool only", named)
      .addOption(kindOption())
      .option("--profile <id>", "this profile and no other", named)
      .option("--exclude <id>", "not this profile (may be repeated)", collect)
      .option(
        "--min-valid-for <duration>",
        "how long the token must still be good (default: 60s)",
        durationMs,
      ),
  );
}

/** Adds `--max-wait`. */
export function waitOption(command: Command): Command {
  return command.option(
    "--max-wait <duration>",
    "how long to wait for a profile to become usable (default: 0s)",
    durationMs,
  );
}

/** Adds `--json`. */
export function jsonOption(command: Command): Command {
  return command.option("--json", "print the answer, and errors, as JSON");
}

/** Whether `--json` was given, to this command or before its name to the one above. */
export function wantsJson(command: Command): boolean {
  return command.optsWithGlobals().json === true;
}

/** The request of an acquire, an explain or a watch. Unset wishes are left to the broker. */
export function requestOf(provider: string, wishes: Wishes): Message {
  const { model, session, pool, kind, profile, exclude, minValidFor, maxWait } = wishes;
  return {
    provider,
    ...(model !== undefined && { model }),
    ...(session !== undefined && { sessionId: session }),
    ...(pool !== undefined && { pool }),
    ...(kind !== undefined && { kinds: kind.map((one) => `PROFILE_KIND_${one}`) }),
    ...(profile !== undefined && { profile }),
    ...(exclude !== undefined && { excludeProfiles: exclude }),
    ...(minValidFor !== undefined && { minValidFor: durationOf(minValidFor) }),
    ...(maxWait !== undefined && { maxWait: durationOf(maxWait) }),
  };
}

/** An option's value that narrows the choice: empty would widen it to everything without a word. */
export function named(value: string): string {
  if (value === "") throw new InvalidArgumentError("It must not be empty.");
  return value;
}

/** An option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, named(value)];
}

/** A duration option's value in milliseconds. */
export function durationMs(text: string): number {
  const read = readDuration(text);
  if (typeof read === "number") return read;
  throw new InvalidArgumentError(read.problem);
}

/** Reads one of some names in capitals, however it is written; help shows them in small letters. */
export function oneOf(names: readonly string[]): (value: string) => string {
  return (value) => {
    const name = value.toUpperCase().replaceAll("-", "_");
    if (names.includes(name)) return name;
    throw new InvalidArgumentError(`It must be one of ${names.join(", ").toLowerCase()}.`);
  };
}

function kindOption(): Option {
  const read = oneOf(PROFILE_KINDS.map((kind) => kind.toUpperCase()));
  return new Option(
    "--kind <kind>",
    "choose from this kind only: oauth, token or api_key (may be repeated)",
  ).argParser((value: string, before: readonly string[] = []) => [...before, read(value)]);
}
