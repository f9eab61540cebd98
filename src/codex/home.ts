import { readlinkSync } from "node:fs";
import { lstat, mkdir, readdir, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Directories of Codex that all runs of a user share; made if they are missing, so that they can be linked. */
const SHARED_DIRECTORIES = [
  ...["sessions", "archived_sessions", "prompts", "rules", "memories", "log", "shell_snapshots", "plugins"],
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
 */
export async function linkUserHome(home: string, userHome: string): Promise<void> {
  const directories = SHARED_DIRECTORIES.map((name) => mkdir(join(userHome, name), { recursive: true }));
  await Promise.all([mkdir(join(userHome, "skills"), { recursive: true }), ...directories]);
  const [entries, skills] = await Promise.all([readdir(userHome), readdir(join(userHome, "skills"))]);
  const found = entries.filter((name) => !PRIVATE.has(name) && !DATABASE.test(name) && name !== "skills");
  const names = new Set([...SHARED_DIRECTORIES, ...SHARED_FILES, ...found]);
  await mkdir(join(home, "skills"));
  const link = (name: string) => symlink(join(userHome, name), join(home, name));
  await Promise.all([
    ...[...names].map(link),
    ...skills.filter((name) => name !== OWN_SKILLS).map((name) => link(join("skills", name))),
  ]);
}

/** True for a directory of our own that nobody else can enter. */
export async function isPrivate(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
}
