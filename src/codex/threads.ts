import { type FSWatcher, readdirSync, readFileSync, readlinkSync, watch } from "node:fs";
import { join } from "node:path";
import { LOCKS } from "./home.ts";

const LOCK = /^([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.lock$/;

/** The threads that one Codex has had open, the first one first. */
export interface Threads {
  /** The process to look at. */
  follows(pid: number): void;
  stop(): readonly string[];
}

/**
 * Learns which threads a Codex opens from the lock that it takes on each. All runs of a user share
 * that directory, so a lock counts only if the process holds it open. Where the system does not
 * tell, a thread counts if it is the only one.
 */
export function watchThreads(home: string): Threads {
  const seen = new Set<string>();
  const own: string[] = [];
  let pid: number | undefined;
  const look = (name: string | null) => {
    const [, id] = LOCK.exec(name ?? "") ?? [];
    if (id === undefined || own.includes(id)) return;
    seen.add(id);
    if (pid !== undefined && holds(pid, `/${name}`)) own.push(id);
  };
  const directory = join(home, LOCKS);
  const watcher: FSWatcher = watch(directory, { persistent: false }, (_event, name) => look(name));
  watcher.on("error", () => {});
  return {
    follows(started) {
      pid = started;
      for (const name of readdirSync(directory)) look(name);
    },
    stop() {
      watcher.close();
      return own.length > 0 || process.platform === "linux" || seen.size > 1 ? own : [...seen];
    },
  };
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
