import type { Adapter } from "lowdb";
import { Damage } from "./damage.ts";
import { type Content, LONGEST_DOCUMENT, readEnvelope, writeEnvelope } from "./envelope.ts";
import { readPrivate, reserve, writeDurable } from "./private-file.ts";
import type { Seals } from "./seals.ts";
import { StoreError } from "./store.ts";

/** How much larger than the present document the next one may be, if its space is reserved: 96 KiB of tokens in base64. */
const ROOM_TO_GROW = 128 * 1024;
const REPORT = "report this as a bug of auth-broker";

/** Turns what the broker works with into JSON values and back. `decode` throws `Damage`. */
export interface Codec<T> {
  encode(value: T): unknown;
  decode(record: unknown): T;
  /** Bound to the sealed record and told outside of it. */
  generation(value: T): number;
}

/** One document: its value, how often it was written, and whether space for the next writing is wanted. */
export interface Entry<T> {
  readonly value: T;
  readonly revision: number;
  readonly reserve: boolean;
}

/** A document's place on the disk and under the seal. */
export interface Place {
  readonly path: string;
  /** The same in every copy of the state directory, such as `profiles/qwen%3ame.json`. */
  readonly name: string;
}

/** The lowdb adapter for one private file. Both methods reject with `StoreError`. */
export function documentAdapter<T>(place: Place, codec: Codec<T>, seals: Seals): Adapter<Entry<T> | null> {
  const { path } = place;
  return {
    async read() {
      return readDocument(place, codec, seals) ?? null;
    },
    async write(entry) {
      if (entry === null) return;
      const bytes = encodeDocument(entry, place, codec, seals);
      // Space first: a record that says "about to be replaced" must never be there without it.
      if (entry.reserve) await reserve(path, bytes.length + ROOM_TO_GROW);
      await writeDurable(path, bytes, { keepSpare: entry.reserve });
    },
  };
}

/** A whole document; undefined if there is none. Throws `StoreError`. */
export function readDocument<T>(place: Place, codec: Codec<T>, seals: Seals): Entry<T> | undefined {
  const bytes = documentBytes(place);
  return bytes === undefined ? undefined : decoded(opened(bytes, place, seals), place, codec);
}

// Its three steps. Whoever reads a thousand documents takes each step for all of them before the next one: in
// turn for each document they took half as long again (measured).

/** Undefined if there is no file. Throws `StoreError`. */
export function documentBytes({ path }: Place): Buffer | undefined {
  return readPrivate(path, LONGEST_DOCUMENT);
}

/** Throws `StoreError`. */
export function opened(bytes: Uint8Array, place: Place, seals: Seals): Content {
  return told(place, () => readEnvelope(bytes, place.name, seals));
}

/** Throws `StoreError`. */
export function decoded<T>({ record, revision }: Content, place: Place, codec: Codec<T>): Entry<T> {
  return told(place, () => ({ value: codec.decode(record), revision, reserve: false }));
}

function told<T>({ path }: Place, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new StoreError("unreadable", path, error.message, "repair it from a backup or move it away");
  }
}

function encodeDocument<T>(entry: Entry<T>, place: Place, codec: Codec<T>, seals: Seals): Uint8Array {
  const { value, revision } = entry;
  const content = { record: codec.encode(value), revision, generation: codec.generation(value) };
  const bytes = writeEnvelope(content, place.name, seals);
  try {
    // A value that JSON cannot hold, such as NaN, must be found before the good record is gone.
    codec.decode(readEnvelope(bytes, place.name, seals).record);
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new StoreError(
      "io",
      place.path,
      `not written, it could not be read again: ${error.message}`,
      REPORT,
    );
  }
  return bytes;
}
