import { canonicalProfileId } from "../domain/alias.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { arrange, type Pool, type ProviderRules } from "../domain/pool.ts";
import type { Profile } from "../domain/profile.ts";
import { after } from "../domain/time.ts";
import {
  type Contents,
  type CorruptRecord,
  type ProviderState,
  type Store,
  StoreError,
} from "../store/store.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Latest } from "./latest.ts";

/** A change to one profile. `undefined` in: it is not there. The same object out: nothing to write. */
type Change = (profile: Profile | undefined) => Profile;

interface Waiting {
  readonly change: Change | "remove";
  readonly keep: boolean;
  readonly reserve: boolean;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

export interface Committed {
  readonly before: Profile | undefined;
  readonly after: Profile | undefined;
}

interface Entry {
  profile: Profile | undefined;
  revision: number;
  /** Memory is ahead of the disk, because a report could not be written. */
  isDirty: boolean;
  isWriting: boolean;
  waiting: Waiting[];
}

export interface CommitOptions {
  /** If the write fails: apply in memory all the same and write later. Otherwise nothing happened. */
  readonly keep?: boolean;
  /** Set aside the space for the next commit of this profile. */
  readonly reserve?: boolean;
}

const RETRY_FIRST_MS = 1_000;
const RETRY_LONGEST_MS = 30_000;

/**
 * All profiles in memory, and the one way to change them: compute, write, swap, tell. Changes of one
 * profile queue up; those that wait while a write runs are written together.
 */
export class Ledger {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #latest: Latest;
  readonly #rulesOf: (provider: string) => ProviderRules & { readonly order?: readonly string[] };
  readonly #entries = new Map<string, Entry>();
  readonly #idsByProvider = new Map<string, Set<string>>();
  readonly #aliases = new Map<string, string>();
  readonly #corrupt = new Map<string, CorruptRecord>();
  readonly #pools = new Map<string, Pool>();
  #providers: Readonly<Record<string, ProviderState>> = {};
  #providersQueue: Promise<void> = Promise.resolve();
  #trouble: StoreError | undefined;
  #failures = 0;
  #onChange: (profileId: string) => void = () => {};

  constructor(wiring: {
    readonly store: Store;
    readonly clock: Clock;
    readonly alarm: Alarm;
    readonly latest: Latest;
    readonly rulesOf: (provider: string) => ProviderRules & { readonly order?: readonly string[] };
  }) {
    this.#store = wiring.store;
    this.#clock = wiring.clock;
    this.#alarm = wiring.alarm;
    this.#latest = wiring.latest;
    this.#rulesOf = wiring.rulesOf;
  }

  /** Takes over what the store holds; called once. */
  load(contents: Contents): void {
    this.#providers = contents.providers;
    for (const { profile, revision } of contents.profiles) {
      this.#entries.set(profile.id, { ...emptyEntry(), profile, revision });
      this.#index(profile);
    }
    for (const record of contents.corrupt) this.#corrupt.set(record.profile, record);
  }

  /** Calls `listener` after each change of a profile, before anybody else hears of it. */
  onChange(listener: (profileId: string) => void): void {
    this.#onChange = listener;
  }

  get(id: string): Profile | undefined {
    return this.#entries.get(id)?.profile;
  }

  /** The id that an id or a former id stands for now. */
  resolve(id: string): string {
    if (this.#entries.has(id)) return id;
    return this.#aliases.get(id) ?? canonicalProfileId(id);
  }

  corrupt(id: string): CorruptRecord | undefined {
    return this.#corrupt.get(id);
  }

  corruptRecords(): readonly CorruptRecord[] {
    return [...this.#corrupt.values()];
  }

  /** Every profile, by id. */
  all(): readonly Profile[] {
    const profiles: Profile[] = [];
    for (const { profile } of this.#entries.values()) if (profile !== undefined) profiles.push(profile);
    return profiles.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  ofProvider(provider: string): readonly Profile[] {
    const ids = this.#idsByProvider.get(provider) ?? [];
    return [...ids].map((id) => this.get(id)).filter((p) => p !== undefined);
  }

  /** Providers that own at least one profile, readable or not. */
  owners(): readonly string[] {
    const owners = new Set(this.#idsByProvider.keys());
    for (const id of this.#corrupt.keys()) owners.add(id.slice(0, id.indexOf(":")));
    return [...owners].sort();
  }

  provider(id: string): ProviderState {
    return this.#providers[id] ?? {};
  }

  /** The provider's profiles in the order of preference; arranged anew only after a change. */
  pool(provider: string): Pool {
    const known = this.#pools.get(provider);
    if (known !== undefined) return known;
    const rules = this.#rulesOf(provider);
    const state = this.provider(provider);
    const own = this.ofProvider(provider);
    const corrupt = [...this.#corrupt.values()]
      .filter((r) => r.profile.startsWith(`${provider}:`))
      .map((r) => ({ corrupt: true as const, id: r.profile, path: r.path }));
    const pool = arrange(rules, [...own, ...corrupt], state.order ?? rules.order, state.ban?.profile);
    this.#pools.set(provider, pool);
    return pool;
  }

  /** Why the store cannot be written at the moment, or undefined if it can. */
  get trouble(): StoreError | undefined {
    return this.#trouble;
  }

  /** True while something that was answered for is in memory only. */
  hasUnwritten(): boolean {
    for (const entry of this.#entries.values()) if (entry.isDirty) return true;
    return false;
  }

  /**
   * Changes a profile. Resolves when the change is durable and visible. Rejects with `StoreError` if
   * it could not be written, and with what `change` threw.
   */
  commit(id: string, change: Change, options: CommitOptions = {}): Promise<Committed> {
    const keep = options.keep === true;
    return this.#enqueue(id, change, keep, options.reserve === true);
  }

  /** Removes a profile for good. */
  async remove(id: string): Promise<void> {
    if (this.#corrupt.has(id)) {
      await this.#store.setAside(id);
      this.#corrupt.delete(id);
      this.#changed(id, id.slice(0, id.indexOf(":")));
      return;
    }
    await this.#enqueue(id, "remove", false, false);
  }

  /** Makes room for a new profile where an unreadable record lies. */
  async setAside(id: string): Promise<void> {
    await this.#store.setAside(id);
    this.#corrupt.delete(id);
  }

  /** Changes what is kept of providers; one change at a time. */
  changeProvider(id: string, change: (state: ProviderState) => ProviderState): Promise<void> {
    const run = async () => {
      const next = { ...this.#providers, [id]: change(this.provider(id)) };
      await this.#written(() => this.#store.replaceProviders(next));
      this.#providers = next;
      this.#pools.delete(id);
      this.#latest.publish(id);
    };
    const result = this.#providersQueue.then(run);
    this.#providersQueue = result.catch(() => {});
    return result;
  }

  /** Resolves when nothing waits to be written any more, or the store refuses. */
  async settle(): Promise<void> {
    for (const [id, entry] of this.#entries) {
      if (entry.isDirty) await this.commit(id, sameProfile).catch(() => {});
    }
    await this.#providersQueue;
  }

  #enqueue(id: string, change: Change | "remove", keep: boolean, reserve: boolean): Promise<Committed> {
    return new Promise((resolve, reject) => {
      const entry = this.#entries.get(id) ?? emptyEntry();
      this.#entries.set(id, entry);
      entry.waiting.push({ change, keep, reserve, resolve, reject });
      if (!entry.isWriting) void this.#drain(id, entry);
    });
  }

  async #drain(id: string, entry: Entry): Promise<void> {
    entry.isWriting = true;
    while (entry.waiting.length > 0) {
      if (entry.waiting[0]?.change === "remove") await this.#drainRemoval(id, entry);
      else await this.#drainChanges(id, entry);
    }
    entry.isWriting = false;
    if (entry.profile === undefined && entry.waiting.length === 0) this.#entries.delete(id);
  }

  async #drainRemoval(id: string, entry: Entry): Promise<void> {
    const removal = entry.waiting.shift();
    if (removal === undefined) return;
    const before = entry.profile;
    try {
      if (before === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: id });
      await this.#written(() => this.#store.remove(id));
      entry.profile = undefined;
      entry.revision = 0;
      entry.isDirty = false;
      this.#unindex(before);
      this.#changed(id, before.provider);
      removal.resolve({ before, after: undefined });
    } catch (error) {
      removal.reject(error);
    }
  }

  async #drainChanges(id: string, entry: Entry): Promise<void> {
    const cut = entry.waiting.findIndex((w) => w.change === "remove");
    const batch = cut < 0 ? entry.waiting.splice(0) : entry.waiting.splice(0, cut);
    const steps = computed(entry.profile, batch);
    const next = steps.at(-1)?.after ?? entry.profile;
    if (next === undefined || (next === entry.profile && !entry.isDirty)) {
      for (const step of steps) step.item.resolve(step);
      return;
    }
    try {
      const reserve = batch.some((w) => w.reserve);
      entry.revision = await this.#written(() => this.#store.replace(next, entry.revision, { reserve }));
      entry.isDirty = false;
      this.#swap(id, entry, next);
      for (const step of steps) step.item.resolve(step);
    } catch (error) {
      this.#keepInMemory(id, entry, batch, error);
    }
  }

  /** The write failed: what must not be forgotten is applied in memory and written later. */
  #keepInMemory(id: string, entry: Entry, batch: readonly Waiting[], error: unknown): void {
    const kept = computed(
      entry.profile,
      batch.filter((w) => w.keep),
    );
    const next = kept.at(-1)?.after;
    if (next !== undefined && next !== entry.profile) {
      entry.isDirty = true;
      this.#swap(id, entry, next);
    }
    for (const item of batch) item.reject(error);
  }

  #swap(id: string, entry: Entry, next: Profile): void {
    entry.profile = next;
    this.#index(next);
    this.#changed(id, next.provider);
  }

  #index(profile: Profile): void {
    const ids = this.#idsByProvider.get(profile.provider) ?? new Set();
    this.#idsByProvider.set(profile.provider, ids.add(profile.id));
    for (const alias of profile.aliases) this.#aliases.set(alias, profile.id);
  }

  #unindex(profile: Profile): void {
    const ids = this.#idsByProvider.get(profile.provider);
    ids?.delete(profile.id);
    if (ids?.size === 0) this.#idsByProvider.delete(profile.provider);
    for (const alias of profile.aliases) this.#aliases.delete(alias);
  }

  #changed(id: string, provider: string): void {
    this.#pools.delete(provider);
    this.#onChange(id);
    this.#latest.publish(provider);
  }

  /** Runs a write and keeps book of whether the store can be written. */
  async #written<T>(write: () => Promise<T>): Promise<T> {
    try {
      const result = await write();
      this.#recovered();
      return result;
    } catch (error) {
      if (error instanceof StoreError && error.code !== "conflict") this.#failed(error);
      throw error;
    }
  }

  #failed(error: StoreError): void {
    const isFirst = this.#trouble === undefined;
    this.#trouble = error;
    if (isFirst) {
      this.#failures = 0;
      this.#scheduleRetry();
      this.#latest.publish("");
    }
  }

  #recovered(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#latest.publish("");
  }

  #scheduleRetry(): void {
    const delayMs = Math.min(RETRY_FIRST_MS * 2 ** this.#failures, RETRY_LONGEST_MS);
    this.#failures += 1;
    this.#alarm.at(after(this.#clock.now(), delayMs), () => void this.#retry());
  }

  async #retry(): Promise<void> {
    if (this.hasUnwritten()) await this.settle();
    else await this.#written(() => this.#store.probe()).catch(() => {});
    if (this.#trouble !== undefined || this.hasUnwritten()) this.#scheduleRetry();
  }
}

function emptyEntry(): Entry {
  return { profile: undefined, revision: 0, isDirty: false, isWriting: false, waiting: [] };
}

/** The identity change, for writing again what memory already holds. */
const sameProfile: Change = (profile) => {
  if (profile === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: "" });
  return profile;
};

interface Step extends Committed {
  readonly item: Waiting;
}

/** Applies changes one after the other; one that throws is refused alone. */
function computed(profile: Profile | undefined, batch: readonly Waiting[]): readonly Step[] {
  const steps: Step[] = [];
  let before = profile;
  for (const item of batch) {
    if (item.change === "remove") continue;
    try {
      const next: Profile = item.change(before);
      steps.push({ item, before, after: next });
      before = next;
    } catch (error) {
      item.reject(error);
    }
  }
  return steps;
}
