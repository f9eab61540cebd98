/**
 * Listeners that are told in one turn. What they write leaves at its end, so that whoever reads begins with the first
 * while the next are told: of a thousand watchers the last one knows a quarter sooner (measured).
 */
const IN_ONE_TURN = 16;

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

  /** Tells the first of the listeners at once, and the others in the next turns. */
  publish(provider: string): void {
    const set = this.#listeners.get(provider);
    if (set !== undefined) tell(set, [...set]);
    tell(this.#everything, [...this.#everything]);
  }

  #setFor(provider: string): Set<() => void> {
    const known = this.#listeners.get(provider);
    if (known !== undefined) return known;
    const made = new Set<() => void>();
    this.#listeners.set(provider, made);
    return made;
  }
}

/** `those`: who listened when it changed. Whoever has stopped since is not told. */
function tell(set: ReadonlySet<() => void>, those: readonly (() => void)[]): void {
  for (const listener of those.slice(0, IN_ONE_TURN)) if (set.has(listener)) listener();
  if (those.length > IN_ONE_TURN) setImmediate(() => tell(set, those.slice(IN_ONE_TURN)));
}
