import type { Profile } from "../domain/profile.ts";
import { backoffMs, USAGE_REFUSED_BACKOFF, USAGE_TROUBLE_BACKOFF } from "../domain/settings.ts";
import { after, at, type Deadline, type Now, reached, remainingMs } from "../domain/time.ts";
import type { UsageAnswer } from "../provider/provider.ts";

/** Why usage is not known anew, and when it is tried again. */
export interface UsageTrouble {
  readonly code: string;
  /** Wall-clock moment of the first of several failures in a row. */
  readonly sinceMs: number;
  readonly failures: number;
  readonly until: Deadline;
}

/**
 * How long usage endpoints are left alone after they failed: by one account where it is the account's
 * affair, by all of the provider otherwise. In memory; a restart tries again.
 */
export class UsageTroubles {
  readonly #known = new Map<string, UsageTrouble>();

  of({ id, provider }: Profile): UsageTrouble | undefined {
    return this.#known.get(id) ?? this.#known.get(provider);
  }

  /** The end of the rest that a profile has to keep now, or undefined. */
  heldUntil({ id, provider }: Profile, now: Now): Deadline | undefined {
    const ends = [this.#known.get(id)?.until, this.#known.get(provider)?.until];
    let last: Deadline | undefined;
    for (const end of ends) {
      if (end === undefined || reached(end, now)) continue;
      if (last === undefined || remainingMs(end, now) > remainingMs(last, now)) last = end;
    }
    return last;
  }

  /** Takes what became of a look. Gives the trouble if it is one. */
  note({ id, provider }: Profile, answer: UsageAnswer, now: Now): UsageTrouble | undefined {
    if (answer.kind === "read" || answer.kind === "unchanged") {
      this.#known.delete(id);
      this.#known.delete(provider);
      return undefined;
    }
    const { code, isOwn, isRefusal, retryAtMs } = answer.kind === "refused" ? REFUSED : answer;
    const key = isOwn ? id : provider;
    const before = this.#known.get(key);
    const failures = (before?.failures ?? 0) + 1;
    const guess = after(
      now,
      backoffMs(isRefusal ? USAGE_REFUSED_BACKOFF : USAGE_TROUBLE_BACKOFF, failures - 1),
    );
    const stated = retryAtMs === undefined ? guess : at(now, retryAtMs);
    const until = remainingMs(stated, now) > remainingMs(guess, now) ? stated : guess;
    const trouble = { code, failures, until, sinceMs: before?.sinceMs ?? now.wallMs };
    this.#known.set(key, trouble);
    return trouble;
  }

  /** Forgets a profile that is gone. */
  forget(profileId: string): void {
    this.#known.delete(profileId);
  }
}

/** A refused token is checked by a refresh; an endpoint that refuses every token must not cause one each time. */
const REFUSED = { code: "http_401", isOwn: true, isRefusal: true, retryAtMs: undefined };
