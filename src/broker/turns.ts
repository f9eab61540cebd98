import type { Profile } from "../domain/profile.ts";
import { type Deadline, type Now, remainingMs } from "../domain/time.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Latest } from "./latest.ts";
import type { Ledger } from "./ledger.ts";

/** Tells those who watch when a profile's state changes by itself, because a moment has come. */
export class Turns {
  readonly #ledger: Ledger;
  readonly #latest: Latest;
  readonly #alarm: Alarm;
  readonly #clock: Clock;
  readonly #cancel = new Map<string, () => void>();

  constructor(wiring: {
    readonly ledger: Ledger;
    readonly latest: Latest;
    readonly alarm: Alarm;
    readonly clock: Clock;
  }) {
    this.#ledger = wiring.ledger;
    this.#latest = wiring.latest;
    this.#alarm = wiring.alarm;
    this.#clock = wiring.clock;
  }

  /** Looks at a profile again after it changed. */
  plan(profileId: string): void {
    this.#cancel.get(profileId)?.();
    this.#cancel.delete(profileId);
    const profile = this.#ledger.get(profileId);
    const next = profile === undefined ? undefined : nextTurn(profile, this.#clock.now());
    if (profile === undefined || next === undefined) return;
    const turn = () => {
      this.plan(profileId);
      this.#latest.publish(profile.provider);
    };
    this.#cancel.set(profileId, this.#alarm.at(next, turn));
  }
}

/** The earliest moment ahead at which something about the profile ends by itself. */
function nextTurn(profile: Profile, now: Now): Deadline | undefined {
  const { cooldowns, backoff, lastAttempt, grant } = profile;
  let soonest: Deadline | undefined;
  const consider = (end: Deadline | undefined) => {
    if (end === undefined || remainingMs(end, now) === 0) return;
    if (soonest === undefined || remainingMs(end, now) < remainingMs(soonest, now)) soonest = end;
  };
  for (const { until } of cooldowns) consider(until);
  consider(backoff?.until);
  consider(lastAttempt);
  consider(grant.kind === "api_key" ? undefined : grant.expires);
  return soonest;
}
