import type { Profile } from "../../src/domain/profile.ts";
import type { Now } from "../../src/domain/time.ts";
import type { UsageHistory } from "../../src/domain/usage-history.ts";
import { Lanes } from "../../src/store/lanes.ts";
import { profileCodec } from "../../src/store/record.ts";
import type { Contents, ProviderState, Store } from "../../src/store/store.ts";
import { StoreError } from "../../src/store/store.ts";

/** What survives the process: text only, as on a disk. */
interface Medium {
  readonly records: Map<string, { readonly text: string; readonly revision: number }>;
  readonly corrupt: Map<string, string>;
  readonly reserved: Set<string>;
  readonly aside: string[];
  readonly usage: Map<string, UsageHistory>;
  providers: string;
}

type Providers = Readonly<Record<string, ProviderState>>;

/** A write that stands at the door. */
export interface HeldWrite {
  /** Resolves when the write has come and waits. */
  readonly waiting: Promise<void>;
  /** Lets it through; without an error it succeeds. */
  release(error?: StoreError): void;
}

/** A `Store` in memory, with handles to make its next writes fail or wait. */
export class MemoryStore implements Store {
  readonly kind = "memory";
  readonly #medium: Medium;
  readonly #lanes = new Lanes();
  /** What the next writes, of whatever kind, meet first. */
  readonly #obstacles: (() => Promise<void>)[] = [];
  #closed = false;
  #locked = false;
  /** How many writes were durable so far. */
  writes = 0;

  constructor(medium?: Medium) {
    this.#medium = medium ?? {
      records: new Map(),
      corrupt: new Map(),
      reserved: new Set(),
      aside: [],
      usage: new Map(),
      providers: "{}",
    };
  }

  /** What a new process finds, whether this one was closed or died. */
  reopen(): MemoryStore {
    return new MemoryStore(this.#medium);
  }

  /** The next write fails; with `times` the next few. `full` unless another error is given. */
  failNextWrite(error: StoreError = fullDisk(), times = 1): void {
    for (let i = 0; i < times; i++) this.#obstacles.push(() => Promise.reject(error));
  }

  /** The next write waits until it is released. */
  holdNextWrite(): HeldWrite {
    const arrival = promise<void>();
    const departure = promise<StoreError | undefined>();
    this.#obstacles.push(async () => {
      arrival.resolve();
      const error = await departure.promise;
      if (error !== undefined) throw error;
    });
    return { waiting: arrival.promise, release: (error) => departure.resolve(error) };
  }

  /** Makes a record unreadable, there or not. */
  damage(profileId: string, cause = "it is not whole JSON text"): void {
    this.#medium.records.delete(profileId);
    this.#medium.corrupt.set(profileId, cause);
  }

  /** What a new process would read of one profile. */
  stored(profileId: string, now: Now): Profile | undefined {
    const record = this.#medium.records.get(profileId);
    return record === undefined ? undefined : profileCodec(now).decode(JSON.parse(record.text));
  }

  /** True while space is set aside for the next write of this profile. */
  hasReserve(profileId: string): boolean {
    return this.#medium.reserved.has(profileId);
  }

  async readAll(now: Now): Promise<Contents> {
    this.#refuseIfClosed();
    const codec = profileCodec(now);
    return {
      profiles: [...this.#medium.records.values()].map(({ text, revision }) => ({
        profile: codec.decode(JSON.parse(text)),
        revision,
      })),
      corrupt: [...this.#medium.corrupt].map(([profile, cause]) => ({
        profile,
        path: pathOf(profile),
        cause,
      })),
      providers: JSON.parse(this.#medium.providers) as Providers,
    };
  }

  replace(profile: Profile, revision: number, options: { readonly reserve?: boolean } = {}): Promise<number> {
    const { id } = profile;
    const text = JSON.stringify(profileCodec({ wallMs: 0, monoMs: 0 }).encode(profile));
    return this.#write(id, () => {
      this.#refuseIfCorrupt(id);
      const found = this.#medium.records.get(id)?.revision ?? 0;
      if (found !== revision) {
        const message = `the record has revision ${found}, not ${revision}`;
        throw new StoreError("conflict", pathOf(id), message, "read it again");
      }
      this.#medium.records.set(id, { text, revision: revision + 1 });
      if (options.reserve === true || profile.intent?.phase === "open") this.#medium.reserved.add(id);
      else this.#medium.reserved.delete(id);
      return revision + 1;
    });
  }

  remove(profileId: string): Promise<void> {
    return this.#write(profileId, () => {
      this.#refuseIfCorrupt(profileId);
      this.#medium.records.delete(profileId);
      this.#medium.reserved.delete(profileId);
      this.#medium.usage.delete(profileId);
    });
  }

  async readUsage(profileId: string): Promise<UsageHistory | undefined> {
    this.#refuseIfClosed();
    return this.#medium.usage.get(profileId);
  }

  replaceUsage(profileId: string, history: UsageHistory): Promise<void> {
    return this.#write(profileId, () => {
      this.#medium.usage.set(profileId, history);
    });
  }

  setAside(profileId: string): Promise<void> {
    return this.#write(profileId, () => {
      if (this.#medium.corrupt.delete(profileId)) this.#medium.aside.push(profileId);
    });
  }

  replaceProviders(providers: Providers): Promise<void> {
    const text = JSON.stringify(providers);
    return this.#write("", () => {
      this.#medium.providers = text;
    });
  }

  probe(): Promise<void> {
    return this.#write("probe", () => {});
  }

  async lock(): Promise<StoreError> {
    await this.#lanes.idle();
    this.#locked = true;
    return locked();
  }

  async unlock(): Promise<void> {
    this.#locked = false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#lanes.idle();
  }

  async #write<T>(key: string, change: () => T): Promise<T> {
    this.#refuseIfClosed();
    return this.#lanes.run(key, async () => {
      await this.#obstacles.shift()?.();
      const result = change();
      this.writes++;
      return result;
    });
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new StoreError("io", "memory", "the store is closed", "start the broker again");
    if (this.#locked) throw locked();
  }

  #refuseIfCorrupt(profileId: string): void {
    const cause = this.#medium.corrupt.get(profileId);
    if (cause !== undefined) throw new StoreError("unreadable", pathOf(profileId), cause, "log in again");
  }
}

/** The error of a full disk, as the file store gives it. */
export function fullDisk(): StoreError {
  return new StoreError("full", "memory", "the disk is full (ENOSPC)", "free space");
}

function locked(): StoreError {
  return new StoreError("io", "memory", "the records are locked", "auth-broker unlock");
}

function pathOf(profileId: string): string {
  return `memory/${profileId}`;
}

function promise<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => {};
  const made = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise: made, resolve: (value) => resolve(value) };
}
