import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** This module stands one level below it: in src/, in dist/, and in the programs in bin/ that it is bundled into. */
const PACKAGE = new URL("../", import.meta.url);

/** The path of a file of this package, such as `packageFile("proto")`. */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(name, PACKAGE));
}

export const VERSION: string = (
  JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }
).version;
