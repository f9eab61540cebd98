import type { Session } from "../domain/selection.ts";
import type { Now } from "../domain/time.ts";

interface Bound {
  readonly session: Session;
  readonly usedMonoMs: number;
}

/** More conversations than that have no home at once; with the longest names they take about 130 MB. */
export const MOST_SESSIONS = 32_768;

/**
 * Which profile each conversation belongs to. In memory only: a restart begins them anew. Keys are
 * endpoint, provider and the caller's session id. Above a bound the one that was longest idle is forgotten.
 */
export class Sessions {
  readonly #idleLimitMs: number;
  readonly #bound = new Map<string, Bound>();
  readonly #counts = new Map<string, number>();

  constructor(idleLimitMs: number) {
    this.#idleLimitMs = idleLimitMs;
  }

  static key(endpoint: string, provider: string, sessionId: string): string {
    return JSON.stringify([endpoint, provider, sessionId]);
  }

  find(key: string, now: Now): Session | undefined {
    const bound = this.#bound.get(key);
    if (bound === undefined) return undefined;
    if (this.#isOver(bound, now)) {
      this.#drop(key, bound);
      return undefined;
    }
    return bound.session;
  }

  bind(key: string, session: Session, now: Now): void {
    this.#sweep(now);
    const old = this.#bound.get(key);
    if (old !== undefined) this.#drop(key, old);
    else this.#makeRoom();
    this.#bound.set(key, { session, usedMonoMs: now.monoMs });
    const serving = servedBy(session);
    this.#counts.set(serving, (this.#counts.get(serving) ?? 0) + 1);
  }

  /** Live sessions that a profile serves. */
  count(profileId: string, now: Now): number {
    this.#sweep(now);
    return this.#counts.get(profileId) ?? 0;
  }

  #isOver(bound: Bound, now: Now): boolean {
    return now.monoMs - bound.usedMonoMs >= this.#idleLimitMs;
  }

  #drop(key: string, bound: Bound): void {
    this.#bound.delete(key);
    const serving = servedBy(bound.session);
    const left = (this.#counts.get(serving) ?? 0) - 1;
    if (left > 0) this.#counts.set(serving, left);
    else this.#counts.delete(serving);
  }

  #makeRoom(): void {
    for (const [key, bound] of this.#bound) {
      if (this.#bound.size < MOST_SESSIONS) return;
      this.#drop(key, bound);
    }
  }

  /** Forgets idle sessions, oldest first: `bind` moves a session to the end of the map. */
  #sweep(now: Now): void {
    for (const [key, bound] of this.#bound) {
      if (!this.#isOver(bound, now)) return;
      this.#drop(key, bound);
    }
  }
}

function servedBy(session: Session): string {
  return session.lentTo ?? session.home;
}
