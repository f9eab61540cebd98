import { lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { makeDirectories } from "../make-directories.ts";

/** Where threads are kept. */
export const SESSIONS = "sessions";
/** Directories of Codex that all runs of a user share; made if they are missing, so that they can be linked. */
const SHARED_DIRECTORIES = [
  ...[SESSIONS, "archived_sessions", "prompts", "rules", "memories", "log", "shell_snapshots", "plugins"],
  ...["thread-writer-locks", "mcp-oauth-locks", ".tmp"],
];
/** Files of the user that Codex may create during a run: linked even while they do not exist. */
const SHARED_FILES = [
  ...["config.toml", "AGENTS.md", "AGENTS.override.md", "history.jsonl", "installation_id", "hooks.json"],
  ".credentials.json",
];
/** What belongs to one credential or one running process. */
const PRIVATE = new Set([
  ...["auth.json", "auth.json.lock", "auth.lock", "models_cache.json", "tmp", ".sandbox_migration"],
  ...["app-server-control", "app-server-daemon", "packages"],
]);
/** A run has databases of its own. */
const DATABASE = /\.sqlite(?:-shm|-wal)?$/;
const SKILLS = "skills";
/** Codex writes its own skills into this child of `skills` at every start. */
const OWN_SKILLS = ".system";

/** Where threads are locked while a Codex has them open, by `<thread id>.lock`. */
export const LOCKS = "thread-writer-locks";

/** The user's own home of Codex. Inside a run on a private home it is the one behind that. */
export function userHomeOf(env: NodeJS.ProcessEnv, root: string): string {
  const own = env.CODEX_HOME || join(env.HOME || homedir(), ".codex");
  return own.startsWith(`${root}/`) ? dirname(readlinkSync(join(own, "config.toml"))) : own;
}

/**
 * Gives an empty private home everything of the user's own but the login: by links, so that settings,
 * sessions and history are the same with and without the broker (layout of Codex 0.169, measured).
 * New threads of a home that `keepsThreads` is false for stay in it and go with it.
 * Synchronous: for so many links several times faster than the thread pool.
 */
export function linkUserHome(home: string, userHome: string, keepsThreads: boolean): void {
  for (const name of [...SHARED_DIRECTORIES, SKILLS]) makeDirectories(join(userHome, name));
  const found = readdirSync(userHome).filter((name) => !PRIVATE.has(name) && !DATABASE.test(name));
  const names = new Set([...SHARED_DIRECTORIES, ...SHARED_FILES, ...found]);
  names.delete(SKILLS);
  if (!keepsThreads) {
    names.delete(SESSIONS);
    mkdirSync(join(home, SESSIONS));
  }
  mkdirSync(join(home, SKILLS));
  for (const name of readdirSync(join(userHome, SKILLS)))
    if (name !== OWN_SKILLS) names.add(join(SKILLS, name));
  for (const name of names) symlinkSync(join(userHome, name), join(home, name));
}

/** True for a directory of our own that nobody else can enter. */
export function isPrivate(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
}
