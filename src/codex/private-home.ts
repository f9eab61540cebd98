import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectories } from "../make-directories.ts";
import { LaunchError } from "./error.ts";
import { isPrivate } from "./home.ts";

/** Memory that no power cut leaves behind, and outside the places where Codex refuses to work. */
const IN_MEMORY = "/dev/shm";

/** Whose home a directory is: the process, when it started (ids come again), and where its id is valid. */
interface Owner {
  readonly pid: number;
  readonly startTicks: string;
  readonly namespace: string;
}

/**
 * The directory that holds the private homes of this user: in memory where the system has such a
 * place, else under `stateDir`. Throws `LaunchError` if neither can be used.
 */
export function homesRoot(stateDir: string): string {
  const uid = process.geteuid?.() ?? "user";
  for (const root of [join(IN_MEMORY, `auth-broker-${uid}`), join(stateDir, "codex")]) {
    // Anybody may have made the first one, so it counts only if it is ours and closed.
    if (existsSync(dirname(root)) || root.startsWith(stateDir)) makeDirectories(root, 0o700);
    if (process.platform === "win32" || isPrivate(root)) return root;
  }
  throw new LaunchError(77, `no private directory can be made under ${IN_MEMORY} or ${stateDir}`);
}

/** Makes an empty home, named after this process. */
export function makeHome(root: string): string {
  const { pid, startTicks, namespace } = ownerNow();
  const home = join(root, `${pid}.${startTicks}.${namespace}.${randomBytes(6).toString("hex")}`);
  mkdirSync(home, { mode: 0o700 });
  return home;
}

/** Removes homes whose process is gone; never one whose process lives or cannot be seen from here. */
export async function sweepHomes(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const owner = ownerOf(name);
    if (owner === undefined || isAlive(owner)) continue;
    await rm(join(root, name), { recursive: true, force: true });
  }
}

function ownerNow(): Owner {
  return { pid: process.pid, startTicks: startTicksOf(process.pid) ?? "0", namespace: pidNamespace() };
}

function ownerOf(name: string): Owner | undefined {
  const [, pid, startTicks, namespace] = /^(\d+)\.(\d+)\.(\d+)\.[0-9a-f]{12}$/.exec(name) ?? [];
  if (pid === undefined || startTicks === undefined || namespace === undefined) return undefined;
  return { pid: Number(pid), startTicks, namespace };
}

function isAlive({ pid, startTicks, namespace }: Owner): boolean {
  if (namespace !== pidNamespace()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return (startTicksOf(pid) ?? "0") === startTicks;
}

/** Field 22 of `/proc/<pid>/stat` (proc(5)); undefined where the system has no such file. */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** Number of the namespace in which process ids are valid; containers may share a directory, but not these. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    return "0";
  }
}
