const MINUTE_MS = 60_000;

/**
 * At most so many in any minute. Keeps the moments of the last ones and nothing else, so that it is exact
 * and asks no timer. Moments are monotonic milliseconds and never go back.
 */
export class Rate {
  readonly #perMinute: number;
  /** The last moments, as a ring once it is full. */
  readonly #moments: number[] = [];
  #oldest = 0;

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Counts one more and gives 0; or counts nothing and gives the milliseconds until one more is allowed. */
  take(nowMs: number): number {
    if (this.#moments.length < this.#perMinute) {
      this.#moments.push(nowMs);
      return 0;
    }
    const waitMs = (this.#moments[this.#oldest] ?? nowMs) + MINUTE_MS - nowMs;
    if (waitMs > 0) return waitMs;
    this.#moments[this.#oldest] = nowMs;
    this.#oldest = (this.#oldest + 1) % this.#perMinute;
    return 0;
  }
}
