import type { StartTimer } from "../../src/endpoint/timer.ts";

/** Timers that run out only when the test says so. */
export class ManualTimers {
  readonly #running = new Set<{ readonly fire: () => void }>();

  readonly start: StartTimer = (_afterMs, fire) => {
    const timer = { fire };
    this.#running.add(timer);
    return () => this.#running.delete(timer);
  };

  get running(): number {
    return this.#running.size;
  }

  /** Lets all that run now run out. */
  expire(): void {
    for (const timer of [...this.#running]) {
      this.#running.delete(timer);
      timer.fire();
    }
  }
}
