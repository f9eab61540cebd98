import { closedError, unavailableError } from "./error.ts";
import type { Kept, KeptState } from "./kept.ts";
import type { Acquired, Advice, CallOptions, Lease, Report, ReportOptions, WatchOptions } from "./types.ts";

/** What `live` keeps an eye on. */
export type LiveOptions = Omit<WatchOptions, "provider">;

/** What came of a request, for `next`. Exactly one of `outcome` and `providerResponse`. */
export interface NextOptions extends Omit<ReportOptions, "leaseId" | "acquireNext"> {
  /** The lease of the request. Default: that of the credential which this handle gave last. */
  readonly lease?: Lease | undefined;
}

/** A judgement of the caller's own, such as `USAGE_LIMIT`. */
type Outcome = NonNullable<ReportOptions["outcome"]>;

/** The credential after a failure, with what to do before it is used. */
export interface Following extends Acquired {
  /** Absent after an OK. */
  readonly advice?: Advice;
}

/** A credential that is kept fresh in memory. */
export interface Live {
  /**
   * The credential to use now, without asking anybody. While the broker is away the last one serves
   * until its expiry, by the wall clock and by the monotonic one. Throws `BrokerError`: why no profile is
   * usable, or that nothing usable is known.
   */
  current(): Acquired;
  /**
   * Reports a failure and gives the credential to go on with, in one round trip; `current` gives no
   * longer what the broker has withdrawn. Programs with several requests at a time name the lease. Rejects
   * with `BrokerError`: why there is no other.
   */
  next(outcome: Outcome | NextOptions, call?: CallOptions): Promise<Following>;
  /** `connecting` until the broker has told the first state, `closed` after `close` or a refusal. */
  readonly state: KeptState;
  /** Ends the watch and gives its lease back. `current` throws from then on. */
  close(): void;
  /** As `close`, and waits until the lease is given back. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a handle needs besides the state that it shares. */
export interface HandleWiring {
  readonly kept: Kept;
  /** The model that the watch is about. */
  readonly model: string | undefined;
  readonly report: (options: ReportOptions, call?: CallOptions) => Promise<Report>;
  /** Called once. Resolves when what nobody holds any more has been given back. */
  readonly leave: () => Promise<void>;
}

/** One user of a kept state. It serves at once; awaiting it waits for the first state, or rejects with the refusal. */
export function liveHandle(wiring: HandleWiring): Live & Promise<Live> {
  const handle = new Handle(wiring);
  const first = wiring.kept.first.then((): Live => handle);
  first.catch(() => {});
  const both = Object.assign(first, {
    state: handle.state,
    current: () => handle.current(),
    next: (...given: Parameters<Live["next"]>) => handle.next(...given),
    close: () => handle.close(),
    [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose](),
  });
  return Object.defineProperty(both, "state", { get: () => handle.state });
}

class Handle implements Live {
  readonly #wiring: HandleWiring;
  readonly #kept: Kept;
  #given: Lease | undefined;
  #left: Promise<void> | undefined;

  constructor(wiring: HandleWiring) {
    this.#wiring = wiring;
    this.#kept = wiring.kept;
  }

  get state(): KeptState {
    return this.#left === undefined ? this.#kept.state : "closed";
  }

  current(): Acquired {
    if (this.#left !== undefined) throw closedError();
    const acquired = this.#kept.current();
    this.#given = acquired.lease;
    return acquired;
  }

  async next(outcome: Outcome | NextOptions, call?: CallOptions): Promise<Following> {
    if (this.#left !== undefined) throw closedError();
    const options: NextOptions = typeof outcome === "string" ? { outcome } : outcome;
    const lease = options.lease ?? this.#given ?? this.current().lease;
    if (isRefusal(options)) this.#kept.refused(lease);
    const report = await this.#wiring.report({ ...options, lease, acquireNext: true }, call);
    // A report about another model says nothing about what is kept here.
    if (options.model === undefined || options.model === this.#wiring.model)
      this.#kept.answered(lease, report);
    const { next, advice } = report;
    if (next === undefined) return this.current();
    if (next.granted === undefined) throw unavailableError(next.unavailable);
    this.#given = next.granted.lease;
    return { ...next.granted, ...(advice !== undefined && { advice }) };
  }

  close(): void {
    this.#left ??= this.#wiring.leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#left;
  }
}

/** Outcomes that take a credential away by themselves; the rest is about the request or the network. */
const REFUSALS = /^(OUTCOME_)?(RATE_LIMIT|USAGE_LIMIT|AUTH_INVALID_TOKEN|AUTH_PERMANENT|BILLING|FORBIDDEN)$/;
const REFUSAL_STATUS = new Set([401, 402, 403, 429]);

function isRefusal({ outcome, providerResponse }: NextOptions): boolean {
  if (outcome !== undefined) return REFUSALS.test(outcome);
  return REFUSAL_STATUS.has(providerResponse?.httpStatus ?? 0);
}
