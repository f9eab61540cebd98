import type { Acquired, Broker, Report } from "../client/index.ts";
import { moment } from "../client/when.ts";
import { livingLease } from "./lease.ts";
import { answerOf } from "./outcome.ts";
import type { TurnError, Windows } from "./turn.ts";

/** A turn waits no longer than this for the broker. */
const WITHIN_MS = 2_000;
/** The app-server waits 10 s for a new token and then gives the turn up. */
const RENEWED_WITHIN_MS = 9_000;

/** What the conversations of one app-server ask the broker for. */
export interface LoanOptions {
  readonly provider: string;
  readonly sessionId: string;
  readonly profile: string | undefined;
  /** Where a turn names none. */
  readonly model: string | undefined;
  /** False: the first profile stays the only one. */
  readonly failover: boolean;
}

/** How a turn ended, and under which credential. */
export interface TurnReport {
  readonly granted: Acquired;
  readonly model: string | undefined;
  readonly windows: Windows;
  readonly isOver: boolean;
  readonly error?: TurnError | undefined;
}

/** The credential that a running app-server has: taken for each turn, renewed when refused, reported on. */
export class Loan {
  readonly #broker: Broker;
  readonly #options: LoanOptions;
  readonly #note: (line: string) => void;
  #current: Acquired | undefined;
  /** False: the last turn failed for a reason that may lie in the account. */
  #isGood = true;
  #reports: Promise<void> = Promise.resolve();
  #untold = 0;

  constructor(broker: Broker, options: LoanOptions, note: (line: string) => void) {
    this.#broker = broker;
    this.#options = options;
    this.#note = note;
  }

  /** What the app-server is logged in with; undefined: nothing. */
  get current(): Acquired | undefined {
    return this.#current;
  }

  /** The app-server has this now. */
  holds(granted: Acquired | undefined): void {
    this.#current = granted;
    this.#isGood = true;
  }

  /**
   * The credential for the next turn, once the broker has heard how the last one ended. While the broker is
   * away that is the last one, if it was good. Rejects with `BrokerError`.
   */
  async take(model?: string): Promise<Acquired> {
    await this.#reports;
    try {
      return await this.#acquire(WITHIN_MS, model);
    } catch (error) {
      if (!isAway(error) || this.#current === undefined || !this.#isGood) throw error;
      return this.#current;
    }
  }

  /** A credential in place of one that was refused just now. Rejects with `BrokerError`. */
  async renew(): Promise<Acquired> {
    const refused = this.#current;
    if (refused === undefined || isExpired(refused)) {
      const granted = await this.#acquire(RENEWED_WITHIN_MS);
      if (refused === undefined || isOther(granted, refused)) return granted;
    }
    const { lease } = refused;
    const told = await this.#broker.report(
      { lease, outcome: "AUTH_INVALID_TOKEN", acquireNext: true },
      { timeoutMs: RENEWED_WITHIN_MS },
    );
    if (told.next?.granted !== undefined) return told.next.granted;
    throw new Error(told.next?.unavailable?.message ?? "no profile is usable");
  }

  /** What a running turn has used up; left away while there is something else to tell. */
  observe(granted: Acquired, windows: Windows): void {
    if (this.#untold === 0) this.report({ granted, model: undefined, windows, isOver: true });
  }

  /** Tells the broker; the next turn waits for that. Trouble with it never reaches the app-server. */
  report(turn: TurnReport): void {
    const answer = answerOf(turn);
    if (answer === undefined) return;
    if (turn.error !== undefined) this.#isGood = false;
    const { granted, model } = turn;
    const tell = async () => {
      const lease = await livingLease(this.#broker, granted);
      const told = await this.#broker.report(
        { lease, providerResponse: answer, ...(model !== undefined && { model }) },
        { timeoutMs: WITHIN_MS },
      );
      if (turn.error !== undefined) this.#say(told, granted);
    };
    this.#untold += 1;
    this.#reports = this.#reports
      .then(tell)
      .catch((error: Error) => this.#note(`the broker does not know how a turn ended: ${error.message}`))
      .finally(() => {
        this.#untold -= 1;
      });
  }

  /** Resolves when the broker has heard everything. */
  settled(): Promise<void> {
    return this.#reports;
  }

  async #acquire(timeoutMs: number, model = this.#options.model): Promise<Acquired> {
    const { provider, sessionId, profile, failover } = this.#options;
    const pin = profile ?? (failover ? undefined : this.#current?.lease.profile);
    return this.#broker.acquire(
      {
        provider,
        sessionId,
        ...(model !== undefined && { model }),
        ...(pin !== undefined && { profile: pin }),
      },
      { timeoutMs },
    );
  }

  #say({ outcome, retryTime, scope }: Report, { lease }: Acquired): void {
    if (scope !== "SCOPE_PROFILE" && scope !== "SCOPE_PROFILE_MODEL") return;
    const until = retryTime === undefined ? "" : ` until ${moment(retryTime, Date.now())}`;
    const isLimit = outcome.endsWith("_LIMIT") || outcome === "OUTCOME_BILLING";
    this.#note(`${lease.profile} ${isLimit ? `is at its limit${until}` : "was refused"}`);
  }
}

/** Whether an app-server that has `current` needs to be told of `granted`. */
export function isOther({ lease }: Acquired, current: Acquired | undefined): boolean {
  return lease.profile !== current?.lease.profile || lease.generation !== current.lease.generation;
}

/** The token or the lease is over by time alone, so nothing is held against the profile. */
function isExpired({ lease }: Acquired): boolean {
  return lease.expireTime.getTime() <= Date.now();
}

function isAway(error: unknown): boolean {
  const { code, reason } = error as { readonly code?: unknown; readonly reason?: unknown };
  return (code === "UNAVAILABLE" || code === "DEADLINE_EXCEEDED") && (reason === "" || reason === "DRAINING");
}
