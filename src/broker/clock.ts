import type { Now } from "../domain/time.ts";

/** Where the broker gets its time from. The only source: nothing else reads a clock or sets a timer. */
export interface Clock {
  now(): Now;
  /** Calls `fire` once after `delayMs`; the function given back cancels it. */
  timer(delayMs: number, fire: () => void): () => void;
}

/** The real time. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monoMs: performance.now() }),
  timer: (delayMs, fire) => {
    const handle = setTimeout(fire, delayMs);
    handle.unref();
    return () => clearTimeout(handle);
  },
};
