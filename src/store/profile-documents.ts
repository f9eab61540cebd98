import { access } from "node:fs/promises";
import { Low } from "lowdb";
import type { Profile } from "../domain/profile.ts";
import type { Now } from "../domain/time.ts";
import {
  type Codec,
  decoded,
  documentAdapter,
  documentBytes,
  type Entry,
  opened,
  type Place,
} from "./document.ts";
import { placeOf, profileFiles, profilePlace } from "./documents.ts";
import type { Content } from "./envelope.ts";
import { errnoOf, readError } from "./file-error.ts";
import { fileNameOf, profileOfFileName } from "./file-name.ts";
import { moveDurable, removeDurable } from "./private-file.ts";
import { profileCodec } from "./record.ts";
import type { Seals } from "./seals.ts";
import type { CorruptRecord, StoredProfile } from "./store.ts";
import { StoreError } from "./store.ts";

type Document = Low<Entry<Profile> | null>;

/** A document that is being read, as far as that has come. */
interface Reading {
  readonly name: string;
  readonly place: Place;
  bytes?: Buffer | undefined;
  content?: Content;
  entry?: Entry<Profile>;
  error?: StoreError;
}

/**
 * The directory with one document a profile, by file name. A document is read, or found absent,
 * before anything can be written in its place; one that cannot be read is never written.
 */
export class ProfileDocuments {
  readonly #directory: string;
  readonly #seals: Seals;
  /** Made when it is first written: most are only read. */
  readonly #readable = new Map<string, () => Document>();
  readonly #corrupt = new Map<string, CorruptRecord>();

  /** `directory`: the one of the state, in which the profiles have their own. */
  constructor(directory: string, seals: Seals) {
    this.#directory = directory;
    this.#seals = seals;
  }

  corrupt(): CorruptRecord[] {
    return [...this.#corrupt.values()];
  }

  /**
   * Reads every document anew that there is, in memory or on the disk. Those that cannot be read are noted as
   * corrupt. Throws `StoreError` if it cannot be told which there are.
   */
  readAll(now: Now): readonly StoredProfile[] {
    const found = profileFiles(this.#directory);
    return this.#read([...new Set([...found, ...this.#readable.keys(), ...this.#corrupt.keys()])], now);
  }

  /** Reads documents anew, by their names, each step for all of them before the next one. */
  #read(names: readonly string[], now: Now): readonly StoredProfile[] {
    const codec = profileCodec(now);
    const readings: Reading[] = names.map((name) => ({
      name,
      place: placeOf(this.#directory, profilePlace(name)),
    }));
    step(readings, (reading) => {
      reading.bytes = documentBytes(reading.place);
    });
    step(readings, (reading) => {
      const { bytes, place } = reading;
      delete reading.bytes;
      if (bytes !== undefined) reading.content = opened(bytes, place, this.#seals);
    });
    step(readings, (reading) => {
      const { content, place, name } = reading;
      delete reading.content;
      if (content === undefined) return;
      reading.entry = decoded(content, place, codec);
      if (fileNameOf(reading.entry.value.id) !== name) throw misplaced(place.path);
    });
    for (const reading of readings) this.#note(reading, codec);
    return readings.flatMap(({ entry, error }) =>
      entry === undefined || error !== undefined ? [] : [{ profile: entry.value, revision: entry.revision }],
    );
  }

  #note({ name, place, entry, error }: Reading, codec: Codec<Profile>): void {
    if (error === undefined) {
      this.#readable.set(name, this.#document(place, codec, entry ?? null));
      this.#corrupt.delete(name);
    } else {
      this.#readable.delete(name);
      const profile = profileOfFileName(name) ?? name;
      this.#corrupt.set(name, { profile, path: place.path, cause: error.message });
    }
  }

  #document(place: Place, codec: Codec<Profile>, entry: Entry<Profile> | null): () => Document {
    let document: Document | undefined;
    return () => {
      document ??= new Low<Entry<Profile> | null>(documentAdapter(place, codec, this.#seals), entry);
      return document;
    };
  }

  /** The document to write to; `data` is null if there is none yet. Throws `StoreError` if it is corrupt. */
  get(name: string, now: Now): Document {
    // Also one noted as corrupt: what kept it from being read may have passed, such as a lack of descriptors.
    if (!this.#readable.has(name)) this.#read([name], now);
    const document = this.#readable.get(name);
    if (document !== undefined) return document();
    throw new StoreError(
      "unreadable",
      this.pathOf(name),
      this.#corrupt.get(name)?.cause ?? "it cannot be read",
      "repair it from a backup, or log in again, which moves it aside",
    );
  }

  /** Rejects with `StoreError`, also if it is corrupt: that is moved aside, never removed. */
  async remove(name: string, now: Now): Promise<void> {
    this.get(name, now);
    await removeDurable(this.pathOf(name));
    this.#readable.delete(name);
  }

  /** Renames a corrupt document; does nothing to one that can be read. Rejects with `StoreError`. */
  async setAside(name: string, now: Now): Promise<void> {
    if (!this.#readable.has(name)) this.#read([name], now);
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

/** Takes a step of reading for all documents. One with which something is wrong has nothing for the next step. */
function step(readings: readonly Reading[], take: (reading: Reading) => void): void {
  for (const reading of readings) {
    try {
      take(reading);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      reading.error = error;
    }
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
