import { after, at, type Deadline, reached, remainingMs } from "../domain/time.ts";
import { refreshDueAt } from "../domain/token.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Ledger } from "./ledger.ts";
import type { Refreshes } from "./refresh.ts";

/** After a refresh that could not begin, the next one that nobody asked for waits this long. */
const REST_MS = 5_000;

export interface ScheduleWiring {
  readonly ledger: Ledger;
  readonly refreshes: Refreshes;
  readonly alarm: Alarm;
  readonly clock: Clock;
  /** Wall-clock end of the silence that the provider's token endpoint asked for. */
  readonly heldUntilMs: (provider: string) => number | undefined;
}

/** Starts refreshes when they are due, without anybody asking. */
export class RefreshSchedule {
  readonly #w: ScheduleWiring;
  readonly #cancel = new Map<string, () => void>();
  readonly #resting = new Map<string, Deadline>();

  constructor(wiring: ScheduleWiring) {
    this.#w = wiring;
  }

  /** Looks at a profile again after it changed, or after its refresh is over. */
  plan(profileId: string): void {
    this.#cancel.get(profileId)?.();
    this.#cancel.delete(profileId);
    if (this.#w.refreshes.isFlying(profileId)) return;
    const due = this.#dueOf(profileId);
    if (due === undefined) {
      this.#resting.delete(profileId);
      return;
    }
    this.#cancel.set(
      profileId,
      this.#w.alarm.at(due, () => this.#start(profileId)),
    );
  }

  #dueOf(profileId: string): Deadline | undefined {
    const profile = this.#w.ledger.get(profileId);
    if (profile === undefined) return undefined;
    const now = this.#w.clock.now();
    const ban = this.#w.ledger.provider(profile.provider).ban;
    if (ban !== undefined && profile.costClass === "SUBSCRIPTION") return undefined;
    const due = refreshDueAt(profile, now);
    if (due === undefined) return undefined;
    const heldUntilMs = this.#w.heldUntilMs(profile.provider);
    const held = heldUntilMs === undefined ? after(now, 0) : at(now, heldUntilMs);
    const rest = this.#resting.get(profileId) ?? held;
    return [due, held, rest].reduce((a, b) => (remainingMs(a, now) >= remainingMs(b, now) ? a : b));
  }

  #start(profileId: string): void {
    this.#cancel.delete(profileId);
    const profile = this.#w.ledger.get(profileId);
    if (profile === undefined) return;
    const now = this.#w.clock.now();
    const due = this.#dueOf(profileId);
    if (due === undefined || !reached(due, now)) {
      this.plan(profileId);
      return;
    }
    this.#resting.set(profileId, after(now, REST_MS));
    this.#w.refreshes.ahead(profile);
  }
}
