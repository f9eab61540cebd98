import { existsSync, type FSWatcher, readdirSync, readFileSync, readlinkSync, watch } from "node:fs";
import { join } from "node:path";
import { LOCKS } from "./home.ts";

const LOCK = /^([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.lock$/;

/** The threads that one Codex has had open, the first one first. */
export interface Threads {
  soFar(): readonly string[];
  /** The process to look at. */
  follows(pid: number): void;
  stop(): readonly string[];
}

/**
 * Learns which threads a Codex opens from the lock that it takes on each. All runs of a user share
 * that directory, so a lock counts only if the process holds it open. Where the system does not
 * tell, a thread counts if it is the only one.
 *
 * `onAllClosed` is called each time the last of its locks is gone: what it had to write is written then, 20 ms
 * before it ends (measured). Not where the system does not tell whose they are.
 */
export function watchThreads(home: string, onAllClosed: () => void): Threads {
  const seen = new Set<string>();
  const own: string[] = [];
  const open = new Set<string>();
  const directory = join(home, LOCKS);
  let pid: number | undefined;
  const look = (name: string | null) => {
    const [, id] = LOCK.exec(name ?? "") ?? [];
    if (id === undefined) return;
    if (open.has(id) && !existsSync(join(directory, `${id}.lock`))) {
      open.delete(id);
      if (open.size === 0) onAllClosed();
      return;
    }
    seen.add(id);
    if (open.has(id) || pid === undefined || !holds(pid, `/${name}`)) return;
    open.add(id);
    if (!own.includes(id)) own.push(id);
  };
  const watcher = watcherOf(directory, look);
  return {
    soFar: () => [...own],
    follows(started) {
      pid = started;
      for (const name of readdirSync(directory)) look(name);
    },
    stop() {
      watcher?.close();
      return own.length > 0 || process.platform === "linux" || seen.size > 1 ? own : [...seen];
    },
  };
}

/** Undefined where the system has no more watches to give: Codex runs all the same, and only its start is looked at. */
function watcherOf(directory: string, look: (name: string | null) => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, (_event, name) => look(name));
    return watcher.on("error", () => {});
  } catch {
    return undefined;
  }
}

/** Whether the process or a child of it has a file open whose path ends so. The `codex` of npm starts the real one. */
function holds(pid: number, ending: string): boolean {
  return [pid, ...childrenOf(pid)].some((one) =>
    entries(`/proc/${one}/fd`).some((fd) => targetOf(`/proc/${one}/fd/${fd}`).endsWith(ending)),
  );
}

function childrenOf(pid: number): readonly number[] {
  return entries(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, "latin1")
        .split(" ")
        .filter(Boolean)
        .map(Number);
    } catch {
      return [];
    }
  });
}

function entries(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
