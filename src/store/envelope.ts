import { z } from "zod";
import { Damage, json, parsed } from "./damage.ts";
import { SEAL_ALGORITHM } from "./seal.ts";
import type { Seals } from "./seals.ts";

/** The version of the layout below. Another number means another program version wrote it. */
const FORMAT = 2;
/** The first layout: the record in the clear. Read where an earlier version left it, never written. */
const PLAIN_FORMAT = 1;
/** Far above any record; a larger file is not one of ours. */
export const LONGEST_DOCUMENT = 8 * 1024 * 1024;

const revision = z.int().min(1);
const generation = z.int().min(0);

/** What surrounds every record on the disk. All of it is authenticated with the record. */
const Envelope = z.strictObject({
  format: z.literal(FORMAT),
  seal: z.strictObject({ algorithm: z.literal(SEAL_ALGORITHM), key: z.string(), iv: z.string() }),
  generation,
  revision,
  record: z.string(),
});

const PlainEnvelope = z.strictObject({
  format: z.literal(PLAIN_FORMAT),
  seal: z.strictObject({ algorithm: z.literal("none") }),
  revision,
  record: z.unknown(),
});

/** What tells which version wrote a document, so that the message can say so. */
const Marks = z.object({ format: z.number(), seal: z.object({ algorithm: z.string().max(32) }) });

/** A record as JSON value, with what is known of it without opening the seal. */
export interface Content {
  readonly record: unknown;
  readonly revision: number;
  /** 0 for what has none. */
  readonly generation: number;
}

/**
 * The bytes of a document: its record, sealed. `name` is its place in the state directory, such as
 * `profiles/qwen%3ame.json`; under another name it does not open. Throws `StoreError` while the store is locked.
 */
export function writeEnvelope({ record: value, revision, generation }: Content, name: string, seals: Seals) {
  const plain = Buffer.from(JSON.stringify(value) ?? "");
  const subject = { format: FORMAT, place: name, generation, revision };
  const { record, ...seal } = seals.newest.seal(plain, subject);
  const envelope: z.infer<typeof Envelope> = {
    format: FORMAT,
    seal: { algorithm: SEAL_ALGORITHM, ...seal },
    generation,
    revision,
    record,
  };
  return Buffer.from(JSON.stringify(envelope));
}

/** What is in a document, and the id of the key that sealed it (empty: it is in the clear). Throws `Damage`. */
export function readEnvelope(
  bytes: Uint8Array,
  name: string,
  seals: Seals,
): Content & { readonly key: string } {
  if (bytes.length > LONGEST_DOCUMENT) throw new Damage(`it is larger than ${LONGEST_DOCUMENT} bytes`);
  const document = json(bytes);
  if (seals.allowsPlain && isPlain(document)) {
    const { revision, record } = parsed(PlainEnvelope, document);
    return { record, revision, generation: generationIn(record), key: "" };
  }
  const { seal, generation, revision, record } = parsed(Envelope, document, () =>
    refuseOtherFormat(document),
  );
  const { key, iv } = seal;
  const plain = seals.open({ key, iv, record }, { format: FORMAT, place: name, generation, revision });
  // Nobody but this program wrote it.
  return { record: JSON.parse(plain.toString()), revision, generation, key };
}

/** Whether a document says that it is sealed or in the clear; undefined if it says neither. */
export function layoutOf(bytes: Uint8Array): "sealed" | "plain" | undefined {
  try {
    const { format } = parsed(Marks, json(bytes));
    return format === FORMAT ? "sealed" : format === PLAIN_FORMAT ? "plain" : undefined;
  } catch {
    return undefined;
  }
}

function isPlain(document: unknown): boolean {
  return Marks.safeParse(document).data?.format === PLAIN_FORMAT;
}

function generationIn(record: unknown): number {
  return z.object({ generation }).safeParse(record).data?.generation ?? 0;
}

/** Throws if the document says why it is not as expected. */
function refuseOtherFormat(document: unknown): void {
  const { format, seal } = parsed(Marks, document);
  if (format === PLAIN_FORMAT) throw new Damage("it is not sealed, although every record here was");
  if (format !== FORMAT) throw new Damage(`it has format ${format}; this version reads format ${FORMAT}`);
  if (seal.algorithm !== SEAL_ALGORITHM) {
    throw new Damage(`it is sealed with ${JSON.stringify(seal.algorithm)}, which this version cannot open`);
  }
}
