import { isOtherAccount } from "../domain/account.ts";
import { BrokerFailure, type Failure } from "../domain/failure.ts";
import type { OAuthGrant } from "../domain/grant.ts";
import type { Profile } from "../domain/profile.ts";
import type { Settings } from "../domain/settings.ts";
import { after, at, type Now } from "../domain/time.ts";
import { isRefreshDue, refreshPermission } from "../domain/token.ts";
import { type Event, transition } from "../domain/transition.ts";
import type { OAuthClient, Provider, RefreshAnswer, RefreshGrant } from "../provider/provider.ts";
import { StoreError } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import type { Lanes } from "./lanes.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { SharedSources } from "./shared.ts";

export interface FlightWiring {
  readonly ledger: Ledger;
  readonly lanes: Lanes;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly log: Log;
  readonly shared: SharedSources;
  readonly providerOf: (id: string) => Provider;
  readonly refreshGrant: RefreshGrant;
  /** Called when a flight is over. */
  readonly onLanded: (profileId: string) => void;
}

const COMMIT_RETRY_FIRST_MS = 1_000;
const COMMIT_RETRY_LONGEST_MS = 30_000;

/** What is sent: the grant of one generation, to one client. */
interface Sending {
  readonly profile: Profile;
  readonly grant: OAuthGrant;
  readonly client: OAuthClient;
}

/** One refresh from the wish to the durable result. */
export class Flying {
  readonly #w: FlightWiring;
  readonly #id: string;
  readonly #isOperator: boolean;
  /** Tells those who wait that the result cannot be written down yet. */
  readonly #onTrouble: (error: BrokerFailure) => void;

  constructor(
    wiring: FlightWiring,
    id: string,
    isOperator: boolean,
    onTrouble: (error: BrokerFailure) => void,
  ) {
    this.#w = wiring;
    this.#id = id;
    this.#isOperator = isOperator;
    this.#onTrouble = onTrouble;
  }

  /** Ends when the result is durable. Rejects with `BrokerFailure` if it could not even begin. */
  async fly(isUrgent: () => boolean): Promise<void> {
    const profile = this.#w.ledger.get(this.#id);
    if (profile === undefined) return;
    const client = this.#w.providerOf(profile.provider).oauth;
    if (client === undefined) {
      this.#w.log.warn(
        { profile: profile.id },
        "cannot refresh: the config names no tokenUrl for this provider",
      );
      return this.#commit({ type: "refresh_not_now", from: profile.generation }, profile.accountEpoch, true);
    }
    const place = await this.#w.lanes.enter(clientKey(client), isUrgent);
    try {
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
    let sending: Sending | undefined;
    await this.#w.ledger
      .commit(
        this.#id,
        (profile) => {
          if (profile === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: this.#id });
          const now = this.#w.clock.now();
          const client = this.#w.providerOf(profile.provider).oauth;
          const replay = isOrdered ? orderedReplay(profile) : allowedReplay(profile, now);
          if (client === undefined || replay === undefined || profile.grant.kind !== "oauth") return profile;
          const { rotation, rotationGraceMs: graceMs } = client;
          const event: Event = { type: "refresh_started", rotation, graceMs, replay };
          const next = transition(profile, event, now, this.#w.settings);
          sending = { profile: next, grant: profile.grant, client };
          return next;
        },
        { reserve: true },
      )
      .catch(storeTrouble);
    return sending;
  }

  async #send({ profile, grant, client }: Sending): Promise<RefreshAnswer> {
    const { clock, alarm, settings } = this.#w;
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
    } finally {
      cancel();
    }
  }

  /** Writes down what the answer means, for as long as it takes, before anybody sees it. */
  async #record(sending: Sending, answer: RefreshAnswer): Promise<void> {
    const { profile, client } = sending;
    const isEnded = answer.kind === "terminal";
    if (isEnded && (await this.#w.shared.adoptNewer(profile).catch(() => false))) return;
    if (answer.kind === "not_now" && answer.retryAtMs !== undefined && isThrottle(answer.httpStatus)) {
      this.#w.lanes.hold(clientKey(client), at(this.#w.clock.now(), answer.retryAtMs));
    }
    const event = eventOf(profile, answer);
    this.#tell(profile, answer, event);
    const isGrant = event.type === "refresh_granted";
    for (let failures = 0; ; failures += 1) {
      try {
        await this.#commit(event, profile.accountEpoch, !isGrant);
        return;
      } catch (error) {
        if (error instanceof BrokerFailure) return;
        if (!isGrant || !(error instanceof StoreError)) throw error;
        this.#onTrouble(new BrokerFailure(storeFailure(error), { cause: error }));
        await this.#pause(failures);
      }
    }
  }

  async #commit(event: Event, epoch: string, keep: boolean): Promise<void> {
    await this.#w.ledger.commit(
      this.#id,
      (profile) => {
        if (profile === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: this.#id });
        // Removed and made anew meanwhile: the same id and generation, but another login.
        if (profile.accountEpoch !== epoch) return profile;
        return transition(profile, event, this.#w.clock.now(), this.#w.settings);
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

  #tell(profile: Profile, answer: RefreshAnswer, event: Event): void {
    const fields = { profile: profile.id, generation: profile.generation };
    if (event.type === "refresh_granted") this.#w.log.info(fields, "login refreshed");
    else if (answer.kind === "granted") {
      this.#w.log.error(fields, "the token endpoint answered with another account's login; it is refused");
    } else
      this.#w.log.warn({ ...fields, answer: answer.kind, code: answer.code }, "refresh brought no new login");
  }
}

function clientKey(client: OAuthClient): string {
  return `${client.tokenUrl} ${client.clientId}`;
}

function isThrottle(httpStatus: number): boolean {
  return httpStatus === 429 || httpStatus === 503;
}

function allowedReplay(profile: Profile, now: Now): 0 | 1 | undefined {
  const permission = refreshPermission(profile, now);
  return permission.kind === "now" ? permission.replay : undefined;
}

/** An operator may send what the rules hold back, but never what the server has called dead. */
function orderedReplay(profile: Profile): 0 | 1 | undefined {
  if (profile.grant.kind !== "oauth" || profile.grant.refreshToken === undefined) return undefined;
  if (profile.refreshDead?.cause === "terminal") return undefined;
  return profile.intent?.phase === "lost" || profile.refreshDead?.cause === "lost" ? 1 : 0;
}

function eventOf(profile: Profile, answer: RefreshAnswer): Event {
  const from = profile.generation;
  switch (answer.kind) {
    case "granted":
      if (isOtherAccount(profile.account, answer.account)) {
        return { type: "refresh_rejected", from, code: "other_account" };
      }
      return { type: "refresh_granted", from, grant: answer.grant, account: answer.account };
    case "terminal":
      return { type: "refresh_rejected", from, code: answer.code };
    case "not_now":
      return {
        type: "refresh_not_now",
        from,
        ...(answer.retryAtMs === undefined ? {} : { retryAtMs: answer.retryAtMs }),
      };
    case "unsent":
      return { type: "refresh_unsent", from };
    case "lost":
      return { type: "refresh_lost", from };
  }
}

/** The failure that callers see when the store refuses. */
export function storeFailure(error: StoreError): Failure {
  return { kind: "store_unavailable", path: error.path, cause: error.message, mend: error.mend };
}

/** Rethrows what a store refused as a failure for callers; passes on everything else. */
export function storeTrouble(error: unknown): never {
  if (error instanceof StoreError) throw new BrokerFailure(storeFailure(error), { cause: error });
  throw error;
}
