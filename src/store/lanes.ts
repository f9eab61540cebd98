/** Work under the same key runs one after the other, work under different keys side by side. */
export class Lanes {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `work` as soon as everything that was given before under this key is done, failed or not. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#tails.get(key) ?? Promise.resolve()).then(work);
    const tail = result.then(
      () => {},
      () => {},
    );
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }

  /** Resolves when nothing is running or waiting. */
  idle(): Promise<void> {
    return this.alone(() => {});
  }

  /** Runs `work`, which waits for nothing itself, at a moment when nothing is running or waiting. */
  async alone<T>(work: () => T): Promise<T> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
    return work();
  }
}
