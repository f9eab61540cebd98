import { canonicalProfileId } from "../domain/alias.ts";
import { BrokerFailure, type Failure } from "../domain/failure.ts";
import { arrange, type Pool, type ProviderRules, reseated } from "../domain/pool.ts";
import type { Profile } from "../domain/profile.ts";
import type { Contents, CorruptRecord, ProviderState, Store, StoreError } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Latest } from "./latest.ts";
import { ProviderStates } from "./provider-states.ts";
import { StoreHealth } from "./store-health.ts";
import { type Change, type CommitOptions, type Committed, WriteQueue } from "./write-queue.ts";

/** How a provider's profiles are ranked, and the order that the configuration gives. */
export type RulesOf = (provider: string) => ProviderRules & { readonly order?: readonly string[] };

/** All profiles in memory, by id and by provider; every change of them goes through here. */
export class Ledger {
  readonly #store: Store;
  readonly #latest: Latest;
  readonly #rulesOf: RulesOf;
  readonly #health: StoreHealth;
  readonly #queues = new Map<string, WriteQueue>();
  readonly #idsByProvider = new Map<string, Set<string>>();
  readonly #aliases = new Map<string, string>();
  readonly #corrupt = new Map<string, CorruptRecord>();
  readonly #pools = new Map<string, Pool>();
  readonly #providers: ProviderStates;
  #onChange: (profileId: string) => void = () => {};
  #lockFailure: Failure | undefined;
  /** Whose profiles were locked away; names of providers are no secret. */
  #lockedOwners: readonly string[] = [];
  /** Ends when a lock is done or refused; changes wait for it. */
  #locking: Promise<void> | undefined;

  constructor(wiring: {
    readonly store: Store;
    readonly clock: Clock;
    readonly alarm: Alarm;
    readonly latest: Latest;
    readonly rulesOf: RulesOf;
  }) {
    this.#store = wiring.store;
    this.#latest = wiring.latest;
    this.#rulesOf = wiring.rulesOf;
    this.#health = new StoreHealth({
      clock: wiring.clock,
      alarm: wiring.alarm,
      onChange: () => this.#latest.publish(""),
      tryAgain: () => this.#tryAgain(),
    });
    this.#providers = new ProviderStates({
      write: (states) => this.#health.written(() => this.#store.replaceProviders(states)),
      onSwap: (id) => {
        this.#pools.delete(id);
        this.#latest.publish(id);
      },
    });
  }

  /** Takes over what the store holds; called at the start, and after a lock. */
  load(contents: Contents): void {
    this.#lockFailure = undefined;
    this.#providers.load(contents.providers);
    for (const stored of contents.profiles) {
      const { id } = stored.profile;
      this.#queues.set(id, this.#queueFor(id, stored));
      this.#index(stored.profile);
    }
    for (const record of contents.corrupt) this.#corrupt.set(record.profile, record);
  }

  /** Why nothing is known at present: everything was locked away. */
  get lockFailure(): Failure | undefined {
    return this.#lockFailure;
  }

  /**
   * Lets what is being written end, and forgets everything until `load`. `lockStore` gives the reason why
   * calls fail from then on. Rejects, and nothing is forgotten, if something is in memory only.
   */
  async lock(lockStore: () => Promise<Failure>): Promise<void> {
    const locked = this.#lock(lockStore);
    const over = () => {
      this.#locking = undefined;
    };
    this.#locking = locked.then(over, over);
    await locked;
  }

  async #lock(lockStore: () => Promise<Failure>): Promise<void> {
    for (const [id, queue] of this.#queues) await queue.commit((profile) => profile ?? unknown(id));
    await this.#providers.rewrite();
    this.#lockedOwners = this.owners();
    const ids = [...this.#queues.keys()];
    this.#lockFailure = await lockStore();
    this.#queues.clear();
    this.#idsByProvider.clear();
    this.#aliases.clear();
    this.#corrupt.clear();
    this.#pools.clear();
    this.#providers.load({});
    for (const id of ids) this.#onChange(id);
    for (const owner of this.#lockedOwners) this.#latest.publish(owner);
    this.#latest.publish("");
  }

  /** Calls `listener` after each change of a profile, before anybody else hears of it. */
  onChange(listener: (profileId: string) => void): void {
    this.#onChange = listener;
  }

  get(id: string): Profile | undefined {
    return this.#queues.get(id)?.profile;
  }

  /** The id that an id or a former id stands for now. */
  resolve(id: string): string {
    if (this.#queues.has(id) || this.#corrupt.has(id)) return id;
    return this.#aliases.get(id) ?? canonicalProfileId(id);
  }

  /** Every profile, by id. */
  all(): readonly Profile[] {
    const profiles = [...this.#queues.values()].map((q) => q.profile).filter((p) => p !== undefined);
    return profiles.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  ofProvider(provider: string): readonly Profile[] {
    const ids = this.#idsByProvider.get(provider) ?? [];
    return [...ids].map((id) => this.get(id)).filter((p) => p !== undefined);
  }

  /** Providers that own at least one profile, readable or not; also while all is locked. */
  owners(): readonly string[] {
    if (this.#lockFailure !== undefined) return this.#lockedOwners;
    const owners = new Set(this.#idsByProvider.keys());
    for (const id of this.#corrupt.keys()) owners.add(providerOf(id));
    return [...owners].sort();
  }

  corrupt(id: string): CorruptRecord | undefined {
    return this.#corrupt.get(id);
  }

  corruptRecords(): readonly CorruptRecord[] {
    return [...this.#corrupt.values()];
  }

  provider(id: string): ProviderState {
    return this.#providers.get(id);
  }

  /** The provider's profiles in the order of preference; arranged anew only after a change. */
  pool(provider: string): Pool {
    if (this.#lockFailure !== undefined) throw new BrokerFailure(this.#lockFailure);
    const known = this.#pools.get(provider);
    if (known !== undefined) return known;
    const rules = this.#rulesOf(provider);
    const { order = rules.order, ban } = this.provider(provider);
    const corrupt = this.corruptRecords()
      .filter((r) => providerOf(r.profile) === provider)
      .map((r) => ({ corrupt: true as const, id: r.profile, path: r.path }));
    const pool = arrange(rules, [...this.ofProvider(provider), ...corrupt], order, ban?.profile);
    // Anybody may ask for a provider that is not there; what is empty is not worth remembering.
    if (pool.seats.length > 0) this.#pools.set(provider, pool);
    return pool;
  }

  /** Why the store cannot be written at the moment, or undefined if it can. */
  get trouble(): StoreError | undefined {
    return this.#health.trouble;
  }

  /** True while something that was answered for is in memory only. */
  hasUnwritten(): boolean {
    for (const queue of this.#queues.values()) if (queue.isDirty) return true;
    return this.#providers.isDirty;
  }

  /** The profiles of which something is in memory only. */
  unwritten(): readonly string[] {
    return [...this.#queues].filter(([, queue]) => queue.isDirty).map(([id]) => id);
  }

  /** Changes a profile, as `WriteQueue.commit` says. */
  commit(id: string, change: Change, options: CommitOptions = {}): Promise<Committed> {
    if (this.#locking !== undefined) return this.#locking.then(() => this.commit(id, change, options));
    if (this.#lockFailure !== undefined) return Promise.reject(new BrokerFailure(this.#lockFailure));
    const queue = this.#queues.get(id) ?? this.#queueFor(id);
    this.#queues.set(id, queue);
    return queue.commit(change, options);
  }

  /** Removes a profile for good; a record that cannot be read is moved aside instead. */
  async remove(id: string): Promise<void> {
    if (this.#corrupt.has(id)) {
      await this.setAside(id);
      return;
    }
    const queue = this.#queues.get(id);
    if (queue === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: id });
    await queue.commit("remove");
  }

  /** Makes room for a new profile where an unreadable record lies. */
  async setAside(id: string): Promise<void> {
    await this.#health.written(() => this.#store.setAside(id));
    this.#corrupt.delete(id);
    this.#changed(id);
  }

  /** Changes what is kept of a provider, as `ProviderStates.change` says. */
  changeProvider(
    id: string,
    change: (state: ProviderState) => ProviderState,
    options: Pick<CommitOptions, "keep"> = {},
  ): Promise<void> {
    if (this.#locking !== undefined)
      return this.#locking.then(() => this.changeProvider(id, change, options));
    if (this.#lockFailure !== undefined) return Promise.reject(new BrokerFailure(this.#lockFailure));
    return this.#providers.change(id, change, options);
  }

  /** Writes what is unwritten, each record whatever becomes of the others. Rejects if one is refused. */
  async writeUnwritten(): Promise<void> {
    const writes = this.unwritten().map((id) => this.commit(id, (profile) => profile ?? unknown(id)));
    const ends = await Promise.allSettled([...writes, this.#providers.rewrite()]);
    const refused = ends.find((end) => end.status === "rejected");
    if (refused !== undefined) throw refused.reason;
  }

  async #tryAgain(): Promise<void> {
    if (this.hasUnwritten()) await this.writeUnwritten();
    else await this.#health.written(() => this.#store.probe());
  }

  #queueFor(id: string, stored?: { readonly profile: Profile; readonly revision: number }): WriteQueue {
    const ends = {
      replace: (profile: Profile, revision: number, reserve: boolean) =>
        this.#health.written(() => this.#store.replace(profile, revision, { reserve })),
      remove: () => this.#health.written(() => this.#store.remove(id)),
      onSwap: (before: Profile | undefined, after: Profile | undefined) => {
        if (before !== undefined) this.#unindex(before);
        if (after !== undefined) this.#index(after);
        const pool = this.#pools.get(providerOf(id));
        const kept = pool && before && after && reseated(pool, after);
        this.#changed(id, kept);
      },
      onRest: () => {
        if (queue.profile === undefined) this.#queues.delete(id);
      },
    };
    const queue = new WriteQueue(id, ends, stored);
    return queue;
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

  /** `pool`: the provider's after the change, if it need not be arranged anew. */
  #changed(id: string, pool?: Pool): void {
    const provider = providerOf(id);
    if (pool === undefined) this.#pools.delete(provider);
    else this.#pools.set(provider, pool);
    this.#onChange(id);
    this.#latest.publish(provider);
  }
}

function providerOf(id: string): string {
  return id.slice(0, id.indexOf(":"));
}

function unknown(id: string): never {
  throw new BrokerFailure({ kind: "profile_unknown", profile: id });
}
