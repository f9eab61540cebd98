import { BrokerFailure, type Failure } from "../domain/failure.ts";
import { type Grant, isRenewable, type OAuthGrant } from "../domain/grant.ts";
import type { Profile } from "../domain/profile.ts";
import type { Settings } from "../domain/settings.ts";
import { after, at } from "../domain/time.ts";
import { isRefreshDue, refreshPermission } from "../domain/token.ts";
import { type Event, transition } from "../domain/transition.ts";
import type { OAuthClient, Provider, RefreshAnswer, RefreshGrant } from "../provider/provider.ts";
import { StoreError } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";
import type { Audit } from "./audit.ts";
import type { Clock } from "./clock.ts";
import type { Lanes } from "./lanes.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import { allowedReplay, clientKey, eventOf, isThrottle, orderedReplay } from "./refresh-rules.ts";
import type { SharedSources } from "./shared.ts";
import { storeFailure, storeTrouble } from "./store-failure.ts";
import type { Committed } from "./write-queue.ts";

export interface FlightWiring {
  readonly ledger: Ledger;
  readonly lanes: Lanes;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly log: Log;
  readonly audit: Audit;
  readonly fingerprintOf: (grant: Grant) => string;
  readonly shared: SharedSources;
  readonly providerOf: (id: string) => Provider;
  readonly refreshGrant: RefreshGrant;
  /** Called when a flight is over. */
  readonly onLanded: (profileId: string) => void;
}

const COMMIT_RETRY_FIRST_MS = 1_000;
const COMMIT_RETRY_LONGEST_MS = 30_000;
/** No profile has this generation. */
const NOBODYS = 0;

/** What is sent: the grant of one generation, to one client. */
interface Sending {
  readonly profile: Profile;
  readonly grant: OAuthGrant;
  readonly client: OAuthClient;
}

/** What a flight asks, and whom it tells. */
export interface FlightEnds {
  readonly isUrgent: () => boolean;
  /** Why what has not begun does not begin any more. */
  readonly closed: () => Failure | undefined;
  /** The result cannot be written down yet. */
  readonly onTrouble: (error: BrokerFailure) => void;
}

/** One refresh from the wish to the durable result. */
export class Flying {
  readonly #w: FlightWiring;
  readonly #id: string;
  readonly #isOperator: boolean;
  readonly #ends: FlightEnds;

  constructor(wiring: FlightWiring, id: string, isOperator: boolean, ends: FlightEnds) {
    this.#w = wiring;
    this.#id = id;
    this.#isOperator = isOperator;
    this.#ends = ends;
  }

  /** Ends when the result is durable. Rejects with `BrokerFailure` if it could not even begin. */
  async fly(): Promise<void> {
    const profile = this.#w.ledger.get(this.#id);
    if (profile === undefined) return;
    const client = this.#w.providerOf(profile.provider).oauth;
    if (client === undefined) {
      this.#w.log.warn(
        { profile: profile.id },
        "cannot refresh: the config names no tokenUrl for this provider",
      );
      await this.#commit({ type: "refresh_not_now", from: profile.generation }, profile.accountEpoch, true);
      return;
    }
    const place = await this.#w.lanes.enter(clientKey(client), this.#ends.isUrgent);
    try {
      const closed = this.#ends.closed();
      if (closed !== undefined) throw new BrokerFailure(closed);
      let isOrdered = this.#isOperator;
      // Asked for silence while this one stood in the lane.
      if (!isOrdered && this.#w.lanes.heldUntilMs(clientKey(client), this.#w.clock.now()) !== undefined)
        return;
      while (await this.#once(isOrdered)) isOrdered = false;
    } finally {
      place.leave();
    }
  }

  /** One request, if one may be sent. True if another should follow at once (a replay within the grace). */
  async #once(isOrdered: boolean): Promise<boolean> {
    const current = this.#w.ledger.get(this.#id);
    if (current === undefined) return false;
    const isAdopted = await this.#w.shared.adoptNewer(current).catch(storeTrouble);
    if (isAdopted) return this.#isStillDue();
    const sending = await this.#begin(isOrdered);
    if (sending === undefined) return false;
    const answer = await this.#send(sending);
    await this.#record(sending, answer);
    return answer.kind === "lost" && this.#mayReplay();
  }

  #isStillDue(): boolean {
    const now = this.#w.clock.now();
    const profile = this.#w.ledger.get(this.#id);
    return (
      profile !== undefined && isRefreshDue(profile, now) && refreshPermission(profile, now).kind === "now"
    );
  }

  #mayReplay(): boolean {
    const profile = this.#w.ledger.get(this.#id);
    if (profile?.intent?.graceUntil === undefined) return false;
    return refreshPermission(profile, this.#w.clock.now()).kind === "now";
  }

  /** Makes the intent durable, with room for what will come. Undefined: nothing may be sent. */
  async #begin(isOrdered: boolean): Promise<Sending | undefined> {
    const made: { sending?: Sending } = {};
    const change = (profile: Profile | undefined): Profile => {
      if (profile === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: this.#id });
      const now = this.#w.clock.now();
      const { grant } = profile;
      const client = this.#w.providerOf(profile.provider).oauth;
      const replay = isOrdered ? orderedReplay(profile) : allowedReplay(profile, now);
      if (client === undefined || replay === undefined) return profile;
      if (!isRenewable(grant)) return profile;
      const { rotation, rotationGraceMs: graceMs } = client;
      const event: Event = { type: "refresh_started", rotation, graceMs, replay };
      const next = transition(profile, event, now, this.#w.settings);
      made.sending = { profile: next, grant, client };
      return next;
    };
    await this.#w.ledger.commit(this.#id, change, { reserve: true }).catch((error: unknown) => {
      // Removed meanwhile: whoever waits looks again.
      if (!(error instanceof BrokerFailure)) storeTrouble(error);
    });
    return made.sending !== undefined && this.#isOpen(made.sending) ? made.sending : undefined;
  }

  /** False if a put or a removal, written together with the intent, took its place. */
  #isOpen({ profile }: Sending): boolean {
    const current = this.#w.ledger.get(this.#id);
    const isSame =
      current?.generation === profile.generation && current.accountEpoch === profile.accountEpoch;
    return isSame && current.intent?.phase === "open";
  }

  /** The answer, whatever happens: an intent that stays open would let the token be sent again. */
  async #send({ profile, grant, client }: Sending): Promise<RefreshAnswer> {
    const { clock, alarm, settings, log } = this.#w;
    const overdue = new AbortController();
    const cancel = alarm.at(after(clock.now(), settings.refresh.totalTimeoutMs), () => overdue.abort());
    try {
      return await this.#w.refreshGrant({
        client,
        grant,
        account: profile.account,
        now: () => clock.now(),
        signal: overdue.signal,
      });
    } catch (error) {
      log.error(
        { err: error, profile: profile.id },
        "unexpected error in a refresh; its answer counts as lost",
      );
      return { kind: "lost", code: "unexpected" };
    } finally {
      cancel();
    }
  }

  /** Writes down what the answer means, for as long as it takes, before anybody sees it. */
  async #record(sending: Sending, answer: RefreshAnswer): Promise<void> {
    const { profile, client, grant } = sending;
    const isEnded = answer.kind === "terminal";
    const isAdopted =
      isEnded && (await this.#w.shared.adoptNewer(profile, { refused: true }).catch(() => false));
    if (isAdopted) return;
    if (answer.kind === "not_now" && answer.retryAtMs !== undefined && isThrottle(answer.httpStatus)) {
      const now = this.#w.clock.now();
      this.#w.lanes.hold(clientKey(client), at(now, answer.retryAtMs), now);
    }
    const event = eventOf(profile, grant.refreshToken, answer);
    const isGrant = event.type === "refresh_granted";
    for (let failures = 0; ; failures += 1) {
      try {
        const { before, after } = await this.#commit(event, profile.accountEpoch, !isGrant);
        this.#tell(profile, answer, event, before?.generation !== after?.generation);
        return;
      } catch (error) {
        if (error instanceof BrokerFailure) return this.#tell(profile, answer, event, false);
        if (!isGrant) throw error;
        this.#complain(error, failures);
        await this.#pause(failures);
      }
    }
  }

  /** A new grant that is in memory only: those who wait hear of it at once, the log once. */
  #complain(error: unknown, failures: number): void {
    const failure: Failure = error instanceof StoreError ? storeFailure(error) : { kind: "internal" };
    this.#ends.onTrouble(new BrokerFailure(failure, { cause: error }));
    if (failures > 0) return;
    this.#w.log.error(
      { err: error, profile: this.#id },
      "a refreshed login cannot be written down; it is kept in memory until it can",
    );
  }

  #commit(event: Event, epoch: string, keep: boolean): Promise<Committed> {
    return this.#w.ledger.commit(
      this.#id,
      (profile) => {
        if (profile === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: this.#id });
        // Removed and made anew meanwhile: the same id and generation, but another login.
        const own =
          profile.accountEpoch === epoch || !("from" in event) ? event : { ...event, from: NOBODYS };
        return transition(profile, own, this.#w.clock.now(), this.#w.settings);
      },
      { keep },
    );
  }

  #pause(failures: number): Promise<void> {
    const delayMs = Math.min(COMMIT_RETRY_FIRST_MS * 2 ** failures, COMMIT_RETRY_LONGEST_MS);
    return new Promise((resolve) => {
      this.#w.alarm.at(after(this.#w.clock.now(), delayMs), resolve);
    });
  }

  #tell(profile: Profile, answer: RefreshAnswer, event: Event, isTaken: boolean): void {
    const { log } = this.#w;
    const fields = { profile: profile.id, generation: profile.generation };
    const outcome = isTaken
      ? "GRANTED"
      : answer.kind === "granted"
        ? "GRANT_DROPPED"
        : answer.code.toUpperCase();
    const current = isTaken ? this.#w.ledger.get(profile.id) : undefined;
    this.#w.audit.note(
      {
        action: "refresh",
        outcome,
        provider: profile.provider,
        profile: profile.id,
        generation: current?.generation ?? profile.generation,
        ...(current === undefined ? {} : { fingerprint: this.#w.fingerprintOf(current.grant) }),
      },
      this.#w.clock.now().wallMs,
      true,
    );
    if (event.type === "refresh_granted" && isTaken) log.info(fields, "login refreshed");
    else if (event.type === "refresh_granted") {
      log.warn(fields, "a refreshed login came too late: the profile was removed or given another one");
    } else if (answer.kind === "granted") {
      log.error(fields, "the token endpoint answered with another account's login; it is refused");
    } else log.warn({ ...fields, answer: answer.kind, code: answer.code }, "refresh brought no new login");
  }
}
