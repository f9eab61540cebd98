import { createHash } from "node:crypto";
import { constants, copyFileSync, existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { makeDirectories } from "../make-directories.ts";
import { startPipedChild } from "./child.ts";

const DATABASE = /\.sqlite(?:-wal)?$/;
/** Without these it would look for updates. */
const ARGUMENTS = ["app-server", "--disable", "plugins", "--disable", "apps"];

/** Where the empty databases of one installed Codex are kept. Another version, another place. */
export function databasesPlace(program: string, stateDir: string): string {
  const path = realpathSync(program);
  const { size, ino, ctimeMs } = statSync(path);
  const key = createHash("sha256").update(JSON.stringify([path, size, ino, ctimeMs]));
  return join(stateDir, "codex-databases", key.digest("hex").slice(0, 16));
}

/** Gives a home empty databases; to make them takes Codex longer than all else at its start. False: there are none. */
export function copyDatabases(place: string, home: string): boolean {
  if (!existsSync(place)) return false;
  for (const name of readdirSync(place))
    copyFileSync(join(place, name), join(home, name), constants.COPYFILE_FICLONE);
  return true;
}

/** Has Codex make empty databases for the runs to come. If that fails, each run makes its own. */
export async function makeDatabases(program: string, place: string, env: NodeJS.ProcessEnv): Promise<void> {
  const parent = dirname(place);
  makeDirectories(parent, 0o700);
  const made = await mkdtemp(`${place}.`);
  try {
    const child = await startPipedChild(program, ARGUMENTS, { ...env, CODEX_HOME: made }, "ignore");
    child.stdout.resume();
    child.stdin.end();
    if ((await child.ended) !== 0) return;
    for (const name of await readdir(made))
      if (!DATABASE.test(name)) await rm(join(made, name), { recursive: true });
    await rename(made, place);
    for (const name of await readdir(parent))
      if (name !== basename(place)) await rm(join(parent, name), { recursive: true });
  } catch {
    // Another run may have been faster, or the disk is full: nothing that this run needs.
  } finally {
    await rm(made, { recursive: true, force: true }).catch(() => {});
  }
}
