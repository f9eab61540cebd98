import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { auditFiles, CURRENT } from "./files.ts";
import { FIRST_LINK, type Line, type Link, readLine } from "./line.ts";

/** One line that is not as it was written, or the gap before it. */
export interface Break {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** The number that stands in it, or the last one before. */
  readonly seq: number;
  /** `changed`: its hash is wrong; `unreadable`: it is no line; `gap`: what stood before it is gone, changed or new. */
  readonly what: "changed" | "unreadable" | "gap";
}

export interface Verified {
  readonly files: number;
  readonly lines: number;
  readonly firstSeq: number;
  readonly last: Link;
  readonly breaks: readonly Break[];
  /** The last line has no end: the broker is writing it, or died writing it. */
  readonly isUnfinished: boolean;
}

/** What a reader sees. */
type Seen =
  | { readonly kind: "line"; readonly line: Line }
  | { readonly kind: "break"; readonly found: Break };

/** All lines, oldest first, with what is wrong between them. A file that rotation removes meanwhile is left out. */
export async function* readAudit(directory: string, from: Link = FIRST_LINK): AsyncGenerator<Seen> {
  let link = from;
  let isFirst = from.seq === 0;
  // What is wrong up to `from` was told to whoever read that far.
  let isPast = from.seq > 0;
  for (const file of await auditFiles(directory, from.seq)) {
    let number = 0;
    for (const text of await linesOf(join(directory, file))) {
      number += 1;
      const read = readLine(text);
      if (typeof read === "string") {
        if (isPast) continue;
        const what = read === "hash" ? "changed" : "unreadable";
        yield { kind: "break", found: { file, line: number, seq: seqIn(text) ?? link.seq, what } };
        if (read === "hash") link = { seq: seqIn(text) ?? link.seq, hash: hashIn(text) ?? link.hash };
        continue;
      }
      isPast = read.seq < from.seq;
      if (read.seq <= from.seq) continue;
      // Rotation removes the oldest files, so the first line may follow one that is gone.
      const isNext = read.seq === link.seq + 1 && read.prev === link.hash;
      if (!isNext && !(isFirst && read.seq > 1))
        yield { kind: "break", found: { file, line: number, seq: read.seq, what: "gap" } };
      isFirst = false;
      link = { seq: read.seq, hash: read.hash };
      yield { kind: "line", line: read };
    }
  }
}

/** Goes through the whole chain. */
export async function verifyAudit(directory: string): Promise<Verified> {
  const files = await auditFiles(directory);
  let lines = 0;
  let firstSeq = 0;
  let last = FIRST_LINK;
  const breaks: Break[] = [];
  for await (const seen of readAudit(directory)) {
    lines += 1;
    if (seen.kind === "break") {
      breaks.push(seen.found);
      if (seen.found.what === "gap") lines -= 1;
      continue;
    }
    if (firstSeq === 0) firstSeq = seen.line.seq;
    last = { seq: seen.line.seq, hash: seen.line.hash };
  }
  const tail = breaks.at(-1);
  const isUnfinished =
    tail?.what === "unreadable" && tail.file === CURRENT && !(await endsWhole(join(directory, CURRENT)));
  return {
    files: files.length,
    lines,
    firstSeq,
    last,
    breaks: isUnfinished ? breaks.slice(0, -1) : breaks,
    isUnfinished,
  };
}

async function endsWhole(path: string): Promise<boolean> {
  return (await textOf(path)).endsWith("\n");
}

async function linesOf(path: string): Promise<readonly string[]> {
  const lines = (await textOf(path)).split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** Empty for a file that is gone. */
function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}

function seqIn(text: string): number | undefined {
  const found = /^\{"seq":(\d+),/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

function hashIn(text: string): string | undefined {
  return /"hash":"([0-9a-f]{64})"\}$/.exec(text)?.[1];
}
