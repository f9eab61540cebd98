import type { UsageWindow } from "../domain/outcome.ts";
import type { Profile } from "../domain/profile.ts";
import { after } from "../domain/time.ts";
import { noted, type UsageHistory, type UsageSample } from "../domain/usage-history.ts";
import type { Store } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";

/** Readings are written down together, this long after the first of them. */
const WRITE_AFTER_MS = 15 * 60_000;

export interface HistoryWiring {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps what accounts have used, for 30 days. Beside the profiles' own records, which every report writes:
 * a history there would make each of those writes larger. It is no state that anything depends on, so a
 * crash may cost the last quarter of an hour of it, and a disk that refuses it stops nothing.
 */
export class UsageHistories {
  readonly #w: HistoryWiring;
  /** What each profile showed when it was last looked at, to pass over changes of anything else. */
  readonly #seen = new Map<string, readonly UsageWindow[]>();
  /** Profiles with readings that are not on the disk yet. */
  readonly #unwritten = new Set<string>();
  /** In memory until written. */
  readonly #histories = new Map<string, UsageHistory>();
  #isPlanned = false;
  #isFailing = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(wiring: HistoryWiring) {
    this.#w = wiring;
  }

  /** Takes over what a profile shows after a change. */
  note(profileId: string): void {
    const profile = this.#w.ledger.get(profileId);
    if (profile === undefined) {
      this.#seen.delete(profileId);
      this.#histories.delete(profileId);
      this.#unwritten.delete(profileId);
      return;
    }
    if (this.#seen.get(profileId) === profile.usageWindows) return;
    const isFirst = !this.#seen.has(profileId);
    this.#seen.set(profileId, profile.usageWindows);
    if (isFirst && profile.usageWindows.length === 0) return;
    void this.#inTurn(() => this.#take(profile));
  }

  /** The readings of a profile's last 30 days, the oldest first. */
  async of(profileId: string): Promise<readonly UsageSample[]> {
    return this.#inTurn(async () => {
      const profile = this.#w.ledger.get(profileId);
      return profile === undefined ? [] : (await this.#with(profile)).samples;
    });
  }

  /** Writes what is not on the disk yet. Never rejects. */
  flush(): Promise<void> {
    return this.#inTurn(async () => {
      for (const id of [...this.#unwritten]) await this.#write(id);
    });
  }

  async #take(profile: Profile): Promise<void> {
    const before = this.#histories.get(profile.id) ?? (await this.#read(profile.id));
    const after = noted(before, profile, this.#w.clock.now());
    const isNothing = before === undefined && after.samples.length === 0;
    if (after === before || isNothing || this.#w.ledger.get(profile.id) === undefined) return;
    this.#histories.set(profile.id, after);
    this.#unwritten.add(profile.id);
    this.#plan();
  }

  async #with(profile: Profile): Promise<UsageHistory> {
    return noted(
      this.#histories.get(profile.id) ?? (await this.#read(profile.id)),
      profile,
      this.#w.clock.now(),
    );
  }

  #read(profileId: string): Promise<UsageHistory | undefined> {
    return this.#w.store.readUsage(profileId).catch(() => undefined);
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    const { alarm, clock } = this.#w;
    alarm.at(after(clock.now(), WRITE_AFTER_MS), () => {
      this.#isPlanned = false;
      void this.flush();
    });
  }

  async #write(profileId: string): Promise<void> {
    const history = this.#histories.get(profileId);
    if (history === undefined) return;
    try {
      await this.#w.store.replaceUsage(profileId, history);
      this.#unwritten.delete(profileId);
      this.#histories.delete(profileId);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#w.log.warn({ err: error }, "the history of usage cannot be written");
      this.#isFailing = true;
      this.#plan();
    }
  }

  /** One after the other, so that no reading is taken over what is being written. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run);
    this.#queue = result.catch(() => {});
    return result;
  }
}
