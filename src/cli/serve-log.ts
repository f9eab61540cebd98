import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type DestinationStream, type Logger, pino, symbols } from "pino";

const STANDARD_ERROR = 2;
/** Bytes that may wait for whoever reads standard error; lines above that are dropped and counted. */
const MOST_WAITING = 1024 * 1024;
/** As pino counts. */
const [WARN, FATAL] = [40, 60];
/** How long the end of the process waits for a reader, in milliseconds. */
export const LAST_WORDS_MS = 2_000;

export interface DaemonLog {
  readonly log: Logger;
  /** Resolves when all lines are out, or after `LAST_WORDS_MS`. */
  flush(): Promise<void>;
}

/** The broker's log on standard error: JSON lines, or something readable if a person reads it and did not ask for JSON. */
export async function daemonLog(
  level: string,
  asJson: boolean,
  stream: Writable = process.stderr,
): Promise<DaemonLog> {
  if (asJson || !("isTTY" in stream && stream.isTTY))
    return { log: pino({ level }, dropping(stream)), flush: () => flushed(stream) };
  const { PinoPretty } = await import("pino-pretty");
  const colorize = !process.env.NO_COLOR;
  const destination = { destination: STANDARD_ERROR, sync: true, colorize, ignore: "pid,hostname" };
  return { log: pino({ level }, PinoPretty(destination)), flush: async () => {} };
}

/** A pipe that nobody reads must not hold the broker: what has no room in it waits, up to a bound. */
function dropping(stream: Writable): DestinationStream {
  let dropped = 0;
  return {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 0,
    write(line: string) {
      // What ends the process is said in any case.
      const isFatal = this.lastLevel >= FATAL;
      if (stream.writableLength > MOST_WAITING && !isFatal) {
        dropped += 1;
        return;
      }
      if (dropped > 0) stream.write(`${droppedLine(dropped)}\n`);
      dropped = 0;
      stream.write(line);
    },
  } as DestinationStream & { lastLevel: number };
}

function droppedLine(count: number): string {
  const msg = `${count} lines of this log are missing: nobody read standard error`;
  return JSON.stringify({ level: WARN, time: Date.now(), pid: process.pid, msg });
}

async function flushed(stream: Writable): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return;
  const late = new AbortController();
  const written = new Promise<void>((resolve) => stream.write("", () => resolve()));
  await Promise.race([written, sleep(LAST_WORDS_MS, undefined, { signal: late.signal }).catch(() => {})]);
  late.abort();
}
