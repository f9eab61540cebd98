import { existsSync, readdirSync } from "node:fs";
import { join, sep } from "node:path";
import type { Place } from "./document.ts";
import { readError } from "./file-error.ts";
import { profileOfFileName } from "./file-name.ts";

export const PROFILES = "profiles";
export const USAGE = "usage";
export const PROVIDERS = "providers.json";

/** A document of the state directory by its name in it. */
export function placeOf(directory: string, name: string): Place {
  // Not `join`, which takes as long as to read the file (measured): both parts are as it would leave them.
  return { path: `${directory}${sep}${name}`, name };
}

/** The name of a profile's document, by its file name. */
export function profilePlace(fileName: string): string {
  return `${PROFILES}/${fileName}`;
}

/** The name of the document with a profile's usage, by its file name. */
export function usagePlace(fileName: string): string {
  return `${USAGE}/${fileName}`;
}

/** File names of the profiles' documents. Throws `StoreError`. */
export function profileFiles(directory: string): readonly string[] {
  return filesIn(join(directory, PROFILES));
}

function filesIn(path: string): readonly string[] {
  try {
    return readdirSync(path).filter((name) => profileOfFileName(name) !== undefined);
  } catch (error) {
    throw readError(error, path);
  }
}

/** Every document that may be there. Throws `StoreError`. */
export function documentsIn(directory: string): readonly Place[] {
  const names = profileFiles(directory).map(profilePlace);
  const usage = join(directory, USAGE);
  const histories = existsSync(usage) ? filesIn(usage).map(usagePlace) : [];
  return [...names, ...histories, PROVIDERS].map((name) => placeOf(directory, name));
}
