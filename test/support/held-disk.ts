import { type FileHandle, open } from "node:fs/promises";

/**
 * The disk of this process, which can be made to take its time: from `hold` to `release` nothing that is
 * written becomes durable, and whoever waits for that waits.
 */
export class HeldDisk {
  readonly #files: FileHandle;
  readonly #sync: FileHandle["sync"];
  #gate: Promise<void> | undefined;
  /** So many more syncs are let through before the next one waits. */
  #free = 0;
  #open = () => {};

  private constructor(files: FileHandle) {
    this.#files = files;
    this.#sync = files.sync;
    const held = () => {
      this.#free -= 1;
      return this.#free < 0 ? this.#gate : undefined;
    };
    const sync = this.#sync;
    files.sync = async function (this: FileHandle) {
      await held();
      await sync.call(this);
    };
  }

  static async take(): Promise<HeldDisk> {
    const file = await open(import.meta.filename);
    await file.close();
    return new HeldDisk(Object.getPrototypeOf(file));
  }

  /** `after`: so many syncs go through first. */
  hold(after = 0): void {
    this.#free = after;
    this.#gate ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#gate = undefined;
    this.#open();
  }

  /** Leaves the disk as it was. */
  giveBack(): void {
    this.release();
    this.#files.sync = this.#sync;
  }
}
