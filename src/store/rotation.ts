import { randomBytes } from "node:crypto";
import type { Now } from "../domain/time.ts";
import { Damage } from "./damage.ts";
import { documentsIn } from "./documents.ts";
import { LONGEST_DOCUMENT, layoutOf, readEnvelope, writeEnvelope } from "./envelope.ts";
import type { KeySource, KeySources } from "./key-source.ts";
import { keepKey, knownSeals, type OpenedSeals, wrap } from "./open-seals.ts";
import { readPrivate, writeDurable } from "./private-file.ts";
import { KEY_BYTES, Seal } from "./seal.ts";
import { readSealFile, sealFilePath, writeSealFile } from "./seal-file.ts";
import { Seals } from "./seals.ts";
import { StoreError } from "./store.ts";

const SECOND_MS = 1_000;

/** What a rotation did. */
export interface Rotated {
  readonly key: string;
  readonly source: KeySource["kind"];
  /** Documents that could not be read, by their names; they stay as they are. */
  readonly unreadable: readonly string[];
}

/**
 * Seals every record with a new key, and moves the key where the operator wants it kept. The caller
 * owns the directory. Interrupted at any step, or refused by a full disk, every record still opens, and
 * the next opening, or the next rotation, goes on from there. `former`: the key in use, for a source that
 * gives the new one already. Rejects with `StoreError`.
 */
export async function rotateKey(
  directory: string,
  sources: KeySources,
  former?: Uint8Array,
): Promise<Rotated> {
  const facts = readSealFile(directory);
  if (facts === undefined) {
    const mend = "start the broker once";
    throw new StoreError("unreadable", sealFilePath(directory), "nothing is sealed here yet", mend);
  }
  if (facts.next !== undefined)
    return finish(directory, await knownSeals(directory, facts, sources), sources);
  const current = former === undefined ? undefined : new Seal(former, facts.install);
  if (current !== undefined && current.id !== facts.key) {
    const message = `the former key that was given is ${current.id}; the records are sealed with ${facts.key}`;
    throw new StoreError("unreadable", sealFilePath(directory), message, "give the right recovery code");
  }
  const seal = current ?? (await knownSeals(directory, facts, sources)).all[0];
  if (seal === undefined) throw new TypeError("there is always one");
  const target = await sources.of(sources.chosen);
  const next = new Seal(await newKey(target, facts.install), facts.install);
  if (next.id === seal.id) {
    const mend = "let it give the new one, and give the recovery code of the old one to this command";
    throw new StoreError("unreadable", target.place, "it still gives the key in use", mend);
  }
  // Into another place before anything else: one that is locked, or keeps nothing, changes nothing.
  if (target.kind !== facts.source && target.write !== undefined) {
    await keepKey(target, next.reveal(), facts.install);
  }
  const both = { source: target.kind, key: next.id, underFormer: wrap(next, seal), former: wrap(seal, next) };
  const begun = { ...facts, next: both };
  await writeSealFile(directory, begun);
  return finish(directory, { facts: begun, all: [next, seal] }, sources);
}

/** Who hears of work that makes a start longer. */
export interface Hearer {
  readonly warn: (message: string) => void;
  /** How far it is: at its begin, about once a second, and at its end. */
  readonly progress: (message: string) => void;
  readonly now: () => Now;
}

/**
 * Finishes what an earlier process began: a rotation, or the sealing of records in the clear. If the disk
 * does not allow it the records still open, and it is told by `warn`. Never rejects for that reason.
 */
export async function settleSeals(
  directory: string,
  opened: OpenedSeals,
  sources: KeySources,
  { warn, progress, now }: Hearer,
): Promise<Seals> {
  const { facts, all } = opened;
  const what =
    facts.next === undefined
      ? "sealing what an earlier version left in the clear"
      : "finishing a rotation of the key";
  const steps = everySecond(now, (done, total) => progress(`${what}: ${done} of ${total} files`));
  try {
    const { unreadable } = await finish(directory, opened, sources, steps);
    const open = unreadable.filter((name) => isInTheClear(directory, name));
    if (open.length > 0) {
      warn(`${open.join(", ")} in ${directory} cannot be read and stays unsealed; repair or remove it`);
    }
    return new Seals(directory, all.slice(0, 1), false);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const work = facts.next === undefined ? "not all records are sealed yet" : "the key is not rotated yet";
    warn(`${work}: ${error.message} (${error.path}); the next start tries again, ${error.mend}`);
    return new Seals(directory, all, facts.plain === true);
  }
}

type Steps = (done: number, total: number) => void;

/** Tells the first step and the last, and of those between them one a second. */
function everySecond(now: () => Now, tell: Steps): Steps {
  let toldMs = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const { monoMs } = now();
    if (done < total && monoMs - toldMs < SECOND_MS) return;
    toldMs = monoMs;
    tell(done, total);
  };
}

async function finish(
  directory: string,
  { facts, all }: OpenedSeals,
  sources: KeySources,
  steps: Steps = () => {},
): Promise<Rotated> {
  const { install, next } = facts;
  const seals = new Seals(directory, all, facts.plain === true);
  const unreadable = await resealAll(directory, seals, steps);
  const { newest } = seals;
  const source = next?.source ?? facts.source;
  if (next !== undefined) await keep(newest, await sources.of(next.source), install);
  await writeSealFile(directory, { install, source, key: newest.id });
  // The key that nothing is sealed with any more. Where it stays, it does no harm but to old backups.
  if (source !== facts.source) await discard(await sources.of(facts.source), install);
  return { key: newest.id, source, unreadable };
}

async function discard(source: KeySource, install: string): Promise<void> {
  await source.remove?.(install).catch(() => {});
}

/** Makes the source give the new key; one that only its owner can change must give it already. */
async function keep(seal: Seal, source: KeySource, install: string): Promise<void> {
  const given = await source.read(install);
  if (given !== undefined && new Seal(given, install).id === seal.id) return;
  if (source.write !== undefined) return keepKey(source, seal.reveal(), install);
  throw new StoreError(
    "unreadable",
    source.place,
    `it does not give the new key (${seal.id})`,
    "let it give that",
  );
}

async function newKey(target: KeySource, install: string): Promise<Uint8Array> {
  if (target.write !== undefined) return randomBytes(KEY_BYTES);
  const given = await target.read(install);
  if (given !== undefined) return given;
  throw new StoreError("unreadable", target.place, "it gives no key", "let it print 64 hex digits");
}

/** Seals every document that is not yet sealed with the newest key. Gives the names of the unreadable ones. */
async function resealAll(directory: string, seals: Seals, steps: Steps): Promise<readonly string[]> {
  const unreadable: string[] = [];
  const places = documentsIn(directory);
  for (const [done, { path, name }] of places.entries()) {
    steps(done, places.length);
    const bytes = resealed(path, name, seals);
    if (bytes === "unreadable") unreadable.push(name);
    else if (bytes !== undefined) await writeDurable(path, bytes);
  }
  steps(places.length, places.length);
  return unreadable;
}

/** The document under the newest seal; undefined if it is there already, or there is none. */
function resealed(path: string, name: string, seals: Seals): Uint8Array | "unreadable" | undefined {
  try {
    const bytes = readPrivate(path, LONGEST_DOCUMENT);
    if (bytes === undefined) return undefined;
    const { key, ...content } = readEnvelope(bytes, name, seals);
    return key === seals.newest.id ? undefined : writeEnvelope(content, name, seals);
  } catch (error) {
    // A file that the system does not give may be sound: its key must stay, so nothing is finished without it.
    if (error instanceof Damage) return "unreadable";
    throw error;
  }
}

function isInTheClear(directory: string, name: string): boolean {
  const bytes = readPrivate(`${directory}/${name}`, LONGEST_DOCUMENT);
  return bytes !== undefined && layoutOf(bytes) !== "sealed";
}
