// The real OpenClaw, with a Node that it runs on. Both together are far too big for a dev dependency
// (0.8 GB), so they are installed when a test first asks, into a cache that all clones share.
// As a program (`node test/support/openclaw-program.mjs [VERSION]`) it installs and prints the place.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const SELF = fileURLToPath(import.meta.url);
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "auth-broker-ci");
const NODE = "24.21.0";

/** The current one; OPENCLAW_FILES is the last that kept its logins in files. */
export const OPENCLAW = "2026.9.6";
export const OPENCLAW_FILES = "2026.5.19";

/** @param {string} [version] */
export async function openclawProgram(version = OPENCLAW) {
  const place = placeOf(version);
  if (!existsSync(place)) await installAlone(version);
  const modules = join(place, "node_modules");
  return {
    version,
    node: join(modules, "node/bin/node"),
    main: join(modules, "openclaw/openclaw.mjs"),
    package: join(modules, "openclaw"),
  };
}

/** Test files run in processes of their own; the first installs and the others wait for it. */
async function installAlone(version) {
  mkdirSync(CACHE, { recursive: true });
  await finished("flock", [join(CACHE, "openclaw.lock"), process.execPath, SELF, version]);
}

/** Under its name stands only what is complete. */
async function install(version) {
  if (existsSync(placeOf(version))) return;
  mkdirSync(CACHE, { recursive: true });
  const draft = mkdtempSync(`${placeOf(version)}.`);
  try {
    writeFileSync(join(draft, "package.json"), '{"private":true}\n');
    await npmInstall(draft, `node@${NODE}`);
    // OpenClaw refuses to be installed by another Node than it runs on.
    const path = [join(draft, "node_modules/node/bin"), process.env.PATH].join(delimiter);
    await npmInstall(draft, `openclaw@${version}`, { PATH: path });
    renameSync(draft, placeOf(version));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function npmInstall(cwd, what, env = {}) {
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--save-exact"];
  return finished("npm", ["install", ...quiet, what], { cwd, env: { ...process.env, ...env } });
}

/** Errors go where ours go. */
async function finished(command, args, options = {}) {
  const child = spawn(command, args, { ...options, stdio: ["ignore", 2, 2] });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
}

function placeOf(version) {
  return join(CACHE, `openclaw-${version}`);
}

if (process.argv[1] === SELF) {
  const [version = OPENCLAW] = process.argv.slice(2);
  await install(version);
  console.log(placeOf(version));
}
