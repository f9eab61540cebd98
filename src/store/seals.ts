import { Damage } from "./damage.ts";
import type { Seal, Sealed, Subject } from "./seal.ts";
import { StoreError } from "./store.ts";

const UNLOCK = "auth-broker unlock";

/** The seals of one installation: one seals, several open while records move from one key to another. */
export class Seals {
  /** Records may lie in the clear, because an earlier version wrote them and not all are sealed yet. */
  allowsPlain: boolean;
  readonly #directory: string;
  #all: readonly Seal[];

  constructor(directory: string, all: readonly Seal[], allowsPlain: boolean) {
    this.#directory = directory;
    this.#all = all;
    this.allowsPlain = allowsPlain;
  }

  get isLocked(): boolean {
    return this.#all.length === 0;
  }

  /** The one that seals. Throws `StoreError` while they are locked away. */
  get newest(): Seal {
    const [newest] = this.#all;
    if (newest === undefined) throw this.#locked();
    return newest;
  }

  /** Takes the place of all before. */
  replace(all: readonly Seal[]): void {
    this.#all = all;
  }

  /** Forgets every key. Gives what is thrown from then on. */
  lock(): StoreError {
    this.#all = [];
    return this.#locked();
  }

  #locked(): StoreError {
    return new StoreError("io", this.#directory, "the records are locked", UNLOCK);
  }

  /** Throws `Damage` for a record that was not sealed here and as it is now. */
  open(sealed: Sealed, subject: Subject): Buffer {
    const { id } = this.newest;
    const seal = this.#all.find((known) => known.id === sealed.key);
    if (seal === undefined) {
      const other = /^[0-9a-f]{8}$/.test(sealed.key) ? ` (${sealed.key})` : "";
      throw new Damage(`it is sealed with another key${other} than this installation's (${id})`);
    }
    const plain = seal.open(sealed, subject);
    if (plain === undefined) {
      throw new Damage(
        "its seal does not open: it was changed, or it belongs to another profile, generation or installation",
      );
    }
    return plain;
  }
}
