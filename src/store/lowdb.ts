import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Low } from "lowdb";
import type { Profile } from "../domain/profile.ts";
import type { Now } from "../domain/time.ts";
import type { UsageHistory } from "../domain/usage-history.ts";
import { Counters, isSpending } from "./counters.ts";
import { documentAdapter, type Entry, readDocument } from "./document.ts";
import { PROFILES, PROVIDERS, placeOf } from "./documents.ts";
import { readError } from "./file-error.ts";
import { fileNameOf } from "./file-name.ts";
import type { KeySources } from "./key-source.ts";
import { Lanes } from "./lanes.ts";
import type { Lock } from "./lock.ts";
import { acquireLock } from "./lock.ts";
import { openSeals } from "./open-seals.ts";
import { ensurePrivateDirectory } from "./private-directory.ts";
import { isLeftover, proveWritable } from "./private-file.ts";
import { ProfileDocuments } from "./profile-documents.ts";
import { providersCodec } from "./provider-record.ts";
import { Seals } from "./seals.ts";
import type { Contents, ProviderState, Store } from "./store.ts";
import { StoreError } from "./store.ts";
import { UsageDocuments } from "./usage-documents.ts";

/** What `probe` writes: more than any usual record. */
const PROBE_SIZE = 16 * 1024;

type Providers = Readonly<Record<string, ProviderState>>;

export interface LowdbStoreOptions {
  /** Where `lock`, `seal.json`, `providers.json`, `profiles/` and `usage/` are; made if missing. */
  readonly directory: string;
  /** Where the key is kept that seals the records. */
  readonly keys: KeySources;
  /** The file of the counters, outside the directory, so that no copy of the one holds the other. */
  readonly countersFile: string;
  readonly now: () => Now;
  /** Told in one sentence what was put right while opening. */
  readonly warn?: (message: string) => void;
  /** Told how far work is that makes this opening longer than others. */
  readonly progress?: (message: string) => void;
  /** Called while the lock is being taken, which can take 10 ms: work that needs no store. */
  readonly meanwhile?: () => void;
}

/** The store in files. */
export interface LowdbStore extends Store {
  /** A key for one purpose, made of the one that seals. Another one after a rotation. */
  deriveKey(purpose: string): Uint8Array;
}

/**
 * Opens the store in a directory: one private, sealed JSON document a profile and one for all providers,
 * on lowdb with an adapter that writes durably. Owns the directory until `close`, or the process ends.
 * Records that an earlier version left in the clear are sealed, and a rotation of the key is finished.
 *
 * Rejects with `StoreError`: `locked` while another process owns it, `other_source` or `unreadable` if the
 * key is not to be had, else what the file system said. A full or read-only disk is no reason: what is
 * there can still be read.
 */
export async function openLowdbStore(options: LowdbStoreOptions): Promise<LowdbStore> {
  const { directory, keys, countersFile, now, warn = () => {}, progress = () => {}, meanwhile } = options;
  const profiles = join(directory, PROFILES);
  await makePrivate(directory, warn);
  const lock = await acquireLock(join(directory, "lock"), meanwhile);
  try {
    await makePrivate(profiles, warn);
    await sweep(directory);
    await sweep(profiles);
    const opened = await openSeals(directory, keys);
    const { next, plain } = opened.facts;
    const isSettled = next === undefined && plain === undefined;
    // Loaded only where an earlier process left something to do.
    const seals = isSettled
      ? new Seals(directory, opened.all, false)
      : await (await import("./rotation.ts")).settleSeals(directory, opened, keys, { warn, progress, now });
    const counters = new Counters(countersFile, warn);
    return new OpenStore(options, seals, counters, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

class OpenStore implements LowdbStore {
  readonly kind = "lowdb";
  readonly #directory: string;
  readonly #usage: UsageDocuments;
  readonly #keys: KeySources;
  readonly #seals: Seals;
  readonly #counters: Counters;
  readonly #lock: Lock;
  readonly #now: () => Now;
  readonly #lanes = new Lanes();
  #profiles: ProfileDocuments;
  #providers: Low<Entry<Providers> | null> | undefined;
  #closed = false;

  constructor(options: LowdbStoreOptions, seals: Seals, counters: Counters, lock: Lock) {
    this.#directory = options.directory;
    this.#keys = options.keys;
    this.#now = options.now;
    this.#seals = seals;
    this.#counters = counters;
    this.#usage = new UsageDocuments(options.directory, seals);
    this.#lock = lock;
    this.#profiles = new ProfileDocuments(options.directory, seals);
  }

  deriveKey(purpose: string): Uint8Array {
    return this.#seals.newest.derive(purpose);
  }

  async readAll(now: Now): Promise<Contents> {
    return this.#lanes.alone(() => {
      this.#mustBeOpen();
      return {
        profiles: this.#profiles.readAll(now).map((stored) => this.#counters.judge(stored)),
        corrupt: this.#profiles.corrupt(),
        providers: this.#readProviders().data?.value ?? {},
      };
    });
  }

  replace(profile: Profile, revision: number, options: { readonly reserve?: boolean } = {}): Promise<number> {
    const name = fileNameOf(profile.id);
    return this.#inLane(name, async () => {
      const document = this.#profiles.get(name, this.#now());
      const before = document.data;
      const found = before?.revision ?? 0;
      if (found !== revision) throw conflict(this.#profiles.pathOf(name), found, revision);
      const next = revision + 1;
      // A report made during a refresh must not use up the space that waits for the new grant.
      const reserve = options.reserve === true || profile.intent?.phase === "open";
      await commit(document, { value: profile, revision: next, reserve });
      if (isSpending(before?.value, profile)) {
        const counted = this.#counters.set(profile.id, next);
        // Before a token is sent. Its answer need not wait: copies from before are told by this one already.
        if (profile.intent?.phase === "open") await counted;
      }
      return next;
    });
  }

  remove(profileId: string): Promise<void> {
    const name = fileNameOf(profileId);
    return this.#inLane(name, async () => {
      await this.#profiles.remove(name, this.#now());
      await this.#usage.remove(profileId);
      await this.#counters.drop(profileId);
    });
  }

  setAside(profileId: string): Promise<void> {
    const name = this.#profiles.nameOf(profileId);
    return this.#inLane(name, () => this.#profiles.setAside(name, this.#now()));
  }

  readUsage(profileId: string): Promise<UsageHistory | undefined> {
    return this.#inLane(fileNameOf(profileId), () => this.#usage.read(profileId));
  }

  replaceUsage(profileId: string, history: UsageHistory): Promise<void> {
    return this.#inLane(fileNameOf(profileId), () => this.#usage.write(profileId, history));
  }

  replaceProviders(providers: Providers): Promise<void> {
    return this.#inLane(PROVIDERS, async () => {
      const document = this.#providers ?? this.#readProviders();
      const revision = (document.data?.revision ?? 0) + 1;
      await commit(document, { value: providers, revision, reserve: false });
    });
  }

  probe(): Promise<void> {
    return this.#inLane("", () => proveWritable(this.#directory, PROBE_SIZE));
  }

  async lock(): Promise<StoreError> {
    await this.#lanes.idle();
    this.#profiles = new ProfileDocuments(this.#directory, this.#seals);
    this.#providers = undefined;
    return this.#seals.lock();
  }

  async unlock(): Promise<void> {
    if (!this.#seals.isLocked) return;
    const { all } = await openSeals(this.#directory, this.#keys);
    this.#seals.replace(all);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#lanes.idle();
    await this.#counters.idle();
    this.#lock.release();
  }

  /** Throws `StoreError` if the document is corrupt: an order in it is an allow-list, not to be lost. */
  #readProviders(): Low<Entry<Providers> | null> {
    const place = placeOf(this.#directory, PROVIDERS);
    const entry = readDocument(place, providersCodec, this.#seals) ?? null;
    const adapter = documentAdapter(place, providersCodec, this.#seals);
    this.#providers = new Low<Entry<Providers> | null>(adapter, entry);
    return this.#providers;
  }

  async #inLane<T>(key: string, work: () => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    return this.#lanes.run(key, work);
  }

  /** Throws `StoreError`; also while it is locked, since a record must not be taken for damaged then. */
  #mustBeOpen(): void {
    if (this.#closed) {
      throw new StoreError("io", this.#directory, "the store is closed", "start the broker again");
    }
    this.#seals.newest;
  }
}

/** Left to itself, lowdb's memory would be ahead of the disk after a failed write. */
async function commit<T>(document: Low<Entry<T> | null>, entry: Entry<T>): Promise<void> {
  const before = document.data;
  document.data = entry;
  try {
    await document.write();
  } catch (error) {
    document.data = before;
    throw error;
  }
}

function conflict(path: string, found: number, expected: number): StoreError {
  return new StoreError(
    "conflict",
    path,
    `the record has revision ${found}, not ${expected}`,
    "read it again",
  );
}

async function makePrivate(directory: string, warn: LowdbStoreOptions["warn"]): Promise<void> {
  if ((await ensurePrivateDirectory(directory)) === "tightened") {
    warn?.(`other users could enter ${directory}; it is now closed to them`);
  }
}

/** Removes what an interrupted process left behind. Best effort: it does no harm where it lies. */
async function sweep(directory: string): Promise<void> {
  try {
    const leftovers = (await readdir(directory)).filter(isLeftover);
    await Promise.all(leftovers.map((name) => rm(join(directory, name), { force: true }).catch(() => {})));
  } catch (error) {
    throw readError(error, directory);
  }
}
