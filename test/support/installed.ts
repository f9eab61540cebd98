import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CACHE } from "./openclaw-program.mjs";

/**
 * Installs a program from npm, unless the cache has that version; gives the directory of its commands. Too big
 * for a dev dependency, so call it in a `beforeAll` with five minutes. For one test file each.
 */
export async function installed(name: string, version: string): Promise<string> {
  const place = join(CACHE, `${name.replace(/.*\//, "")}-${version}`);
  const bin = join(place, "node_modules/.bin");
  if (existsSync(bin)) return bin;
  const what = ["--no-audit", "--no-fund", "--prefix", place, `${name}@${version}`];
  await promisify(execFile)("npm", ["install", ...what]);
  return bin;
}
