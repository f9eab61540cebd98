import { dirname } from "node:path";
import type { Profile } from "../domain/profile.ts";
import { type Checks, Damage, fitting, is, isObject, isPositive, json } from "./damage.ts";
import { ensurePrivateDirectory } from "./private-directory.ts";
import { readPrivate, writeDurable } from "./private-file.ts";
import { type StoredProfile, StoreError } from "./store.ts";

const FORMAT = 1;
const LARGEST = 16 * 1024 * 1024;

interface CountersFile {
  readonly format: typeof FORMAT;
  /** By profile id: the revision of the last record in which a refresh token was spent or replaced. */
  readonly profiles: Readonly<Record<string, number>>;
}
const COUNTERS_FILE: Checks<CountersFile> = {
  format: is(FORMAT),
  profiles: (value) => isObject(value) && Object.values(value).every(isPositive),
};

/**
 * True if the new record makes older copies of this profile dangerous: the refresh token in them is about
 * to be sent, or has been replaced.
 */
export function isSpending(before: Profile | undefined, after: Profile): boolean {
  if (after.grant.kind !== "oauth") return before?.grant.kind === "oauth";
  if (before === undefined || before.grant !== after.grant) return true;
  return before.intent?.setAtMs !== after.intent?.setAtMs || before.restored !== after.restored;
}

/**
 * Remembers outside the state directory how new its records are, so that a restored older copy is noticed.
 * Without the file, and where it cannot be written, nothing is noticed and all else works.
 */
export class Counters {
  readonly #path: string;
  readonly #warn: (message: string) => void;
  readonly #revisions: Map<string, number>;
  #writing: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;
  #hasWarned = false;

  constructor(path: string, warn: (message: string) => void) {
    this.#path = path;
    this.#warn = warn;
    this.#revisions = new Map(Object.entries(this.#read()));
  }

  /** Marks a record that is older than one that was written here. */
  judge(stored: StoredProfile): StoredProfile {
    const newest = this.#revisions.get(stored.profile.id);
    return newest !== undefined && stored.revision < newest ? { ...stored, older: true } : stored;
  }

  /** Resolves when it is durable, or cannot be. Never rejects: the record that it is about is durable already. */
  set(profileId: string, revision: number): Promise<void> {
    this.#revisions.set(profileId, revision);
    return this.#write();
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await (this.#waiting ?? this.#writing);
  }

  async drop(profileId: string): Promise<void> {
    if (this.#revisions.delete(profileId)) await this.#write();
  }

  /** One writing at a time; those that wait meanwhile share the next. */
  #write(): Promise<void> {
    if (this.#writing === undefined) {
      this.#writing = this.#writeNow().finally(() => {
        this.#writing = undefined;
      });
      return this.#writing;
    }
    this.#waiting ??= this.#writing.then(() => {
      this.#waiting = undefined;
      return this.#write();
    });
    return this.#waiting;
  }

  async #writeNow(): Promise<void> {
    const file: CountersFile = {
      format: FORMAT,
      profiles: Object.fromEntries(this.#revisions),
    };
    try {
      await ensurePrivateDirectory(dirname(this.#path));
      await writeDurable(this.#path, Buffer.from(`${JSON.stringify(file)}\n`));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#complain(`cannot be written: ${error.message}`, error.mend);
    }
  }

  #read(): Readonly<Record<string, number>> {
    try {
      const bytes = readPrivate(this.#path, LARGEST);
      return bytes === undefined ? {} : fitting(json(bytes), COUNTERS_FILE).profiles;
    } catch (error) {
      if (!(error instanceof Damage || error instanceof StoreError)) throw error;
      this.#complain(`cannot be read: ${error.message}`, "it is written anew");
      return {};
    }
  }

  #complain(what: string, mend: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#warn(`${this.#path} ${what}; a restored older copy of the state may go unnoticed; ${mend}`);
  }
}
