import { type FileHandle, open } from "node:fs/promises";

/**
 * The disk of this process, which can be made to take its time: from `hold` to `release` nothing that is
 * written becomes durable, and whoever waits for that waits.
 */
export class HeldDisk {
  readonly #files: FileHandle;
  readonly #sync: FileHandle["sync"];
  #gate: Promise<void> | undefined;
  #open = () => {};

  private constructor(files: FileHandle) {
    this.#files = files;
    this.#sync = files.sync;
    const held = () => this.#gate;
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

  hold(): void {
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
