import { readFileSync } from "node:fs";

/** Descriptors that are not for connections: files, sockets, what answers of providers and programs take. */
const RESERVED = 48;
const FEWEST = 8;

/** The limit may be changed from outside; to look takes 40 µs. */
const LOOK_MS = 1_000;

let soft: number | undefined;
let lookedAtMs = Number.NEGATIVE_INFINITY;

/** How many connections this process can bear by its limit of open files; the wanted number where that is not told. */
export function bearable(wanted: number): number {
  const nowMs = performance.now();
  if (nowMs - lookedAtMs > LOOK_MS) {
    soft = softLimit();
    lookedAtMs = nowMs;
  }
  return soft === undefined ? wanted : Math.max(FEWEST, Math.min(wanted, soft - RESERVED));
}

/** Node has raised it to the hard one by now. */
function softLimit(): number | undefined {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}
