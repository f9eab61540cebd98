import { KEY_SOURCES, type KeySource, type KeySources } from "../../src/store/key-source.ts";
import { type LowdbStore, openLowdbStore } from "../../src/store/lowdb.ts";
import { Seal } from "../../src/store/seal.ts";
import { Seals } from "../../src/store/seals.ts";
import { FIXED_NOW } from "./arbitrary.ts";

/** The key of every store in these tests that does not say otherwise. */
export const TEST_KEY = new Uint8Array(32).fill(7);

/** A place that keeps a key in memory. */
export function memoryKey(
  key?: Uint8Array,
  kind: KeySource["kind"] = "file",
): KeySource & { key?: Uint8Array } {
  const source: KeySource & { key?: Uint8Array } = {
    kind,
    place: `memory of ${kind}`,
    read: async () => source.key,
    write: async (next) => {
      source.key = next;
    },
    remove: async () => {
      delete source.key;
    },
    ...(key === undefined ? {} : { key }),
  };
  return source;
}

/** The first is chosen. */
export function keysFrom(...sources: readonly KeySource[]): KeySources {
  const [chosen] = sources;
  return {
    chosen: chosen?.kind ?? KEY_SOURCES[0],
    of: async (kind) => sources.find((source) => source.kind === kind) ?? memoryKey(undefined, kind),
  };
}

/** A store in a directory, sealed with `TEST_KEY`; its counters lie beside the directory. */
export function openTestStore(
  directory: string,
  options: Partial<Parameters<typeof openLowdbStore>[0]> = {},
): Promise<LowdbStore> {
  return openLowdbStore({
    directory,
    keys: keysFrom(memoryKey(TEST_KEY)),
    countersFile: `${directory}.counters`,
    now: () => FIXED_NOW,
    ...options,
  });
}

/** One seal for documents outside of a store. */
export function testSeals(install = "00".repeat(16), key = TEST_KEY): Seals {
  return new Seals("a test", [new Seal(key, install)], false);
}
