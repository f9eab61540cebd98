/**
 * Tells listeners that something of a provider changed, without saying what: whoever listens looks at
 * the newest state when it is ready to. Nothing is queued, so a slow listener costs no memory.
 */
export class Latest {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #everything = new Set<() => void>();

  /** Calls `listener` after every change of `provider` (empty: of any) until the function given back is called. */
  on(provider: string, listener: () => void): () => void {
    const set = provider === "" ? this.#everything : this.#setFor(provider);
    set.add(listener);
    return () => {
      set.delete(listener);
      if (provider !== "" && set.size === 0) this.#listeners.delete(provider);
    };
  }

  /** A promise of the next change of `provider` (empty: of any); `stop` must be called when it is not wanted any more. */
  next(provider: string): { readonly changed: Promise<void>; readonly stop: () => void } {
    let stop = () => {};
    const changed = new Promise<void>((resolve) => {
      stop = this.on(provider, resolve);
    });
    return { changed, stop };
  }

  publish(provider: string): void {
    const set = this.#listeners.get(provider);
    if (set !== undefined) for (const listener of [...set]) listener();
    for (const listener of [...this.#everything]) listener();
  }

  #setFor(provider: string): Set<() => void> {
    const known = this.#listeners.get(provider);
    if (known !== undefined) return known;
    const made = new Set<() => void>();
    this.#listeners.set(provider, made);
    return made;
  }
}
