import { seatOf } from "../domain/pool.ts";
import type { Profile } from "../domain/profile.ts";
import { USAGE_FRESH_MS, USAGE_IDLE_MS } from "../domain/settings.ts";
import { type Deadline, type Now, reached, remainingMs, wallOf } from "../domain/time.ts";
import { lastReadAtMs } from "../domain/usage.ts";
import { canBeLookedAt, type Looks, lookDueAt, planLimits } from "../domain/usage-due.ts";
import type { UsageAnswer } from "../provider/provider.ts";
import { type LookWiring, UsageLooks } from "./usage-look.ts";
import { type UsageTrouble, UsageTroubles } from "./usage-troubles.ts";

export interface PollWiring extends LookWiring {
  /** Readings of this provider's profiles in use are wanted, by its strategy or for a notice. */
  readonly followsUse: (provider: string) => boolean;
  /** [0, 1). */
  readonly random: () => number;
  /** Something is known anew that is no change of a profile. */
  readonly onTrouble: (provider: string) => void;
}

/**
 * The one who looks at usage at the providers, for all who want to know. It looks only where somebody
 * needs it: while a plan limit runs, while somebody follows the usage, and at profiles in use whose
 * provider's strategy or the operator's notices go by it. Its own failures change nothing but its pace.
 */
export class UsagePoll {
  readonly #w: PollWiring;
  readonly #looker: UsageLooks;
  readonly #looks = new Map<string, Looks>();
  readonly #cancel = new Map<string, () => void>();
  readonly #flying = new Map<string, Promise<void>>();
  readonly #troubles = new UsageTroubles();
  readonly #used = new Map<string, number>();
  readonly #followers = new Map<string, number>();

  constructor(wiring: PollWiring) {
    this.#w = wiring;
    this.#looker = new UsageLooks(wiring);
  }

  /** Looks at a profile's need again after it changed. */
  plan(profileId: string): void {
    this.#cancel.get(profileId)?.();
    this.#cancel.delete(profileId);
    if (this.#flying.has(profileId) || this.#w.ending.aborted) return;
    const profile = this.#w.ledger.get(profileId);
    if (profile === undefined) this.#forget(profileId);
    const due = profile === undefined ? undefined : this.#dueOf(profile, this.#w.clock.now());
    if (due === undefined) return;
    this.#cancel.set(
      profileId,
      this.#w.alarm.at(due, () => void this.#look(profileId)),
    );
  }

  /** A profile was handed out. */
  used(profile: Profile, now: Now): void {
    if (!this.#w.followsUse(profile.provider)) return;
    const wasIdle = !this.#isUsed(profile.id, now);
    this.#used.set(profile.id, now.monoMs);
    if (wasIdle) this.plan(profile.id);
  }

  /** Somebody follows the usage of a provider (empty: of all), until the function given back is called. */
  follow(provider: string): () => void {
    const count = (by: number) => {
      this.#followers.set(provider, (this.#followers.get(provider) ?? 0) + by);
      for (const { id } of this.#profilesOf(provider)) this.plan(id);
    };
    count(1);
    return () => count(-1);
  }

  /**
   * Looks at the usage of a provider's profiles (empty: of all) as far as `allows`, where the last reading
   * is not fresh and no rest is to be kept. Resolves when the last look is over.
   */
  async look(provider: string, allows: (profileId: string) => boolean): Promise<void> {
    const now = this.#w.clock.now();
    const wanted = this.#profilesOf(provider).filter((p) => allows(p.id) && this.#isWorthALook(p, now));
    await Promise.all(wanted.map((p) => this.#flying.get(p.id) ?? this.#fly(p.id)));
  }

  /** Why a profile's usage could not be read when it was last tried. */
  troubleOf(profile: Profile): UsageTrouble | undefined {
    return this.#troubles.of(profile);
  }

  /** When a profile's usage will be looked at next by itself, on the wall clock. */
  nextLookAtMs(profile: Profile): number | undefined {
    const now = this.#w.clock.now();
    const due = this.#dueOf(profile, now);
    return due === undefined ? undefined : wallOf(due, now);
  }

  #profilesOf(provider: string): readonly Profile[] {
    return provider === "" ? this.#w.ledger.all() : this.#w.ledger.ofProvider(provider);
  }

  #dueOf(profile: Profile, now: Now): Deadline | undefined {
    const isWanted =
      this.#isUsed(profile.id, now) || this.#isFollowed("") || this.#isFollowed(profile.provider);
    const { intervalMs } = this.#w.settings.usage;
    const due = lookDueAt(profile, this.#looksOf(profile.id, now), isWanted, intervalMs, now);
    // Asked last: who needs no look, nearly everybody, costs nothing more.
    if (due === undefined || !this.#mayAsk(profile)) return undefined;
    const held = this.#troubles.heldUntil(profile, now);
    if (held === undefined) return due;
    return remainingMs(held, now) > remainingMs(due, now) ? held : due;
  }

  /** The provider shows usage, and the profile is one that the operator lets be used. */
  #mayAsk(profile: Profile): boolean {
    if (!this.#w.settings.usage.isPolled) return false;
    if (this.#w.providerOf(profile.provider).usage === undefined) return false;
    const seat = seatOf(this.#w.ledger.pool(profile.provider), profile.id);
    return seat !== undefined && seat.place > 0 && !seat.isHeld;
  }

  #isUsed(profileId: string, now: Now): boolean {
    const usedMonoMs = this.#used.get(profileId);
    return usedMonoMs !== undefined && now.monoMs - usedMonoMs < USAGE_IDLE_MS;
  }

  #isFollowed(provider: string): boolean {
    return (this.#followers.get(provider) ?? 0) > 0;
  }

  /** Limited accounts keep their own pace, so that a reading never answers a refusal of just now. */
  #isWorthALook(profile: Profile, now: Now): boolean {
    if (!this.#mayAsk(profile) || !canBeLookedAt(profile, now)) return false;
    if (planLimits(profile, now).length > 0 || this.#troubles.heldUntil(profile, now) !== undefined)
      return false;
    const readAtMs = lastReadAtMs(profile.usageWindows);
    if (readAtMs !== undefined && now.wallMs - readAtMs < USAGE_FRESH_MS) return false;
    const { lastMonoMs } = this.#looksOf(profile.id, now);
    return lastMonoMs === undefined || now.monoMs - lastMonoMs >= USAGE_FRESH_MS;
  }

  #looksOf(profileId: string, now: Now): Looks {
    const known = this.#looks.get(profileId);
    if (known !== undefined) return known;
    const made = { sinceMonoMs: now.monoMs, spread: this.#w.random() };
    this.#looks.set(profileId, made);
    return made;
  }

  /** The moment has come, unless what was known when it was set has changed without a word. */
  async #look(profileId: string): Promise<void> {
    this.#cancel.delete(profileId);
    const profile = this.#w.ledger.get(profileId);
    const now = this.#w.clock.now();
    const due = profile === undefined ? undefined : this.#dueOf(profile, now);
    if (due === undefined || !reached(due, now)) this.plan(profileId);
    else await this.#fly(profileId);
  }

  #fly(profileId: string): Promise<void> {
    this.#cancel.get(profileId)?.();
    this.#cancel.delete(profileId);
    const flight = this.#flown(profileId).finally(() => {
      this.#flying.delete(profileId);
      this.plan(profileId);
    });
    this.#flying.set(profileId, flight);
    return flight;
  }

  #flown(profileId: string): Promise<void> {
    // Others of the provider may have failed, or the profile been blocked, while this one stood in the lane.
    const isDue = (now: Now) => {
      const profile = this.#w.ledger.get(profileId);
      if (profile === undefined || !this.#mayAsk(profile)) return false;
      return canBeLookedAt(profile, now) && this.#troubles.heldUntil(profile, now) === undefined;
    };
    return this.#looker.at(profileId, isDue, (answer) => {
      const now = this.#w.clock.now();
      const { sinceMonoMs } = this.#looksOf(profileId, now);
      this.#looks.set(profileId, { sinceMonoMs, lastMonoMs: now.monoMs, spread: this.#w.random() });
      const profile = this.#w.ledger.get(profileId);
      if (profile !== undefined) this.#note(profile, answer, now);
    });
  }

  #note(profile: Profile, answer: UsageAnswer, now: Now): void {
    const trouble = this.#troubles.note(profile, answer, now);
    if (trouble === undefined) return;
    this.#w.onTrouble(profile.provider);
    for (const { id } of this.#w.ledger.ofProvider(profile.provider)) this.plan(id);
    if (trouble.failures > 1) return;
    this.#w.log.warn(
      { profile: profile.id, code: trouble.code },
      "usage cannot be read; what was read last stands",
    );
  }

  #forget(profileId: string): void {
    this.#looks.delete(profileId);
    this.#troubles.forget(profileId);
    this.#used.delete(profileId);
    this.#looker.forget(profileId);
  }
}
