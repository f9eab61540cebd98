import type { Adapter } from "lowdb";
import { z } from "zod";
import { readPrivate, reserve, writeDurable } from "./private-file.ts";
import { StoreError } from "./store.ts";

/** The version of the layout below. Another number means another program version wrote it. */
const FORMAT = 1;
/** Far above any record; a larger file is not one of ours. */
const LONGEST_DOCUMENT = 8 * 1024 * 1024;
/** How much larger than the present record the next one may be, if its space is reserved. */
const ROOM_TO_GROW = 96 * 1024;
const REPORT = "report this as a bug of auth-broker";

/**
 * What surrounds every record on the disk. The seal says how the record is protected; with `none`
 * it is plain JSON. A sealed record will be a text, under another algorithm's name.
 */
const Envelope = z.strictObject({
  format: z.literal(FORMAT),
  seal: z.strictObject({ algorithm: z.literal("none") }),
  revision: z.int().min(1),
  record: z.unknown(),
});

/** What tells which version wrote a document, so that the message can say so. */
const Marks = z.object({ format: z.number(), seal: z.object({ algorithm: z.string().max(32) }) });

/** Strict: neither a byte order mark nor broken UTF-8 is passed over. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Turns what the broker works with into JSON values and back. `decode` throws `Damage`. */
export interface Codec<T> {
  encode(value: T): unknown;
  decode(record: unknown): T;
}

/** One document: its value, how often it was written, and whether space for the next writing is wanted. */
export interface Entry<T> {
  readonly value: T;
  readonly revision: number;
  readonly reserve: boolean;
}

/** What is wrong with a document. The message never holds any of its content. */
export class Damage extends Error {
  override readonly name = "Damage";
}

/** The lowdb adapter for one private file. Both methods reject with `StoreError`. */
export function documentAdapter<T>(path: string, codec: Codec<T>): Adapter<Entry<T> | null> {
  return {
    async read() {
      const bytes = readPrivate(path, LONGEST_DOCUMENT);
      if (bytes === undefined) return null;
      try {
        return decodeDocument(bytes, codec);
      } catch (error) {
        if (!(error instanceof Damage)) throw error;
        throw new StoreError("unreadable", path, error.message, "repair it from a backup or move it away");
      }
    },
    async write(entry) {
      if (entry === null) return;
      const bytes = encodeDocument(entry, path, codec);
      // Space first: a record that says "about to be replaced" must never be there without it.
      if (entry.reserve) await reserve(path, bytes.length + ROOM_TO_GROW);
      await writeDurable(path, bytes, { keepSpare: entry.reserve });
    },
  };
}

function encodeDocument<T>(entry: Entry<T>, path: string, codec: Codec<T>): Uint8Array {
  const envelope: z.infer<typeof Envelope> = {
    format: FORMAT,
    seal: { algorithm: "none" },
    revision: entry.revision,
    record: codec.encode(entry.value),
  };
  const bytes = Buffer.from(JSON.stringify(envelope));
  try {
    // A value that JSON cannot hold, such as NaN, must be found before the good record is gone.
    decodeDocument(bytes, codec);
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new StoreError("io", path, `not written, it could not be read again: ${error.message}`, REPORT);
  }
  return bytes;
}

/** Throws `Damage`. */
function decodeDocument<T>(bytes: Uint8Array, codec: Codec<T>): Entry<T> {
  if (bytes.length > LONGEST_DOCUMENT) throw new Damage(`it is larger than ${LONGEST_DOCUMENT} bytes`);
  const document = json(bytes);
  const { revision, record } = parsed(Envelope, document, () => refuseOtherFormat(document));
  return { value: codec.decode(record), revision, reserve: false };
}

/** Parses with a zod schema; tells only where and what kind of thing is wrong, unless `explain` throws better. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown, explain?: () => void): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  explain?.();
  const issue = result.error.issues[0];
  const field = issue?.path.join(".") || "the document";
  throw new Damage(`${field} is not as expected (${issue?.code ?? "unknown"})`);
}

/** Not the parser's own message, which quotes the text. */
function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    throw new Damage(bytes.length === 0 ? "it is empty" : "it is not whole JSON text");
  }
}

/** Throws if the document says that this version cannot read it. */
function refuseOtherFormat(document: unknown): void {
  const { format, seal } = parsed(Marks, document);
  if (format !== FORMAT) throw new Damage(`it has format ${format}; this version reads format ${FORMAT}`);
  if (seal.algorithm !== "none") {
    throw new Damage(`it is sealed with ${JSON.stringify(seal.algorithm)}, which this version cannot open`);
  }
}
