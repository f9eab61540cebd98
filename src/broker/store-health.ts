import { after } from "../domain/time.ts";
import { StoreError } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";

const RETRY_FIRST_MS = 1_000;
const RETRY_LONGEST_MS = 30_000;

/** Keeps book of whether the store can be written, and tries again until it can. */
export class StoreHealth {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #onChange: () => void;
  /** Writes what is unwritten, or proves that writing works; rejects if not. */
  readonly #tryAgain: () => Promise<void>;
  #trouble: StoreError | undefined;
  #failures = 0;
  #isScheduled = false;

  constructor(wiring: {
    readonly clock: Clock;
    readonly alarm: Alarm;
    readonly onChange: () => void;
    readonly tryAgain: () => Promise<void>;
  }) {
    this.#clock = wiring.clock;
    this.#alarm = wiring.alarm;
    this.#onChange = wiring.onChange;
    this.#tryAgain = wiring.tryAgain;
  }

  /** Why the store cannot be written at the moment, or undefined if it can. */
  get trouble(): StoreError | undefined {
    return this.#trouble;
  }

  /** Runs a write and notes how it went. After one that failed, writing is tried again until it works. */
  async written<T>(write: () => Promise<T>): Promise<T> {
    try {
      const result = await write();
      this.#note(undefined);
      return result;
    } catch (error) {
      if (error instanceof StoreError && error.code !== "conflict") this.#note(error);
      this.#schedule();
      throw error;
    }
  }

  #note(error: StoreError | undefined): void {
    const was = this.#trouble;
    this.#trouble = error;
    if ((was === undefined) !== (error === undefined)) this.#onChange();
  }

  /** Another record that could be written says nothing about those that could not, so the retry stays set. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const delayMs = Math.min(RETRY_FIRST_MS * 2 ** this.#failures, RETRY_LONGEST_MS);
    this.#alarm.at(after(this.#clock.now(), delayMs), () => void this.#retry());
  }

  async #retry(): Promise<void> {
    this.#isScheduled = false;
    this.#failures += 1;
    try {
      await this.#tryAgain();
      this.#failures = 0;
    } catch {
      // The write that failed has set the next try.
    }
  }
}
