import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { FIRST_LINK, type Link, readLine } from "./line.ts";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/** The file that is written to. */
export const CURRENT = "audit.jsonl";
const FULL = /^audit-(\d{12})\.jsonl$/;
/** Lines are far shorter. */
const LONGEST_TAIL = 256 * 1024;

/** Name of a full file, by the number of its last line. */
export function fullName(lastSeq: number): string {
  return `audit-${String(lastSeq).padStart(12, "0")}.jsonl`;
}

/**
 * The names of the files that hold lines after `seq`, oldest first. Empty if there is no such directory. Default: of all.
 */
export async function auditFiles(directory: string, seq = -1): Promise<readonly string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [] as string[];
    throw error;
  });
  const full = names.filter((name) => Number(FULL.exec(name)?.[1] ?? Number.NaN) > seq).sort();
  return names.includes(CURRENT) ? [...full, CURRENT] : full;
}

/** The current file, opened for appending, and where the chain goes on. */
export interface Opened {
  readonly handle: FileHandle;
  readonly bytes: number;
  readonly link: Link;
  /** Bytes of a line that was never finished, which were taken off. */
  readonly unfinished: number;
  /** Whole lines at the end that cannot be read; they stay. */
  readonly damaged: number;
}

/** Opens the log of a directory, which is made if it is missing. A line that a crash left unfinished is taken off. */
export async function openCurrent(directory: string): Promise<Opened> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // A link would have another file written to, and its end cut off.
  const flags = O_RDWR | O_APPEND | O_CREAT | (O_NOFOLLOW ?? 0);
  const handle = await open(join(directory, CURRENT), flags, 0o600);
  try {
    const { size } = await handle.stat();
    const tail = await tailOf(handle, size);
    const end = tail.lastIndexOf("\n") + 1;
    const unfinished = tail.length - end;
    if (unfinished > 0) await handle.truncate(size - unfinished);
    const found = lastLink(tail.subarray(0, end).toString("utf8"));
    const link = found.link ?? (await linkBefore(directory));
    return { handle, bytes: size - unfinished, link, unfinished, damaged: found.damaged };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function tailOf(handle: FileHandle, size: number): Promise<Buffer> {
  const length = Math.min(size, LONGEST_TAIL);
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, size - length);
  return bytes.subarray(0, bytesRead);
}

function lastLink(text: string): { readonly link?: Link; readonly damaged: number } {
  let damaged = 0;
  for (const line of text.split("\n").slice(0, -1).reverse()) {
    const read = readLine(line);
    if (typeof read !== "string") return { link: { seq: read.seq, hash: read.hash }, damaged };
    damaged += 1;
  }
  return { damaged };
}

/** Where the last full file ends. */
async function linkBefore(directory: string): Promise<Link> {
  const name = (await auditFiles(directory)).filter((one) => one !== CURRENT).at(-1);
  if (name === undefined) return FIRST_LINK;
  const handle = await open(join(directory, name), "r");
  try {
    const tail = await tailOf(handle, (await handle.stat()).size);
    const { link } = lastLink(tail.toString("utf8"));
    return link ?? { ...FIRST_LINK, seq: Number(FULL.exec(name)?.[1]) };
  } finally {
    await handle.close();
  }
}
