import type { Deadline } from "../domain/time.ts";
import type { Alarm } from "./alarm.ts";

/** Wakes one sleeper. Rung once or many times before it sleeps, it is one wake: nothing is queued. */
export class Bell {
  readonly #alarm: Alarm;
  #isRung = false;
  #wake: (() => void) | undefined;

  constructor(alarm: Alarm) {
    this.#alarm = alarm;
  }

  readonly ring = (): void => {
    this.#isRung = true;
    this.#wake?.();
  };

  /** Forgets what rang so far, because it is looked at now. */
  quiet(): void {
    this.#isRung = false;
  }

  /** Sleeps until it rings; not at all if it has rung since `quiet`. At `until`, if given, it rings by itself. */
  rung(until: Deadline | undefined): Promise<void> {
    if (this.#isRung) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = until === undefined ? undefined : this.#alarm.at(until, this.ring);
      this.#wake = () => {
        this.#wake = undefined;
        cancel?.();
        resolve();
      };
    });
  }
}
