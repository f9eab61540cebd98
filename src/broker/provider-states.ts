import type { ProviderState } from "../store/store.ts";

type States = Readonly<Record<string, ProviderState>>;

/** What is kept of each provider apart from its profiles: an operator's order, and a ban. */
export class ProviderStates {
  readonly #write: (states: States) => Promise<void>;
  /** Called when memory shows something new of a provider. */
  readonly #onSwap: (id: string) => void;
  #states: States = {};
  #isDirty = false;
  #queue: Promise<void> = Promise.resolve();

  constructor(ends: {
    readonly write: (states: States) => Promise<void>;
    readonly onSwap: (id: string) => void;
  }) {
    this.#write = ends.write;
    this.#onSwap = ends.onSwap;
  }

  load(states: States): void {
    this.#states = states;
  }

  get(id: string): ProviderState {
    return this.#states[id] ?? {};
  }

  /** Memory is ahead of the disk, because something that must not be forgotten could not be written. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /**
   * Changes a provider's state; one change at a time. Resolves when it is durable and visible. Rejects
   * with the store's error: nothing happened then, unless `keep` says that it holds in memory all the same.
   */
  change(
    id: string,
    change: (state: ProviderState) => ProviderState,
    { keep = false }: { readonly keep?: boolean } = {},
  ): Promise<void> {
    return this.#inTurn(async () => {
      const next = { ...this.#states, [id]: change(this.get(id)) };
      const refusal = await this.#refusal(next);
      if (refusal !== undefined && !keep) throw refusal.error;
      this.#isDirty = refusal !== undefined;
      this.#states = next;
      this.#onSwap(id);
      if (refusal !== undefined) throw refusal.error;
    });
  }

  /** Writes what is in memory only. Rejects with the store's error. */
  rewrite(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isDirty) return;
      await this.#write(this.#states);
      this.#isDirty = false;
    });
  }

  async #refusal(states: States): Promise<{ readonly error: unknown } | undefined> {
    try {
      await this.#write(states);
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const result = this.#queue.then(run);
    this.#queue = result.catch(() => {});
    return result;
  }
}
