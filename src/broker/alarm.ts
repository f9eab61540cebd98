import { type Deadline, type Now, reached, remainingMs } from "../domain/time.ts";
import type { Clock } from "./clock.ts";

/**
 * The clock is looked at no later than this, whatever is due: after a sleep of the machine or a step
 * of the wall clock nothing is noticed later, and no delay outgrows the 32 bits of `setTimeout`.
 */
const LONGEST_LOOK_AHEAD_MS = 30_000;

interface Entry {
  readonly deadline: Deadline;
  readonly fire: () => void;
}

/** Every due moment of the process behind one timer. */
export class Alarm {
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #entries = new Set<Entry>();
  #cancelTimer: (() => void) | undefined;
  #armedForMonoMs = Number.POSITIVE_INFINITY;

  /** `onError` hears what a due function threw; the others are called all the same. */
  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  /** Calls `fire` once, when the deadline is reached. The function given back takes that back. */
  at(deadline: Deadline, fire: () => void): () => void {
    const entry = { deadline, fire };
    this.#entries.add(entry);
    this.#arm(entry, this.#clock.now());
    return () => {
      this.#entries.delete(entry);
      if (this.#entries.size === 0) this.#disarm();
    };
  }

  /** Forgets everything; used at the end of the process. */
  stop(): void {
    this.#entries.clear();
    this.#disarm();
  }

  #arm(entry: Entry, now: Now): void {
    const delayMs = Math.min(remainingMs(entry.deadline, now), LONGEST_LOOK_AHEAD_MS);
    if (now.monoMs + delayMs >= this.#armedForMonoMs) return;
    this.#disarm();
    this.#armedForMonoMs = now.monoMs + delayMs;
    this.#cancelTimer = this.#clock.timer(Math.ceil(delayMs), () => this.#look());
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#armedForMonoMs = Number.POSITIVE_INFINITY;
  }

  #look(): void {
    this.#disarm();
    const now = this.#clock.now();
    const due = [...this.#entries].filter((e) => reached(e.deadline, now));
    for (const entry of due) {
      // One that was called before it may have taken this one back.
      if (this.#entries.delete(entry)) this.#call(entry.fire);
    }
    let soonest: Entry | undefined;
    for (const entry of this.#entries) {
      if (soonest === undefined || remainingMs(entry.deadline, now) < remainingMs(soonest.deadline, now)) {
        soonest = entry;
      }
    }
    if (soonest !== undefined) this.#arm(soonest, this.#clock.now());
  }

  #call(fire: () => void): void {
    try {
      fire();
    } catch (error) {
      this.#onError(error);
    }
  }
}
