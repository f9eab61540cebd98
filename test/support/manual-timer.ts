import type { StartTimer } from "../../src/endpoint/timer.ts";

/** Timers that run out only when the test says so. */
export class ManualTimers {
  readonly #running = new Set<() => void>();

  readonly start: StartTimer = (_afterMs, fire) => {
    this.#running.add(fire);
    return () => this.#running.delete(fire);
  };

  get running(): number {
    return this.#running.size;
  }

  /** Lets all that run now run out. */
  expire(): void {
    for (const fire of [...this.#running]) {
      this.#running.delete(fire);
      fire();
    }
  }
}
