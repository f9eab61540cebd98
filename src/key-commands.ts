import { join } from "node:path";
import type { KeyConfig } from "./config/resolve.ts";
import { keySources } from "./key.ts";
import type { Places } from "./places.ts";
import type { KeySourceKind } from "./store/key-source.ts";
import { acquireLock } from "./store/lock.ts";
import { keepKey, knownSeals } from "./store/open-seals.ts";
import { type Rotated, rotateKey as rotate } from "./store/rotation.ts";
import { Seal } from "./store/seal.ts";
import { readSealFile, type SealFile, sealFilePath } from "./store/seal-file.ts";
import { StoreError } from "./store/store.ts";

/** What can be told of the key without telling it. */
export interface KeyFacts {
  /** 8 hex digits that tell keys apart. */
  readonly key: string;
  readonly source: KeySourceKind;
  /** Where it is kept: a path, a program, or what stands for it. */
  readonly place: string;
  readonly stateDir: string;
  /** A rotation was begun and is not over; the next start or `key rotate` finishes it. */
  readonly isRotating: boolean;
}

/** Rejects with `StoreError`, also if the key is missing or is not the one that sealed the records. */
export async function keyFacts(where: Places, config: KeyConfig): Promise<KeyFacts> {
  const { facts, seal } = await current(where, config);
  const { source } = facts;
  const { place } = await keySources(config, where.keyFile).of(source);
  return { key: seal.id, source, place, stateDir: where.stateDir, isRotating: facts.next !== undefined };
}

/** The key itself. Rejects with `StoreError`. */
export async function readKey(where: Places, config: KeyConfig): Promise<Uint8Array> {
  const { seal } = await current(where, config);
  return seal.reveal();
}

/**
 * Seals everything with a new key, kept where config.json says. No broker may be running: rejects with
 * `StoreError` `locked` while one is, else as `store/rotation` says. `former`: the key in use, where the
 * program that gives the key gives the new one already.
 */
export async function rotateKey(where: Places, config: KeyConfig, former?: Uint8Array): Promise<Rotated> {
  mustBeSealed(where);
  const lock = await acquireLock(join(where.stateDir, "lock"));
  try {
    return await rotate(where.stateDir, keySources(config, where.keyFile), former);
  } finally {
    lock.release();
  }
}

/**
 * Puts a key back where it was kept; only the one that sealed the records is taken, and none that lies
 * there is overwritten. Rejects with `StoreError`.
 */
export async function restoreKey(where: Places, config: KeyConfig, key: Uint8Array): Promise<KeyFacts> {
  const { install, source: kind, key: id, next } = mustBeSealed(where);
  const given = new Seal(key, install).id;
  if (given !== id && given !== next?.key) {
    const message = `this is the recovery code of another key (${given}); the records are sealed with ${id}`;
    throw new StoreError("unreadable", sealFilePath(where.stateDir), message, "look for the right one");
  }
  const source = await keySources(config, where.keyFile).of(kind);
  if (source.write === undefined) {
    const mend = "let it print what this prints: auth-broker key restore --hex";
    throw new StoreError(
      "unreadable",
      source.place,
      "only its owner can change what the program prints",
      mend,
    );
  }
  const there = await source.read(install);
  if (there === undefined) await keepKey(source, key, install);
  else if (new Seal(there, install).id !== given) {
    const mend = "move that one away first";
    throw new StoreError("unreadable", source.place, "there is another key, which is not overwritten", mend);
  }
  return keyFacts(where, config);
}

async function current(where: Places, config: KeyConfig): Promise<{ facts: SealFile; seal: Seal }> {
  const facts = mustBeSealed(where);
  const { all } = await knownSeals(where.stateDir, facts, keySources(config, where.keyFile));
  const seal = all.find(({ id }) => id === facts.key);
  if (seal === undefined) throw new TypeError("the key in use is always known");
  return { facts, seal };
}

function mustBeSealed({ stateDir }: Places): SealFile {
  const facts = readSealFile(stateDir);
  if (facts !== undefined) return facts;
  const message = "no broker has run on this state yet, so there is no key";
  throw new StoreError("unreadable", sealFilePath(stateDir), message, "auth-broker serve");
}
