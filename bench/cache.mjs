// Foreign programs for comparison: installed on demand, at fixed versions, outside the repository.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "auth-broker-bench");

/** Installs `name@version` packages if they are not there; gives a `require` that finds them. */
export function installed(packages) {
  mkdirSync(CACHE, { recursive: true });
  const missing = Object.entries(packages).filter(([name, version]) => versionOf(name) !== version);
  if (missing.length > 0) {
    const wanted = missing.map(([name, version]) => `${name}@${version}`);
    const args = ["install", "--prefix", CACHE, "--no-audit", "--no-fund", "--save-exact", ...wanted];
    const { status } = spawnSync("npm", args, { stdio: ["ignore", "ignore", "inherit"] });
    if (status !== 0) throw new Error(`npm could not install ${wanted.join(" ")}`);
  }
  return createRequire(join(CACHE, "package.json"));
}

function versionOf(name) {
  try {
    return JSON.parse(readFileSync(join(CACHE, "node_modules", name, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}
