import { join } from "node:path";
import { type Checks, Damage, fits, fitting, is, isText, json } from "./damage.ts";
import { KEY_SOURCES, type KeySourceKind } from "./key-source.ts";
import { readPrivate, writeDurable } from "./private-file.ts";
import type { Sealed } from "./seal.ts";
import { StoreError } from "./store.ts";

const FORMAT = 1;
const LARGEST = 64 * 1024;
const NAME = "seal.json";

/** How the records of a state directory are sealed; holds no key but under another one. */
export interface SealFile {
  readonly format: typeof FORMAT;
  /** The installation's random name, bound to every record and drawn once. */
  readonly install: string;
  /** Where the key is kept. Chosen once; only a rotation changes it. */
  readonly source: KeySourceKind;
  /** Its id. */
  readonly key: string;
  /** There may still be records that an earlier version wrote in the clear. */
  readonly plain?: true;
  /**
   * A rotation that is not over. Records may be under either key, so each stands here under the other:
   * whichever of the two the source gives, both are known.
   */
  readonly next?: Rotation;
}

interface Rotation {
  readonly source: KeySourceKind;
  readonly key: string;
  readonly underFormer: Sealed;
  readonly former: Sealed;
}

const isKeyId = (value: unknown) => typeof value === "string" && /^[0-9a-f]{8}$/.test(value);
const isInstall = (value: unknown) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
const isSource = (value: unknown) => KEY_SOURCES.includes(value as KeySourceKind);
/** One key under the other. */
const isWrapped = fits<Sealed>({ key: isKeyId, iv: isText, record: isText });
const isRotation = fits<Rotation>({
  source: isSource,
  key: isKeyId,
  underFormer: isWrapped,
  former: isWrapped,
});
const SEAL_FILE: Checks<SealFile> = {
  format: is(FORMAT),
  install: isInstall,
  source: isSource,
  key: isKeyId,
  plain: (value) => value === undefined || value === true,
  next: (value) => value === undefined || isRotation(value),
};

export function sealFilePath(directory: string): string {
  return join(directory, NAME);
}

/** Undefined if there is none. Throws `StoreError` for one that cannot be read. */
export function readSealFile(directory: string): SealFile | undefined {
  const path = sealFilePath(directory);
  const bytes = readPrivate(path, LARGEST);
  if (bytes === undefined) return undefined;
  try {
    return fitting(json(bytes), SEAL_FILE);
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new StoreError(
      "unreadable",
      path,
      error.message,
      "put it back from a backup of the state directory",
    );
  }
}

/** Durable when it resolves. Rejects with `StoreError`. */
export async function writeSealFile(directory: string, facts: Omit<SealFile, "format">): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, ...facts } satisfies SealFile);
  await writeDurable(sealFilePath(directory), Buffer.from(`${text}\n`));
}
