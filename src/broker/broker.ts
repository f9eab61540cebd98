import type { Request } from "../domain/candidate.ts";
import { type Explanation, explain } from "../domain/explain.ts";
import { BrokerFailure, type Failure } from "../domain/failure.ts";
import type { Profile } from "../domain/profile.ts";
import { after } from "../domain/time.ts";
import { acquire, type Patience } from "./acquire.ts";
import { type Caller, type Context, poolFor, resolved, sceneOf } from "./context.ts";
import type { Handout } from "./handout.ts";
import type { Locking } from "./locking.ts";
import type { Logins } from "./login.ts";
import type { LoggedOut } from "./logout.ts";
import type { Next } from "./next.ts";
import { open } from "./opening.ts";
import type { BrokerParts } from "./parts.ts";
import { type PutOrder, put } from "./put.ts";
import { type ReportAnswer, release, report, type Seen } from "./report.ts";
import { storeFailure } from "./store-failure.ts";
import { firstOf } from "./waiting.ts";
import { watch } from "./watch.ts";
import { wire } from "./wiring.ts";

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
    await open(this.ctx, this.#parts.store);
    if (this.#parts.lockAfterMs !== undefined) (await this.locking()).asked();
    const { notify } = this.#parts;
    if (notify === undefined) return;
    // Not loaded where nobody wants to be told.
    const { Notices } = await import("./notices.ts");
    new Notices(this.ctx, notify).start();
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
      load: () => open(ctx, store),
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
