import { randomBytes } from "node:crypto";
import { documentsIn } from "./documents.ts";
import { LONGEST_DOCUMENT, layoutOf } from "./envelope.ts";
import type { KeySource, KeySources } from "./key-source.ts";
import { readPrivate } from "./private-file.ts";
import { KEY_BYTES, Seal, type Sealed } from "./seal.ts";
import { readSealFile, type SealFile, sealFilePath, writeSealFile } from "./seal-file.ts";
import { StoreError } from "./store.ts";

const INSTALL_BYTES = 16;
const RESTORE = "put the right key back, or give the recovery code to auth-broker key restore";
/** What a key is sealed as when it stands under another one. */
const WRAPPED = { format: 1, place: "key", generation: 0, revision: 0 };

/** How records are sealed here, and by what they open: the seal for new ones first. */
export interface OpenedSeals {
  readonly facts: SealFile;
  readonly all: readonly Seal[];
}

/**
 * Finds the key of a state directory that this process owns, or makes one for a new directory and
 * for one whose records an earlier version wrote in the clear. Rejects with `StoreError`:
 * `other_source` if the operator chose another source than the one in use, else if the key is missing or
 * another one. Nothing is changed then.
 */
export async function openSeals(directory: string, sources: KeySources): Promise<OpenedSeals> {
  const facts = readSealFile(directory);
  if (facts === undefined) return begin(directory, sources);
  const inUse = (facts.next ?? facts).source;
  if (inUse === sources.chosen) return knownSeals(directory, facts, sources);
  throw new StoreError(
    "other_source",
    sealFilePath(directory),
    `the records are sealed with the key from "${inUse}", and config.json says "${sources.chosen}"`,
    `set key.source back to "${inUse}", or move to the other with: auth-broker key rotate`,
  );
}

/** The seals of a directory that has some. Rejects with `StoreError` as above. */
export async function knownSeals(
  directory: string,
  facts: SealFile,
  sources: KeySources,
): Promise<OpenedSeals> {
  const source = await sources.of(facts.source);
  const root = await source.read(facts.install);
  if (root === undefined) throw keyMissing(directory, source, facts.key);
  const given = new Seal(root, facts.install);
  const { next } = facts;
  if (next === undefined) {
    if (given.id !== facts.key) throw otherKey(source, given.id, facts.key);
    return { facts, all: [given] };
  }
  if (given.id === next.key) return { facts, all: [given, unwrap(next.former, given, facts)] };
  if (given.id === facts.key) return { facts, all: [unwrap(next.underFormer, given, facts), given] };
  throw otherKey(source, given.id, `${facts.key} or ${next.key}`);
}

/** One key under another. */
export function wrap(key: Seal, under: Seal): Sealed {
  return under.seal(key.reveal(), WRAPPED);
}

function unwrap(wrapped: Sealed, under: Seal, { install }: SealFile): Seal {
  const root = under.open(wrapped, WRAPPED);
  if (root !== undefined) return new Seal(root, install);
  const mend = "put it back from a backup of the state directory";
  throw new StoreError("unreadable", "seal.json", "the key in it does not open", mend);
}

async function begin(directory: string, sources: KeySources): Promise<OpenedSeals> {
  const layouts = documentsIn(directory).map(({ path }) => layoutAt(path));
  if (layouts.includes("sealed")) {
    const mend = "put it back from a backup of the state directory; no record opens without it";
    throw new StoreError("unreadable", sealFilePath(directory), "the file is gone", mend);
  }
  const install = randomBytes(INSTALL_BYTES).toString("hex");
  const source = await sources.of(sources.chosen);
  const root = (await source.read(install)) ?? (await made(source, install));
  const seal = new Seal(root, install);
  const isOld = layouts.includes("plain");
  const facts = { install, source: source.kind, key: seal.id, ...(isOld ? { plain: true as const } : {}) };
  await writeSealFile(directory, facts);
  return { facts: { format: 1, ...facts }, all: [seal] };
}

function layoutAt(path: string): ReturnType<typeof layoutOf> {
  try {
    const bytes = readPrivate(path, LONGEST_DOCUMENT);
    return bytes === undefined ? undefined : layoutOf(bytes);
  } catch {
    // Whoever reads the records will say what is wrong with this one.
    return undefined;
  }
}

async function made(source: KeySource, install: string): Promise<Uint8Array> {
  if (source.write === undefined) {
    throw new StoreError("unreadable", source.place, "it gives no key", "let it print 64 hex digits");
  }
  const key = randomBytes(KEY_BYTES);
  await keepKey(source, key, install);
  return key;
}

/**
 * Puts a key where it is kept, and looks: some keyrings take one and keep nothing. Rejects with `StoreError`
 * if it is not there then. Nothing may hang on this key alone before.
 */
export async function keepKey(source: KeySource, key: Uint8Array, install: string): Promise<void> {
  await source.write?.(key, install);
  const kept = await source.read(install);
  if (kept !== undefined && Buffer.compare(kept, key) === 0) return;
  const mend = "choose another key.source in config.json";
  throw new StoreError("unreadable", source.place, "it took the key and did not keep it", mend);
}

function keyMissing(directory: string, source: KeySource, id: string): StoreError {
  const message = `the key (${id}) with which the records in ${directory} are sealed is not there`;
  return new StoreError("unreadable", source.place, message, RESTORE);
}

function otherKey(source: KeySource, found: string, wanted: string): StoreError {
  const message = `this is another key (${found}) than the one that sealed the records (${wanted})`;
  return new StoreError("unreadable", source.place, message, RESTORE);
}
