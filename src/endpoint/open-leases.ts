/**
 * The leases of an endpoint that may have so many only. Kept in memory for such endpoints alone, and begun anew with the
 * process. Moments are wall-clock milliseconds.
 */
export class OpenLeases {
  readonly #most: number;
  readonly #untilMs = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** The moment at which there is room for one more; 0 if there is now. */
  roomAtMs(nowMs: number): number {
    if (this.#untilMs.size < this.#most) return 0;
    for (const [tag, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(tag);
    return this.#untilMs.size < this.#most ? 0 : Math.min(...this.#untilMs.values());
  }

  /** One that ends at that moment. */
  open(tag: string, untilMs: number): void {
    this.#untilMs.set(tag, untilMs);
  }

  /** Gives one back. */
  close(tag: string): void {
    this.#untilMs.delete(tag);
  }
}
