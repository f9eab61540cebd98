import { setTimeout as sleep } from "node:timers/promises";
import type { Line, Link } from "./line.ts";
import { type Break, readAudit } from "./read.ts";

const LOOK_MS = 250;

/** Lines as they are written, after `from`, until `signal`. Breaks of the chain come as such, once. */
export async function* followAudit(
  directory: string,
  from: Link,
  signal: AbortSignal,
): AsyncGenerator<Line | Break> {
  let link = from;
  // The last line is looked at again until another follows it.
  const told = new Set<string>();
  const isNews = ({ file, line }: Break) => told.size < told.add(`${file} ${line}`).size;
  while (!signal.aborted) {
    let unread: Break | undefined;
    for await (const seen of readAudit(directory, link)) {
      if (unread !== undefined && isNews(unread)) yield unread;
      unread = undefined;
      if (seen.kind === "line") {
        link = { seq: seen.line.seq, hash: seen.line.hash };
        yield seen.line;
      } else if (seen.found.what === "unreadable") {
        // If nothing follows, it is being written, and is read again, whole.
        unread = seen.found;
      } else if (isNews(seen.found)) yield seen.found;
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}
