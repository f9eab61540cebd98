import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Place } from "./document.ts";
import { readError } from "./file-error.ts";
import { profileOfFileName } from "./file-name.ts";

export const PROFILES = "profiles";
export const USAGE = "usage";
export const PROVIDERS = "providers.json";

/** A document of the state directory by its name in it. */
export function placeOf(directory: string, name: string): Place {
  return { path: join(directory, name), name };
}

/** The name of a profile's document, by its file name. */
export function profilePlace(fileName: string): string {
  return `${PROFILES}/${fileName}`;
}

/** The name of the document with a profile's usage, by its file name. */
export function usagePlace(fileName: string): string {
  return `${USAGE}/${fileName}`;
}

/** File names of the profiles' documents. Rejects with `StoreError`. */
export function profileFiles(directory: string): Promise<readonly string[]> {
  return filesIn(join(directory, PROFILES));
}

async function filesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).filter((name) => profileOfFileName(name) !== undefined);
  } catch (error) {
    throw readError(error, path);
  }
}

/** Every document that may be there. Rejects with `StoreError`. */
export async function documentsIn(directory: string): Promise<readonly Place[]> {
  const names = (await profileFiles(directory)).map(profilePlace);
  const usage = join(directory, USAGE);
  const histories = existsSync(usage) ? (await filesIn(usage)).map(usagePlace) : [];
  return [...names, ...histories, PROVIDERS].map((name) => placeOf(directory, name));
}
