import { access } from "node:fs/promises";
import { Low } from "lowdb";
import type { Profile } from "../domain/profile.ts";
import type { Now } from "../domain/time.ts";
import type { Entry } from "./document.ts";
import { documentAdapter } from "./document.ts";
import { placeOf, profileFiles, profilePlace } from "./documents.ts";
import { errnoOf, readError } from "./file-error.ts";
import { fileNameOf, profileOfFileName } from "./file-name.ts";
import { moveDurable, removeDurable } from "./private-file.ts";
import { profileCodec } from "./record.ts";
import type { Seals } from "./seals.ts";
import type { CorruptRecord, StoredProfile } from "./store.ts";
import { StoreError } from "./store.ts";

type Document = Low<Entry<Profile> | null>;

/**
 * The directory with one document a profile, by file name. A document is read, or found absent,
 * before anything can be written in its place; one that cannot be read is never written.
 */
export class ProfileDocuments {
  readonly #directory: string;
  readonly #seals: Seals;
  readonly #readable = new Map<string, Document>();
  readonly #corrupt = new Map<string, CorruptRecord>();

  /** `directory`: the one of the state, in which the profiles have their own. */
  constructor(directory: string, seals: Seals) {
    this.#directory = directory;
    this.#seals = seals;
  }

  /** File names of all documents there are, in memory or on the disk. Rejects with `StoreError`. */
  async names(): Promise<ReadonlySet<string>> {
    const found = await profileFiles(this.#directory);
    return new Set([...found, ...this.#readable.keys(), ...this.#corrupt.keys()]);
  }

  corrupt(): CorruptRecord[] {
    return [...this.#corrupt.values()];
  }

  /**
   * Reads a document anew; undefined if there is none. One that cannot be read is noted as corrupt,
   * and undefined too.
   */
  async read(name: string, now: Now): Promise<StoredProfile | undefined> {
    const place = placeOf(this.#directory, profilePlace(name));
    const { path } = place;
    const adapter = documentAdapter(place, profileCodec(now), this.#seals);
    const document: Document = new Low<Entry<Profile> | null>(adapter, null);
    try {
      await document.read();
      const entry = document.data;
      if (entry !== null && fileNameOf(entry.value.id) !== name) throw misplaced(path);
      this.#readable.set(name, document);
      this.#corrupt.delete(name);
      return entry === null ? undefined : { profile: entry.value, revision: entry.revision };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#readable.delete(name);
      this.#corrupt.set(name, { profile: profileOfFileName(name) ?? name, path, cause: error.message });
      return undefined;
    }
  }

  /** The document to write to; `data` is null if there is none yet. Rejects with `StoreError` if it is corrupt. */
  async get(name: string, now: Now): Promise<Document> {
    // Also one noted as corrupt: what kept it from being read may have passed, such as a lack of descriptors.
    if (!this.#readable.has(name)) await this.read(name, now);
    const document = this.#readable.get(name);
    if (document !== undefined) return document;
    throw new StoreError(
      "unreadable",
      this.pathOf(name),
      this.#corrupt.get(name)?.cause ?? "it cannot be read",
      "repair it from a backup, or log in again, which moves it aside",
    );
  }

  /** Rejects with `StoreError`, also if it is corrupt: that is moved aside, never removed. */
  async remove(name: string, now: Now): Promise<void> {
    await this.get(name, now);
    await removeDurable(this.pathOf(name));
    this.#readable.delete(name);
  }

  /** Renames a corrupt document; does nothing to one that can be read. Rejects with `StoreError`. */
  async setAside(name: string, now: Now): Promise<void> {
    if (!this.#readable.has(name)) await this.read(name, now);
    if (!this.#corrupt.has(name)) return;
    const path = this.pathOf(name);
    await moveDurable(path, await unusedName(`${path}.corrupt-${stamp(now)}`));
    this.#corrupt.delete(name);
  }

  /** The file for a profile's id, or for the id under which a corrupt one is listed. */
  nameOf(profileId: string): string {
    const listed = [...this.#corrupt].find(([, record]) => record.profile === profileId);
    return listed === undefined ? fileNameOf(profileId) : listed[0];
  }

  pathOf(name: string): string {
    return placeOf(this.#directory, profilePlace(name)).path;
  }
}

function misplaced(path: string): StoreError {
  return new StoreError("unreadable", path, "it holds the record of another profile", "move it away");
}

/** `20270115T080000123Z`: sorts by time, allowed in file names everywhere. */
function stamp(now: Now): string {
  return new Date(now.wallMs).toISOString().replaceAll(/[-:.]/g, "");
}

/** A rename replaces what is there, so the name must be free. One process owns the directory. */
async function unusedName(path: string): Promise<string> {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? path : `${path}-${number}`;
    try {
      await access(candidate);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return candidate;
      throw readError(error, candidate);
    }
  }
}
