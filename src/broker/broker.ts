import type { Request } from "../domain/candidate.ts";
import { type Explanation, explain } from "../domain/explain.ts";
import { BrokerFailure, type Failure } from "../domain/failure.ts";
import type { Grant, OAuthGrant } from "../domain/grant.ts";
import type { Notice } from "../domain/notice.ts";
import type { ProviderRules } from "../domain/pool.ts";
import type { Profile } from "../domain/profile.ts";
import type { Settings } from "../domain/settings.ts";
import { after, type Now } from "../domain/time.ts";
import { type Event, transition } from "../domain/transition.ts";
import type { GiveBack, Provider, ReadSharedSource, ReadUsage, RefreshGrant } from "../provider/provider.ts";
import type { Store } from "../store/store.ts";
import { acquire, type Patience } from "./acquire.ts";
import { Alarm } from "./alarm.ts";
import { type Audit, NO_AUDIT } from "./audit.ts";
import type { Clock } from "./clock.ts";
import { type Caller, type Context, poolFor, resolved, sceneOf } from "./context.ts";
import type { Handout } from "./handout.ts";
import { Lanes } from "./lanes.ts";
import { Latest } from "./latest.ts";
import { LeaseIds } from "./lease.ts";
import { Ledger } from "./ledger.ts";
import type { Locking } from "./locking.ts";
import type { Log } from "./log.ts";
import type { Logins } from "./login.ts";
import type { LoginWiring } from "./login-landing.ts";
import type { LoggedOut } from "./logout.ts";
import type { Next } from "./next.ts";
import { type PutOrder, put } from "./put.ts";
import { Refreshes } from "./refresh.ts";
import { clientKey } from "./refresh-rules.ts";
import { RefreshSchedule } from "./refresh-schedule.ts";
import { type ReportAnswer, release, report, type Seen } from "./report.ts";
import { Sessions } from "./sessions.ts";
import { SharedSources } from "./shared.ts";
import { storeFailure } from "./store-failure.ts";
import { Trials } from "./trials.ts";
import { Troubles } from "./troubles.ts";
import { Turns } from "./turns.ts";
import { UsageHistories } from "./usage-history.ts";
import { UsagePoll } from "./usage-poll.ts";
import { firstOf } from "./waiting.ts";
import { watch } from "./watch.ts";

/** What a broker is made of; everything that is not decided by the rules comes from outside. */
export interface BrokerParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly log: Log;
  /** The per-install key. */
  readonly key: Uint8Array;
  /** A provider by canonical id; plain for ids that only own profiles. */
  readonly providerOf: (id: string) => Provider;
  /** Built in or in the configuration. */
  readonly isKnown: (id: string) => boolean;
  /** Ids that the configuration names. */
  readonly configured: readonly string[];
  readonly refreshGrant: RefreshGrant;
  readonly readShared: ReadSharedSource;
  readonly readUsage: ReadUsage;
  /** Tells an operator of something; absent if nobody wants to be told. */
  readonly notify?: (notice: Notice) => void;
  /** [0, 1); keeps apart what need not happen together. */
  readonly random: () => number;
  readonly giveBack: GiveBack;
  readonly fingerprintOf: (grant: Grant) => string;
  /** Default: nothing is written down. */
  readonly audit?: Audit;
  readonly signOutHint: Context["signOutHint"];
  /** Draws the moment of the refresh ahead for a grant that came from outside. */
  readonly withRefreshDue: (grant: OAuthGrant, provider: string, now: Now) => OAuthGrant;
  readonly login: LoginWiring;
  /** Aborts when the broker is about to stop. */
  readonly ending: AbortSignal;
  /** Lock when nobody asked for so long. Absent: never. */
  readonly lockAfterMs?: number;
}

/** A refresh may take its whole time, and its one replay too; then there is time left to write. */
const DRAIN_ALLOWANCE_MS = 5_000;

/** The owner of every profile: hands out, hears, refreshes, remembers. */
export class Broker {
  readonly ctx: Context;
  #logins: Promise<Logins> | undefined;
  #loadingLock: Promise<Locking> | undefined;
  #lock: Locking | undefined;
  readonly #parts: BrokerParts;

  constructor(parts: BrokerParts) {
    this.#parts = parts;
    this.ctx = wire(parts);
  }

  /** Reads the state and closes what a former process left open. Rejects with `StoreError`. */
  async start(): Promise<void> {
    await this.#load();
    if (this.#parts.lockAfterMs !== undefined) (await this.locking()).asked();
    const { notify } = this.#parts;
    if (notify === undefined) return;
    // Not loaded where nobody wants to be told.
    const { Notices } = await import("./notices.ts");
    new Notices(this.ctx, notify).start();
  }

  async #load(): Promise<void> {
    const { store, clock } = this.#parts;
    const contents = await store.readAll(clock.now());
    this.ctx.ledger.load(contents);
    for (const { profile, older } of contents.profiles) if (older === true) await this.#doubt(profile);
    for (const profile of this.ctx.ledger.all()) {
      if (profile.intent?.phase === "open") await this.#recover(profile);
      this.ctx.plan(profile.id);
    }
    for (const owner of this.ctx.ledger.owners()) this.ctx.latest.publish(owner);
    this.ctx.latest.publish("");
  }

  /** An older copy of the record was restored. */
  async #doubt(profile: Profile): Promise<void> {
    this.ctx.log.warn(
      { profile: profile.id },
      "its record is an older copy than the last one written here; its refresh token may be spent",
    );
    const rotation = this.ctx.providerOf(profile.provider).oauth?.rotation ?? "strict";
    await this.#mend(profile, { type: "restored", rotation });
  }

  /** A refresh was under way when the former process died: its answer is lost. */
  async #recover(profile: Profile): Promise<void> {
    this.ctx.log.warn(
      { profile: profile.id },
      "a refresh was under way when the broker last ended; its answer is lost",
    );
    await this.#mend(profile, { type: "refresh_lost", from: profile.generation });
  }

  /** Changes a profile before anybody is served; in memory only if the disk refuses. */
  async #mend(profile: Profile, event: Event): Promise<void> {
    const { ledger, clock, settings, log } = this.ctx;
    await ledger
      .commit(profile.id, (p) => transition(p ?? profile, event, clock.now(), settings), { keep: true })
      .catch((error: unknown) =>
        log.error({ err: error, profile: profile.id }, "the state cannot be written"),
      );
  }

  acquire(request: Request, caller: Caller, patience: Patience): Handout | Promise<Handout> {
    const { confirm } = caller;
    if (confirm === undefined) return acquire(this.ctx, request, caller, patience);
    // Nobody is asked about what cannot be.
    resolved(this.ctx, request, caller);
    return confirm(request, patience).then(() => acquire(this.ctx, request, caller, patience));
  }

  watch(request: Request, caller: Caller, signal: AbortSignal): AsyncGenerator<Next, void, undefined> {
    return watch(this.ctx, request, caller, signal);
  }

  report(seen: Seen, caller: Caller, patience: Patience): Promise<ReportAnswer> {
    return report(this.ctx, seen, caller, patience);
  }

  release(leaseId: string, caller: Caller): void {
    release(this.ctx, leaseId, caller);
  }

  explain(asked: Request, caller: Caller): readonly Explanation[] {
    const { ctx } = this;
    const now = ctx.clock.now();
    const request = resolved(ctx, asked, caller);
    const pool = poolFor(ctx, request.provider, caller);
    const scene = sceneOf(ctx, request, caller, "acquire", now);
    return explain(pool, request, scene, ctx.settings.session.homeWithinMs, now);
  }

  put(order: PutOrder): Promise<Profile> {
    const { grant } = order;
    if (grant.kind !== "oauth") return put(this.ctx, order);
    const provider = order.profile.slice(0, order.profile.indexOf(":"));
    const drawn = this.#parts.withRefreshDue(grant, provider, this.ctx.clock.now());
    return put(this.ctx, { ...order, grant: drawn });
  }

  /** Whether there is such a profile or provider. */
  knows(id: string): boolean {
    const { ledger, isKnown } = this.ctx;
    return id.includes(":") ? ledger.get(id) !== undefined : isKnown(id) || ledger.owners().includes(id);
  }

  /** The logins under way. What only they need is loaded with the first: no start waits for it. */
  logins(): Promise<Logins> {
    this.#logins ??= import("./login.ts").then(
      ({ Logins }) => new Logins(this.ctx, this.#parts.login),
      (error: unknown) => {
        // Such as descriptors that ran out: the next call tries again, and a stop does not hang on it.
        this.#logins = undefined;
        throw error;
      },
    );
    return this.#logins;
  }

  /** Lock and unlock; loaded when the broker already serves, or by whoever comes sooner. */
  locking(): Promise<Locking> {
    this.#loadingLock ??= this.#loadLocking().catch((error: unknown) => {
      // As with logins: the next call tries again.
      this.#loadingLock = undefined;
      throw error;
    });
    return this.#loadingLock;
  }

  async #loadLocking(): Promise<Locking> {
    const { Locking } = await import("./locking.ts");
    const { ctx } = this;
    const { store, settings, lockAfterMs } = this.#parts;
    this.#lock = new Locking({
      ...ctx,
      store,
      load: () => this.#load(),
      flush: () => ctx.histories.flush(),
      flightMs: 2 * settings.refresh.totalTimeoutMs,
      isWatched: () => ctx.watches.size > 0,
      ...(lockAfterMs === undefined ? {} : { lockAfterMs }),
    });
    return this.#lock;
  }

  /** Somebody asked for something: the time until the lock by itself begins anew. */
  asked(): void {
    this.#lock?.asked();
  }

  /** As `returnProfile` says. */
  async returnProfile(profile: string): Promise<string> {
    const { returnProfile } = await import("./return-profile.ts");
    return returnProfile(this.ctx, this.#parts.giveBack, profile);
  }

  /** As `logout` says. */
  async logout(profile: string, keepAtProvider: boolean): Promise<LoggedOut> {
    const { logout } = await import("./logout.ts");
    return logout(this.ctx, this.#parts.login.protocol, profile, keepAtProvider);
  }

  /** True while something that callers rely on is not on the disk yet, or cannot be. */
  get isTroubled(): boolean {
    const { ledger, refreshes } = this.ctx;
    return (
      ledger.lockFailure !== undefined ||
      ledger.trouble !== undefined ||
      ledger.hasUnwritten() ||
      refreshes.trouble !== undefined
    );
  }

  /** Begins no more refreshes and lets the running ones land; gives up on those that cannot. */
  async drain(): Promise<void> {
    const { refreshes, alarm, clock, settings } = this.ctx;
    const logins = await this.#logins?.catch(() => undefined);
    await logins?.stop();
    const limit = after(clock.now(), 2 * settings.refresh.totalTimeoutMs + DRAIN_ALLOWANCE_MS);
    await firstOf(alarm, [refreshes.drain()], [limit], []);
  }

  /**
   * The last thing: writes what is unwritten. Rejects with `BrokerFailure`, and says so in the log, if
   * something that was answered for, or a new grant, could not be written.
   */
  async settle(): Promise<void> {
    const { ledger, refreshes, alarm, log, histories } = this.ctx;
    await ledger.writeUnwritten().catch(() => {});
    await histories.flush();
    alarm.stop();
    const flying = refreshes.flying();
    if (flying.length === 0 && !ledger.hasUnwritten()) return;
    log.error(
      { refreshing: flying, unwritten: ledger.unwritten() },
      "the broker stops although not everything is written down; what these profiles learned last is lost",
    );
    const { trouble } = ledger;
    const failure: Failure = trouble === undefined ? { kind: "internal" } : storeFailure(trouble);
    throw refreshes.trouble ?? new BrokerFailure(failure, { cause: trouble });
  }
}

function wire(parts: BrokerParts): Context {
  const { store, clock, settings, log, providerOf, refreshGrant } = parts;
  const alarm = new Alarm(clock, (error) => log.error({ err: error }, "unexpected error at a due moment"));
  const latest = new Latest();
  const ledger = new Ledger({ store, clock, alarm, latest, rulesOf: (id) => rulesOf(providerOf(id)) });
  const shared = new SharedSources({ ledger, clock, settings, log, read: drawingDue(parts) });
  const lanes = new Lanes(settings.refresh.lanes);
  const turns = new Turns({ ledger, latest, alarm, clock });
  const plan = (profileId: string) => {
    schedule.plan(profileId);
    turns.plan(profileId);
    usage.plan(profileId);
  };
  const refreshes = new Refreshes({
    ledger,
    lanes,
    alarm,
    clock,
    settings,
    log,
    audit: parts.audit ?? NO_AUDIT,
    fingerprintOf: parts.fingerprintOf,
    shared,
    providerOf,
    refreshGrant,
    onLanded: (profileId) => {
      plan(profileId);
      // A grant that could not be written for a while kept the health down until now.
      latest.publish("");
    },
  });
  const heldUntilMs = (provider: string) => {
    const client = providerOf(provider).oauth;
    return client === undefined ? undefined : lanes.heldUntilMs(clientKey(client), clock.now());
  };
  const schedule = new RefreshSchedule({ ledger, refreshes, alarm, clock, heldUntilMs });
  const usage = new UsagePoll({
    ledger,
    lanes: new Lanes(1),
    alarm,
    clock,
    settings,
    log,
    shared,
    providerOf,
    readUsage: parts.readUsage,
    ending: parts.ending,
    followsUse: (id) => parts.notify !== undefined || providerOf(id).strategy === "earliest_reset",
    random: parts.random,
    onTrouble: (id) => latest.publish(id),
  });
  const histories = new UsageHistories({ ledger, store, alarm, clock, log });
  ledger.onChange((profileId) => {
    plan(profileId);
    histories.note(profileId);
  });
  return {
    ledger,
    latest,
    alarm,
    clock,
    settings,
    log,
    leases: new LeaseIds(parts.key),
    sessions: new Sessions(settings.session.idleLimitMs),
    trials: new Trials(alarm),
    troubles: new Troubles(settings),
    refreshes,
    shared,
    usage,
    histories,
    watches: new Map(),
    lastPlace: new Map(),
    providerOf,
    isKnown: parts.isKnown,
    listedProviders: () => [...new Set([...parts.configured, ...ledger.owners()])].sort(),
    fingerprintOf: parts.fingerprintOf,
    audit: parts.audit ?? NO_AUDIT,
    signOutHint: parts.signOutHint,
    plan,
    oneByOne: queue(),
    heldUntilMs,
    ending: parts.ending,
  };
}

function rulesOf(provider: Provider): ProviderRules & { readonly order?: readonly string[] } {
  return {
    id: provider.id,
    strategy: provider.strategy,
    failover: provider.policy.failover,
    meteredFallback: provider.meteredFallback,
    isKeysOnly: provider.oauth === undefined,
    ...(provider.order === undefined ? {} : { order: provider.order }),
  };
}

function drawingDue({ readShared, withRefreshDue }: BrokerParts): ReadSharedSource {
  return async (path, provider, account, now) => {
    const found = await readShared(path, provider, account, now);
    return found === undefined ? undefined : { ...found, grant: withRefreshDue(found.grant, provider, now) };
  };
}

function queue(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const result = last.then(run);
    last = result.catch(() => {});
    return result;
  };
}
