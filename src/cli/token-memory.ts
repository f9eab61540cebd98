import { execFileSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../make-directories.ts";
import type { Message } from "../rpc/schema.ts";
import { here } from "./here.ts";
import { note } from "./output.ts";

/** What a parent process was given last. Holds no token. */
export interface Given {
  readonly profile: string;
  readonly generation: number;
  /** Wall clock. */
  readonly atMs: number;
  /** When a refresh was forced last. Absent: never. */
  readonly forcedAtMs?: number;
}

/** Memories are of use for minutes; older ones are cleared away. */
const KEPT_MS = 24 * 3_600_000;

/** What this command's parent process was given for the same request before; undefined if nothing is known. */
export function recall(request: Message): Given | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(fileOf(request), "utf8"));
    return isGiven(read) ? read : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps it for the next call. The token was got all the same if this fails; then only a remark is made. */
export function remember(request: Message, given: Given): void {
  try {
    makeDirectories(directory(), 0o700);
    replace(fileOf(request), JSON.stringify(given));
    clearOld(given.atMs);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    note(`auth-broker: --refused-if-within has no effect, ${directory()} cannot be written (${code})`);
  }
}

/** In one step, so that a call at the same time reads the old or the new. */
function replace(file: string, text: string): void {
  const draft = `${file}.${randomUUID()}`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: "wx" });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function directory(): string {
  return join(here().runDir, "tokens");
}

function fileOf(request: Message): string {
  const key = JSON.stringify([process.ppid, startOf(process.ppid), request]);
  return join(directory(), createHash("sha256").update(key).digest("hex").slice(0, 32));
}

/** Tells a process from a later one of the same number; empty where the system does not tell. */
function startOf(pid: number): string {
  try {
    // proc(5): the name in parentheses may hold anything; the start time is the 20th field after it.
    if (process.platform === "linux") {
      return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19] ?? "";
    }
    if (process.platform === "win32") return "";
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
}

function clearOld(nowMs: number): void {
  for (const name of readdirSync(directory())) {
    const path = join(directory(), name);
    const changedAtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
    if (nowMs - changedAtMs > KEPT_MS) rmSync(path, { force: true });
  }
}

function isGiven(value: unknown): value is Given {
  if (typeof value !== "object" || value === null) return false;
  const { profile, generation, atMs, forcedAtMs } = value as Record<string, unknown>;
  return (
    typeof profile === "string" &&
    typeof generation === "number" &&
    typeof atMs === "number" &&
    (forcedAtMs === undefined || typeof forcedAtMs === "number")
  );
}
