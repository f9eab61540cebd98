import { BrokerFailure } from "../domain/failure.ts";
import { after, type Deadline, reached } from "../domain/time.ts";
import type { Store } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { Refreshes } from "./refresh.ts";
import { storeFailure, storeTrouble } from "./store-failure.ts";
import { firstOf } from "./waiting.ts";

export interface LockingWiring {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly refreshes: Refreshes;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly log: Log;
  /** Reads the records into the ledger. */
  readonly load: () => Promise<void>;
  /** Writes what would otherwise be written later. Never rejects. */
  readonly flush: () => Promise<void>;
  /** How long a running refresh is waited for. */
  readonly flightMs: number;
  /** Lock when nobody asked for so long and nobody watches. Absent: never. */
  readonly lockAfterMs?: number;
  readonly isWatched: () => boolean;
}

const BUSY = { kind: "store_unavailable", path: "", cause: "a refresh is under way" } as const;

/** Puts key and logins away while the broker runs, and takes them back. One change at a time. */
export class Locking {
  readonly #w: LockingWiring;
  #last: Promise<unknown> = Promise.resolve();
  #idleUntil: Deadline | undefined;

  constructor(wiring: LockingWiring) {
    this.#w = wiring;
  }

  /** Somebody asked for something: the time until the lock by itself begins anew. */
  asked(): void {
    const { lockAfterMs, alarm, clock } = this.#w;
    if (lockAfterMs === undefined) return;
    const isWaiting = this.#idleUntil !== undefined;
    this.#idleUntil = after(clock.now(), lockAfterMs);
    if (!isWaiting) alarm.at(this.#idleUntil, () => this.#look());
  }

  /** Rejects with `BrokerFailure`, and nothing is locked, if something would be lost. */
  lock(): Promise<void> {
    return this.#inTurn(async () => {
      const { store, ledger, refreshes, log } = this.#w;
      if (ledger.lockFailure !== undefined) return;
      try {
        await this.#landed();
        await this.#w.flush();
        await ledger.lock(async () => storeFailure(await store.lock())).catch(storeTrouble);
      } finally {
        refreshes.resume();
      }
      log.info({}, "the records are locked");
    });
  }

  /** Rejects with `BrokerFailure`, and all stays locked, if the key or the records are not to be had. */
  unlock(): Promise<void> {
    return this.#inTurn(async () => {
      const { store, ledger, load, log } = this.#w;
      if (ledger.lockFailure === undefined) return;
      await store.unlock().then(load).catch(storeTrouble);
      this.asked();
      log.info({}, "the records are unlocked");
    });
  }

  /** No refresh begins any more, and those under way are over. */
  async #landed(): Promise<void> {
    const { refreshes, alarm, clock, flightMs } = this.#w;
    const failure = { ...BUSY, mend: "try again in a moment" };
    const limit = after(clock.now(), flightMs);
    if ((await firstOf(alarm, [refreshes.pause(failure)], [limit], [])) === "deadline") {
      throw new BrokerFailure(failure);
    }
  }

  #look(): void {
    const { alarm, clock, ledger, isWatched, log } = this.#w;
    const until = this.#idleUntil;
    this.#idleUntil = undefined;
    if (until === undefined || ledger.lockFailure !== undefined) return;
    if (isWatched()) {
      this.asked();
    } else if (reached(until, clock.now())) {
      this.lock().catch((error: unknown) => {
        log.warn({ err: error }, "the records cannot be locked yet");
        this.asked();
      });
    } else {
      this.#idleUntil = until;
      alarm.at(until, () => this.#look());
    }
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const result = this.#last.then(run);
    this.#last = result.catch(() => {});
    return result;
  }
}
