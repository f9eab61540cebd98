/**
 * Two clocks, read together once per request. The wall clock knows dates but jumps; the monotonic
 * clock never jumps but knows no dates and starts anew with the process.
 */
export interface Now {
  /** Milliseconds since the Unix epoch. */
  readonly wallMs: number;
  /** Milliseconds since an arbitrary moment of this process; never goes back. */
  readonly monoMs: number;
}

/**
 * A moment in the future on both clocks. Only `wallMs` is ever written to disk; `monoMs` is derived
 * anew when a record is read.
 */
export interface Deadline {
  readonly wallMs: number;
  readonly monoMs: number;
}

/** The deadline `afterMs` from now. */
export function after(now: Now, afterMs: number): Deadline {
  return { wallMs: now.wallMs + afterMs, monoMs: now.monoMs + afterMs };
}

/** The deadline at a wall-clock moment, as far away on the monotonic clock as it is now on the wall. */
export function at(now: Now, wallMs: number): Deadline {
  return after(now, wallMs - now.wallMs);
}

/**
 * True as soon as either clock has passed the deadline. One rule serves both sides of the contract:
 * a token is good only while both clocks say so, and a cooldown ends as soon as either does.
 */
export function reached(deadline: Deadline, now: Now): boolean {
  return now.wallMs >= deadline.wallMs || now.monoMs >= deadline.monoMs;
}

/** Milliseconds until `reached` turns true; 0 when it is true already. */
export function remainingMs(deadline: Deadline, now: Now): number {
  return Math.max(0, Math.min(deadline.wallMs - now.wallMs, deadline.monoMs - now.monoMs));
}

/** Two clocks that differ by less than this still tell the same moment. */
const DRIFT_MS = 1_000;

/**
 * The wall-clock moment to show for a deadline: its own, unless the monotonic clock ends it clearly
 * earlier because the wall was set back.
 */
export function wallOf(deadline: Deadline, now: Now): number {
  const byMono = now.wallMs + deadline.monoMs - now.monoMs;
  return byMono < deadline.wallMs - DRIFT_MS ? byMono : deadline.wallMs;
}

/** The earlier of two moments that may be absent. */
export function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return Math.min(a, b);
}

/**
 * Re-anchors a deadline read from disk. It is never further away than `longestMs`, so a wall clock
 * that was set back does not make it last longer than its own length.
 */
export function anchor(wallMs: number, longestMs: number, now: Now): Deadline {
  const leftMs = Math.max(0, Math.min(wallMs - now.wallMs, longestMs));
  return { wallMs, monoMs: now.monoMs + leftMs };
}
