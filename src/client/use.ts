import { type Callback, type End, run } from "./attempt.ts";
import { unavailableError } from "./error.ts";
import { requestOf, waitMsOf } from "./twin.ts";
import type {
  Acquired,
  AcquireOptions,
  CallOptions,
  Clock,
  Lease,
  Report,
  ReportOptions,
  WatchState,
} from "./types.ts";

/** The calls that `use` is made of. */
export interface Calls {
  acquire(options: AcquireOptions, call?: CallOptions): Promise<Acquired>;
  report(options: ReportOptions, call?: CallOptions): Promise<Report>;
  release(lease: Lease, call?: CallOptions): Promise<void>;
}

/**
 * What `use` needs: the fields of an acquire, and a signal. With `maxWait` it also waits after a
 * failure until a profile is usable again, altogether that long; where that is not enough, or no wait
 * helps, the broker's own reason comes as a `BrokerError`. Without it a failure is what the callback made of it.
 */
export interface UseOptions extends Omit<AcquireOptions, "provider"> {
  /** Ends waiting and trying. The callback sees to its own requests. */
  readonly signal?: AbortSignal | undefined;
  /** How long each call to the broker may take, in milliseconds. Default: as for `acquire`. */
  readonly timeoutMs?: number | undefined;
}

/** A longer delay than this is not waited for between two tries. */
const LONGEST_DELAY_MS = 60_000;
/** A wait costs at least this much patience, so that no provider makes it endless. */
const SHORTEST_WAIT_MS = 1_000;
/** A good answer is not held back longer than this for its report. */
const REPORT_OK_WITHIN_MS = 1_000;

/** As `Broker.use`. `held`: what is in memory for a request, if anything is. */
export async function use<T>(
  calls: Calls,
  clock: Clock,
  held: (request: AcquireOptions) => Acquired | undefined,
  provider: string,
  { signal, timeoutMs, ...wanted }: UseOptions,
  callback: Callback<T>,
): Promise<T> {
  const request = { ...wanted, provider };
  const call = { signal, timeoutMs };
  const course = new Course(calls, clock, request, call);
  signal?.throwIfAborted();
  const lent = held(request);
  let granted = lent ?? (await calls.acquire(request, call));
  for (let number = 1; ; number += 1) {
    course.begin(granted.lease);
    const end = await run(callback, number, granted, signal);
    const next = await course.next(granted.lease, end, granted === lent);
    if (next === undefined) return end.give();
    end.drop();
    granted = next;
  }
}

/** The tries of one `use`, and what may follow them. */
class Course {
  readonly #calls: Calls;
  readonly #clock: Clock;
  readonly #request: AcquireOptions;
  readonly #call: CallOptions;
  readonly #tried = new Map<string, { readonly generation: number; readonly isSecond: boolean }>();
  #waitedMs = 0;

  constructor(calls: Calls, clock: Clock, request: AcquireOptions, call: CallOptions) {
    this.#calls = calls;
    this.#clock = clock;
    this.#request = request;
    this.#call = call;
  }

  begin({ profile, generation }: Lease): void {
    this.#tried.set(profile, { generation, isSecond: this.#tried.has(profile) });
  }

  /**
   * Reports, and gives the credential of the next try. A lease that is lent belongs to a live handle, which goes
   * on with it. Undefined: there is none, and the callback's end counts. Rejects when waiting would take longer than the caller allows, or the signal says so.
   */
  async next<T>(lease: Lease, end: End<T>, isLent: boolean): Promise<Acquired | undefined> {
    const { report, isGood, mayRetry } = end;
    if (report === undefined) {
      if (!isLent) await this.#letGo(lease);
      return undefined;
    }
    // What the provider said is worth more to the caller than trouble with the report of it.
    const call = isGood ? { ...this.#call, timeoutMs: REPORT_OK_WITHIN_MS } : this.#call;
    const answer = await this.#calls
      .report({ lease, ...report, acquireNext: mayRetry }, call)
      .catch(() => undefined);
    if (!mayRetry || answer?.next === undefined) return undefined;
    return this.#follow(answer, answer.next).catch((error: unknown) => {
      end.drop();
      throw error;
    });
  }

  async #follow(report: Report, { granted, unavailable }: WatchState): Promise<Acquired | undefined> {
    const { action, delay } = report.advice ?? { action: "ADVICE_ACTION_GIVE_UP", delay: 0 };
    if (granted !== undefined) {
      const isAdvised = action === "ADVICE_ACTION_RETRY_NEXT" || action === "ADVICE_ACTION_RETRY_SAME";
      if (!isAdvised || delay > LONGEST_DELAY_MS || !this.#mayTry(granted.lease, report)) {
        await this.#letGo(granted.lease);
        return undefined;
      }
      await this.#clock.sleep(delay, this.#call.signal).catch(async (error: unknown) => {
        await this.#letGo(granted.lease);
        throw error;
      });
      return granted;
    }
    const patienceMs = waitMsOf(requestOf("AcquireCredentialRequest", this.#request));
    if (patienceMs === undefined) return undefined;
    const leftMs = patienceMs - this.#waitedMs;
    if (action !== "ADVICE_ACTION_WAIT" || delay > leftMs) throw unavailableError(unavailable);
    this.#waitedMs += Math.max(delay, SHORTEST_WAIT_MS);
    this.#tried.clear();
    return this.#calls.acquire({ ...this.#request, maxWait: leftMs }, this.#call);
  }

  /** Each profile once; once more with the token that a refresh brought in place of a refused one. */
  #mayTry({ profile, generation }: Lease, { outcome }: Report): boolean {
    const before = this.#tried.get(profile);
    if (before === undefined) return true;
    return outcome === "OUTCOME_AUTH_INVALID_TOKEN" && !before.isSecond && generation > before.generation;
  }

  /** Ends a lease that will not be reported; a trial would keep others waiting. */
  async #letGo(lease: Lease): Promise<void> {
    await this.#calls.release(lease, { timeoutMs: REPORT_OK_WITHIN_MS }).catch(() => {});
  }
}
