import { closeSync, openSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs";

/** Which file a program is, whatever it is called and whichever mounts it sees. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** What tells a running program from any other. */
export interface ProcessFacts {
  /** Ticks after boot at which the process began: with its number it names one process for good. */
  readonly start: string;
  /** The file it runs. Absent where it may not be read: another user's process, unless we are root. */
  readonly executable?: FileIdentity & { readonly path: string };
  /** As `unitOf` says. Absent where it runs in none. */
  readonly unit?: string;
}

/** Undefined if there is no such process, or the system shows none: anything but Linux with /proc. */
export function processFacts(pid: number): ProcessFacts | undefined {
  const start = startOf(pid);
  if (start === undefined) return undefined;
  const executable = executableOf(pid);
  const unit = unitOfProcess(pid);
  return {
    start,
    ...(executable === undefined ? {} : { executable }),
    ...(unit === undefined ? {} : { unit }),
  };
}

/** As much of the facts as tells whether it is still the same program. */
export type Sameness = Pick<ProcessFacts, "start"> & { readonly executable?: FileIdentity };

/** Cheaper than all facts, for every call. Undefined if there is no such process. */
export function sameness(pid: number): Sameness | undefined {
  const start = startOf(pid);
  if (start === undefined) return undefined;
  const executable = fileIdentity(`/proc/${pid}/exe`);
  return executable === undefined ? { start } : { start, executable };
}

/** As `ProcessFacts.unit`. */
export function unitOfProcess(pid: number): string | undefined {
  return unitOf(read(`/proc/${pid}/cgroup`) ?? "");
}

const STAT = Buffer.alloc(1_024);

/** The 22nd field of /proc/PID/stat (proc_pid_stat(5)); the second one, a name, may hold anything. */
function startOf(pid: number): string | undefined {
  try {
    const fd = openSync(`/proc/${pid}/stat`, "r");
    try {
      const stat = STAT.toString("latin1", 0, readSync(fd, STAT, 0, STAT.length, 0));
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ", 20)[19];
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** By the link's target itself: what its text names could be another file in our mounts. */
function executableOf(pid: number): ProcessFacts["executable"] {
  try {
    const link = `/proc/${pid}/exe`;
    const { dev, ino } = statSync(link);
    return { device: dev, inode: ino, path: readlinkSync(link) };
  } catch {
    return undefined;
  }
}

/** The file at a path, or undefined if there is none, or it may not be looked at. */
export function fileIdentity(path: string): FileIdentity | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats === undefined ? undefined : { device: stats.dev, inode: stats.ino };
  } catch {
    return undefined;
  }
}

/**
 * The systemd unit in the text of /proc/PID/cgroup: `codex.service` for one of the system's, and with the manager in
 * front, `user@1000.service/codex.service`, for one of a user's. A user may give units of their own any name, so the
 * two must not look the same. Undefined outside of any.
 */
export function unitOf(cgroup: string): string | undefined {
  // One line a hierarchy; systemd keeps its own in `name=systemd` (version 1, hybrid) or in `0::` (version 2).
  for (const hierarchy of [/^\d+:name=systemd:(.*)$/m, /^0::(.*)$/m]) {
    const [first, second] = unitsOn(hierarchy.exec(cgroup)?.[1] ?? "");
    if (first === undefined) continue;
    return /^user@\d+\.service$/.test(first) && second !== undefined ? `${first}/${second}` : first;
  }
  return undefined;
}

/** A name that could be mistaken for a control file has `_` in front (systemd, CGROUP_DELEGATION). */
function unitsOn(path: string): readonly string[] {
  const names = path.split("/").map((name) => (name.startsWith("_") ? name.slice(1) : name));
  return names.filter((name) => /\.(?:service|scope)$/.test(name));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
