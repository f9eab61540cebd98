import {
  type Checks,
  Damage,
  fits,
  fitting,
  is,
  isCount,
  isObject,
  isPositive,
  isText,
  json,
} from "./damage.ts";
import { SEAL_ALGORITHM } from "./seal.ts";
import type { Seals } from "./seals.ts";

/** The version of the layout below. Another number means another program version wrote it. */
const FORMAT = 2;
/** The first layout: the record in the clear. Read where an earlier version left it, never written. */
const PLAIN_FORMAT = 1;
/** Far above any record; a larger file is not one of ours. */
export const LONGEST_DOCUMENT = 8 * 1024 * 1024;

/** What surrounds every record on the disk. All of it is authenticated with the record. */
interface Envelope {
  readonly format: typeof FORMAT;
  readonly seal: { readonly algorithm: typeof SEAL_ALGORITHM; readonly key: string; readonly iv: string };
  readonly generation: number;
  readonly revision: number;
  readonly record: string;
}

interface PlainEnvelope {
  readonly format: typeof PLAIN_FORMAT;
  readonly seal: { readonly algorithm: "none" };
  readonly revision: number;
  readonly record: unknown;
}

const ENVELOPE: Checks<Envelope> = {
  format: is(FORMAT),
  seal: fits<Envelope["seal"]>({ algorithm: is(SEAL_ALGORITHM), key: isText, iv: isText }),
  generation: isCount,
  revision: isPositive,
  record: isText,
};
const PLAIN_ENVELOPE: Checks<PlainEnvelope> = {
  format: is(PLAIN_FORMAT),
  seal: fits<PlainEnvelope["seal"]>({ algorithm: is("none") }),
  revision: isPositive,
  record: (value) => value !== undefined,
};

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
  const envelope: Envelope = {
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
  if (seals.allowsPlain && formatOf(document) === PLAIN_FORMAT) {
    const { revision, record } = fitting(document, PLAIN_ENVELOPE);
    return { record, revision, generation: generationIn(record), key: "" };
  }
  const { seal, generation, revision, record } = fitting(document, ENVELOPE, () =>
    refuseOtherFormat(document),
  );
  const subject = { format: FORMAT, place: name, generation, revision };
  const plain = seals.open({ key: seal.key, iv: seal.iv, record }, subject);
  // Nobody but this program wrote it.
  return { record: JSON.parse(plain.toString()), revision, generation, key: seal.key };
}

/** Whether a document says that it is sealed or in the clear; undefined if it says neither. */
export function layoutOf(bytes: Uint8Array): "sealed" | "plain" | undefined {
  try {
    const format = formatOf(json(bytes));
    return format === FORMAT ? "sealed" : format === PLAIN_FORMAT ? "plain" : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined if it names none. */
function formatOf(document: unknown): number | undefined {
  if (!isObject(document) || !isObject(document.seal)) return undefined;
  return typeof document.format === "number" ? document.format : undefined;
}

function generationIn(record: unknown): number {
  return isObject(record) && isCount(record.generation) ? Number(record.generation) : 0;
}

/** Throws if the document says why it is not as expected. */
function refuseOtherFormat(document: unknown): void {
  const format = formatOf(document);
  if (format === undefined) return;
  if (format === PLAIN_FORMAT) throw new Damage("it is not sealed, although every record here was");
  if (format !== FORMAT) throw new Damage(`it has format ${format}; this version reads format ${FORMAT}`);
  const algorithm = (document as { seal: { algorithm?: unknown } }).seal.algorithm;
  if (typeof algorithm === "string" && algorithm.length <= 32 && algorithm !== SEAL_ALGORITHM) {
    throw new Damage(`it is sealed with ${JSON.stringify(algorithm)}, which this version cannot open`);
  }
}
