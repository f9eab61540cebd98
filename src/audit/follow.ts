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
  while (!signal.aborted) {
    for await (const seen of readAudit(directory, link)) {
      // A line that is being written is read again, whole.
      if (seen.kind === "break" && seen.found.what === "unreadable") break;
      if (seen.kind === "break") yield seen.found;
      else {
        link = { seq: seen.line.seq, hash: seen.line.hash };
        yield seen.line;
      }
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}
