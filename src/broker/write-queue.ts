import { BrokerFailure } from "../domain/failure.ts";
import type { Profile } from "../domain/profile.ts";

/** A change to one profile. `undefined` in: it is not there. The same object out: nothing to write. */
export type Change = (profile: Profile | undefined) => Profile;

export interface Committed {
  readonly before: Profile | undefined;
  readonly after: Profile | undefined;
}

export interface CommitOptions {
  /** If the write fails: apply in memory all the same and write later. Otherwise nothing happened. */
  readonly keep?: boolean;
  /** Set aside the space for the next commit of this profile. */
  readonly reserve?: boolean;
}

/** How a queue writes, and whom it tells. */
export interface QueueEnds {
  readonly replace: (profile: Profile, revision: number, reserve: boolean) => Promise<number>;
  readonly remove: () => Promise<void>;
  /** Called when memory shows something new: after it is durable, or ahead of the disk if it must be kept. */
  readonly onSwap: (before: Profile | undefined, after: Profile | undefined) => void;
  /** Called when nothing is being written and nothing waits. */
  readonly onRest: () => void;
}

interface Waiting {
  readonly change: Change | "remove";
  readonly options: CommitOptions;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

interface Step extends Committed {
  readonly item: Waiting;
}

/**
 * The one way to change a profile: compute, write, swap, tell. Changes queue up; those that wait
 * while a write runs are written together.
 */
export class WriteQueue {
  readonly #id: string;
  readonly #ends: QueueEnds;
  #profile: Profile | undefined;
  #revision: number;
  #isDirty = false;
  #isWriting = false;
  #waiting: Waiting[] = [];

  constructor(
    id: string,
    ends: QueueEnds,
    stored?: { readonly profile: Profile; readonly revision: number },
  ) {
    this.#id = id;
    this.#ends = ends;
    this.#profile = stored?.profile;
    this.#revision = stored?.revision ?? 0;
  }

  get profile(): Profile | undefined {
    return this.#profile;
  }

  /** Memory is ahead of the disk, because something that must not be forgotten could not be written. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Resolves when the change is durable and visible. Rejects with the store's error, or with what `change` threw. */
  commit(change: Change | "remove", options: CommitOptions = {}): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, options, resolve, reject });
      if (!this.#isWriting) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      if (this.#waiting[0]?.change === "remove") await this.#drainRemoval();
      else await this.#drainChanges();
    }
    this.#isWriting = false;
    this.#ends.onRest();
  }

  async #drainRemoval(): Promise<void> {
    const removal = this.#waiting.shift();
    const before = this.#profile;
    try {
      if (before === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: this.#id });
      await this.#ends.remove();
    } catch (error) {
      removal?.reject(error);
      return;
    }
    this.#revision = 0;
    this.#isDirty = false;
    this.#swap(undefined);
    removal?.resolve({ before, after: undefined });
  }

  async #drainChanges(): Promise<void> {
    const cut = this.#waiting.findIndex((w) => w.change === "remove");
    const batch = this.#waiting.splice(0, cut < 0 ? this.#waiting.length : cut);
    const steps = computed(this.#profile, batch);
    const next = steps.at(-1)?.after;
    if (next === undefined || (next === this.#profile && !this.#isDirty)) {
      for (const step of steps) step.item.resolve(step);
      return;
    }
    try {
      const reserve = batch.some((w) => w.options.reserve === true);
      this.#revision = await this.#ends.replace(next, this.#revision, reserve);
    } catch (error) {
      this.#keepInMemory(steps, error);
      return;
    }
    this.#isDirty = false;
    this.#swap(next);
    for (const step of steps) step.item.resolve(step);
  }

  /** The write failed: what must not be forgotten is applied in memory and written later. */
  #keepInMemory(steps: readonly Step[], error: unknown): void {
    const kept = steps.map((s) => s.item).filter((item) => item.options.keep === true);
    const next = computed(this.#profile, kept).at(-1)?.after;
    if (next !== undefined && next !== this.#profile) {
      this.#isDirty = true;
      this.#swap(next);
    }
    for (const step of steps) step.item.reject(error);
  }

  #swap(next: Profile | undefined): void {
    const before = this.#profile;
    this.#profile = next;
    this.#ends.onSwap(before, next);
  }
}

/** Applies changes one after the other; one that throws is refused alone. */
function computed(profile: Profile | undefined, batch: readonly Waiting[]): readonly Step[] {
  const steps: Step[] = [];
  let before = profile;
  for (const item of batch) {
    if (item.change === "remove") continue;
    try {
      const after = item.change(before);
      steps.push({ item, before, after });
      before = after;
    } catch (error) {
      item.reject(error);
    }
  }
  return steps;
}
