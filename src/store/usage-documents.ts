import { join } from "node:path";
import { z } from "zod";
import type { UsageHistory } from "../domain/usage-history.ts";
import { parsed } from "./damage.ts";
import { type Codec, documentAdapter, type Place } from "./document.ts";
import { placeOf, USAGE, usagePlace } from "./documents.ts";
import { fileNameOf } from "./file-name.ts";
import { ensurePrivateDirectory } from "./private-directory.ts";
import { removeDurable } from "./private-file.ts";
import type { Seals } from "./seals.ts";
import { StoreError } from "./store.ts";

/** By window: moments in whole seconds with percentages in tenths, since there may be thousands. */
const HistoryRecord = z.object({
  accountEpoch: z.string(),
  windows: z.record(z.string(), z.array(z.tuple([z.int(), z.int()]))),
});

const codec: Codec<UsageHistory> = {
  encode: ({ accountEpoch, samples }) => {
    const windows: Record<string, [number, number][]> = {};
    for (const { name, atMs, usedPercent } of samples) {
      windows[name] ??= [];
      windows[name].push([Math.round(atMs / 1_000), Math.round(usedPercent * 10)]);
    }
    return { accountEpoch, windows };
  },
  decode: (record) => {
    const { accountEpoch, windows } = parsed(HistoryRecord, record);
    const samples = Object.entries(windows).flatMap(([name, points]) =>
      points.map(([seconds, tenths]) => ({ name, atMs: seconds * 1_000, usedPercent: tenths / 10 })),
    );
    return { accountEpoch, samples: samples.sort((a, b) => a.atMs - b.atMs) };
  },
  generation: () => 0,
};

/** The directory with one document of usage history a profile; made with the first of them. */
export class UsageDocuments {
  readonly #directory: string;
  readonly #seals: Seals;

  /** `directory`: the one of the state, in which the histories have their own. */
  constructor(directory: string, seals: Seals) {
    this.#directory = directory;
    this.#seals = seals;
  }

  /** Undefined if there is none, or none that can be read: it is no login, and begins anew. */
  async read(profileId: string): Promise<UsageHistory | undefined> {
    try {
      return (await this.#adapterOf(profileId).read())?.value;
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }

  /** Rejects with `StoreError`. */
  async write(profileId: string, history: UsageHistory): Promise<void> {
    await ensurePrivateDirectory(join(this.#directory, USAGE));
    // Nobody compares revisions here.
    await this.#adapterOf(profileId).write({ value: history, revision: 1, reserve: false });
  }

  /** No error if there is none. Rejects with `StoreError`. */
  async remove(profileId: string): Promise<void> {
    if ((await this.read(profileId)) !== undefined) await removeDurable(this.#placeOf(profileId).path);
  }

  #adapterOf(profileId: string) {
    return documentAdapter(this.#placeOf(profileId), codec, this.#seals);
  }

  #placeOf(profileId: string): Place {
    return placeOf(this.#directory, usagePlace(fileNameOf(profileId)));
  }
}
