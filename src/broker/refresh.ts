import { BrokerFailure, type Failure } from "../domain/failure.ts";
import type { Profile } from "../domain/profile.ts";
import { type FlightWiring, Flying } from "./refresh-flight.ts";

/** A refresh under way. */
export interface Flight {
  /** Of the profile when it began. */
  readonly generation: number;
  /** Ends when the state is the newest, whatever came of it; rejects if it cannot be written down. */
  readonly outcome: Promise<void>;
  /** Ends when nothing more will be sent or written. Never rejects. */
  readonly done: Promise<void>;
  /** Somebody waits for it, so it goes before those that nobody waits for. */
  isUrgent: boolean;
  /** Why the new grant that it brought is in memory only. */
  readonly trouble?: BrokerFailure;
}

/** No profile has this generation. */
const NOBODYS = 0;

/** One refresh at most per profile: who comes second joins the first. */
export class Refreshes {
  readonly #wiring: FlightWiring;
  readonly #flights = new Map<string, Flight>();
  /** Why no refresh begins at present. */
  #closed: Failure | undefined;

  constructor(wiring: FlightWiring) {
    this.#wiring = wiring;
  }

  isFlying(profileId: string): boolean {
    return this.#flights.has(profileId);
  }

  /**
   * Joins the profile's refresh or starts one. `operator`: an order that overrides the back-off and
   * decides a doubt. `urgent`: somebody waits.
   */
  join(profile: Profile, options: { readonly operator?: boolean; readonly urgent?: boolean } = {}): Flight {
    const running = this.#flights.get(profile.id);
    if (running !== undefined) {
      if (options.urgent === true) running.isUrgent = true;
      return running;
    }
    if (this.#closed !== undefined) throw new BrokerFailure(this.#closed);
    return this.#start(profile, options.operator === true, options.urgent === true);
  }

  /** Starts a refresh that nobody waits for, unless one is under way or none may begin. */
  ahead(profile: Profile): void {
    if (this.#closed === undefined) this.join(profile);
  }

  /** Does something during which no refresh of the profile may be under way or begin. */
  async without<T>(profileId: string, work: () => Promise<T>): Promise<T> {
    for (let running = this.#flights.get(profileId); running !== undefined; ) {
      await running.done;
      running = this.#flights.get(profileId);
    }
    let land: () => void = () => {};
    const done = new Promise<void>((resolve) => {
      land = resolve;
    });
    // Who joins it looks again when it is over.
    this.#flights.set(profileId, { generation: NOBODYS, outcome: done, done, isUrgent: true });
    try {
      return await work();
    } finally {
      this.#flights.delete(profileId);
      land();
      this.#wiring.onLanded(profileId);
    }
  }

  /** Why a new grant is in memory only, while one is. */
  get trouble(): BrokerFailure | undefined {
    for (const flight of this.#flights.values()) if (flight.trouble !== undefined) return flight.trouble;
    return undefined;
  }

  /** Profiles whose refresh is under way. */
  flying(): readonly string[] {
    return [...this.#flights.keys()];
  }

  /** Begins no more refreshes, which fail for the reason given, and resolves when the running ones are over. */
  async pause(reason: Failure): Promise<void> {
    this.#closed = reason;
    await Promise.all([...this.#flights.values()].map((f) => f.done));
  }

  /** Refreshes may begin again, unless the broker stops. */
  resume(): void {
    if (this.#closed?.kind !== "draining") this.#closed = undefined;
  }

  /** The same for good. */
  drain(): Promise<void> {
    return this.pause({ kind: "draining" });
  }

  #start({ id: profileId, generation }: Profile, isOperator: boolean, isUrgent: boolean): Flight {
    let land: () => void = () => {};
    let fail: (error: unknown) => void = () => {};
    const outcome = new Promise<void>((resolve, reject) => {
      land = resolve;
      fail = reject;
    });
    outcome.catch(() => {});
    const flight: { -readonly [K in keyof Flight]: Flight[K] } = {
      generation,
      outcome,
      isUrgent,
      done: Promise.resolve(),
    };
    const flying = new Flying(this.#wiring, profileId, isOperator, {
      isUrgent: () => flight.isUrgent,
      closed: () => this.#closed,
      onTrouble: (error) => {
        flight.trouble = error;
        fail(error);
      },
    });
    const fly = async () => {
      await flying.fly().catch(fail);
      this.#flights.delete(profileId);
      land();
      this.#wiring.onLanded(profileId);
    };
    this.#flights.set(profileId, flight);
    flight.done = fly();
    return flight;
  }
}
