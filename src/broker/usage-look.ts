import { BrokerFailure } from "../domain/failure.ts";
import type { UsageFacts, UsageWindow } from "../domain/outcome.ts";
import type { Profile } from "../domain/profile.ts";
import type { Settings } from "../domain/settings.ts";
import { after, type Now } from "../domain/time.ts";
import { type Event, transition } from "../domain/transition.ts";
import { isOtherPlan } from "../domain/usage.ts";
import { planLimits } from "../domain/usage-due.ts";
import type { Provider, ReadUsage, UsageAnswer } from "../provider/provider.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Lanes } from "./lanes.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { SharedSources } from "./shared.ts";

export interface LookWiring {
  readonly ledger: Ledger;
  /** One request of a provider's usage endpoint at a time. */
  readonly lanes: Lanes;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly log: Log;
  readonly shared: SharedSources;
  readonly providerOf: (id: string) => Provider;
  readonly readUsage: ReadUsage;
  /** The account has another plan than its token says: a new token says the new one. Called with each look until it came. */
  readonly onOtherPlan: (profile: Profile) => void;
  /** Aborts when the broker stops. */
  readonly ending: AbortSignal;
}

/** What a provider said last, so that it need not say it again. */
interface Remembered {
  readonly etag: string;
  readonly windows: readonly UsageWindow[];
  readonly facts: UsageFacts;
  readonly accountEpoch: string;
}

/** Looks at usage, one profile at a time, and keeps what was seen. */
export class UsageLooks {
  readonly #w: LookWiring;
  readonly #remembered = new Map<string, Remembered>();
  /**
   * The plan that a token did not name, and that token's generation, by profile. Any newer token is enough,
   * whatever it says.
   */
  readonly #unnamed = new Map<string, { readonly plan: string; readonly generation: number }>();

  constructor(wiring: LookWiring) {
    this.#w = wiring;
  }

  /**
   * One look, when its turn in the provider's lane comes; `isDue` is asked then. `onAnswer` hears what
   * became of it before the next one in the lane is asked; not if nothing was sent. Never rejects.
   */
  async at(
    profileId: string,
    isDue: (now: Now) => boolean,
    onAnswer: (answer: UsageAnswer) => void,
  ): Promise<void> {
    const { ledger, lanes, clock, log, ending } = this.#w;
    const provider = ledger.get(profileId)?.provider;
    if (provider === undefined) return;
    const place = await lanes.enter(provider, () => false);
    try {
      const profile = ledger.get(profileId);
      if (profile === undefined || ending.aborted || !isDue(clock.now())) return;
      const sentAtMs = clock.now().wallMs;
      const answer = await this.#send(profile);
      if (ending.aborted) return;
      await this.#keep(profile, answer, sentAtMs);
      onAnswer(answer);
    } catch (error) {
      log.error({ err: error, profile: profileId }, "unexpected error while usage was read");
      onAnswer({ kind: "not_now", code: "unexpected", isRefusal: false, isOwn: true });
    } finally {
      place.leave();
    }
  }

  /** Forgets a profile that is gone. */
  forget(profileId: string): void {
    this.#remembered.delete(profileId);
    this.#unnamed.delete(profileId);
  }

  async #send(profile: Profile): Promise<UsageAnswer> {
    const { clock, alarm, settings, providerOf, readUsage, ending } = this.#w;
    const overdue = new AbortController();
    const stop = () => overdue.abort();
    const cancel = alarm.at(after(clock.now(), settings.refresh.totalTimeoutMs), stop);
    ending.addEventListener("abort", stop, { once: true });
    const { etag } = this.#rememberedOf(profile) ?? {};
    try {
      return await readUsage({
        provider: providerOf(profile.provider),
        grant: profile.grant,
        account: profile.account,
        attributes: profile.attributes,
        ...(etag === undefined ? {} : { etag }),
        longestWindowMs: settings.cooldown.longestWindowMs,
        now: () => clock.now(),
        signal: overdue.signal,
      });
    } finally {
      cancel();
      ending.removeEventListener("abort", stop);
    }
  }

  #rememberedOf({ id, accountEpoch }: Profile): Remembered | undefined {
    const remembered = this.#remembered.get(id);
    return remembered?.accountEpoch === accountEpoch ? remembered : undefined;
  }

  async #keep(profile: Profile, answer: UsageAnswer, sentAtMs: number): Promise<void> {
    if (answer.kind === "refused") await this.#refused(profile);
    if (answer.kind !== "read" && answer.kind !== "unchanged") return;
    const observedAtMs = this.#w.clock.now().wallMs;
    const known = answer.kind === "read" ? answer : this.#rememberedOf(profile);
    if (known === undefined) return;
    const { facts = {} } = known;
    const windows = known.windows.map((w) => ({ ...w, observedAtMs, source: "USAGE_API" as const }));
    if (answer.kind === "read" && answer.etag !== undefined) {
      this.#remembered.set(profile.id, {
        etag: answer.etag,
        windows,
        facts,
        accountEpoch: profile.accountEpoch,
      });
    }
    const before = this.#w.ledger.get(profile.id);
    const after = await this.#commit(profile, { type: "usage_read", windows, facts, sinceMs: sentAtMs });
    this.#tell(before, after);
    if (before !== undefined && after !== undefined) this.#notePlan(before, after, facts);
  }

  /** The renewal may be impossible just now, so it is asked for until it came; never of a grant that others hold. */
  #notePlan(before: Profile, after: Profile, facts: UsageFacts): void {
    const { id, generation, ownership } = after;
    const plan = facts.planType?.toLowerCase();
    if (plan === undefined) return;
    if (this.#unnamed.get(id)?.plan !== plan) {
      if (!isOtherPlan(before.account, facts)) return;
      this.#unnamed.set(id, { plan, generation });
      this.#w.log.info({ profile: id }, "the account has another plan than its token names");
    }
    if (ownership === "SOLE" && this.#unnamed.get(id)?.generation === generation) this.#w.onOtherPlan(after);
  }

  /** The same as a caller's report of a 401: a fact about this generation, checked by one refresh. */
  async #refused(profile: Profile): Promise<void> {
    const { shared, clock, log } = this.#w;
    if (await shared.adoptNewer(profile).catch(() => false)) return;
    log.warn({ profile: profile.id }, "the provider refused the access token when usage was read");
    await this.#commit(profile, {
      type: "reported",
      report: {
        outcome: "AUTH_INVALID_TOKEN",
        scope: "PROFILE",
        model: "",
        ban: false,
        windows: [],
        windowsSinceMs: 0,
        generation: profile.generation,
        leaseIssuedAtMs: clock.now().wallMs,
        leaseTag: "",
      },
    });
  }

  /** A reading that cannot be written is no loss: the next one comes. A refusal is kept in memory. */
  async #commit(profile: Profile, event: Event): Promise<Profile | undefined> {
    const { ledger, clock, settings } = this.#w;
    const change = (current: Profile | undefined): Profile => {
      if (current === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: profile.id });
      const isSame = current.accountEpoch === profile.accountEpoch;
      return isSame ? transition(current, event, clock.now(), settings) : current;
    };
    const options = { keep: event.type === "reported" };
    return ledger.commit(profile.id, change, options).then(
      ({ after }) => after,
      () => undefined,
    );
  }

  #tell(before: Profile | undefined, after: Profile | undefined): void {
    const { clock, log } = this.#w;
    if (before === undefined || after === undefined) return;
    const now = clock.now();
    if (planLimits(after, now).length >= planLimits(before, now).length) return;
    log.info({ profile: after.id }, "usage shows room again, so the plan limit ends before its time");
  }
}
