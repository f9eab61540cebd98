import { join } from "node:path";
import { z } from "zod";
import { Damage, json, parsed } from "./damage.ts";
import { KEY_SOURCES } from "./key-source.ts";
import { readPrivate, writeDurable } from "./private-file.ts";
import { maybe } from "./record-schema.ts";
import { StoreError } from "./store.ts";

const FORMAT = 1;
const LARGEST = 64 * 1024;
const SEAL_FILE = "seal.json";

const keyId = z.string().regex(/^[0-9a-f]{8}$/);
const source = z.enum(KEY_SOURCES);
/** One key under the other. */
const wrapped = z.strictObject({ key: keyId, iv: z.string(), record: z.string() });

/** How the records of a state directory are sealed; holds no key but under another one. */
const SealFile = z.strictObject({
  format: z.literal(FORMAT),
  /** The installation's random name, bound to every record and drawn once. */
  install: z.string().regex(/^[0-9a-f]{32}$/),
  /** Where the key is kept. Chosen once; only a rotation changes it. */
  source,
  key: keyId,
  /** There may still be records that an earlier version wrote in the clear. */
  plain: maybe(z.literal(true)),
  /**
   * A rotation that is not over. Records may be under either key, so each stands here under the other:
   * whichever of the two the source gives, both are known.
   */
  next: maybe(z.strictObject({ source, key: keyId, underFormer: wrapped, former: wrapped })),
});
export type SealFile = z.output<typeof SealFile>;

export function sealFilePath(directory: string): string {
  return join(directory, SEAL_FILE);
}

/** Undefined if there is none. Throws `StoreError` for one that cannot be read. */
export function readSealFile(directory: string): SealFile | undefined {
  const path = sealFilePath(directory);
  const bytes = readPrivate(path, LARGEST);
  if (bytes === undefined) return undefined;
  try {
    return parsed(SealFile, json(bytes));
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
