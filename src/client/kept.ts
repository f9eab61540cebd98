import { at, type Deadline, reached } from "../domain/time.ts";
import type { Channel } from "./channel.ts";
import { closedError, connectionError, unavailableError } from "./error.ts";
import type { Acquired, Clock, Lease, Report, WatchOptions, WatchState } from "./types.ts";
import { follow } from "./watch.ts";

/** How a kept state stands to the broker: `connecting` until it has told the first one. */
export type KeptState = "connecting" | "connected" | "disconnected" | "closed";

/**
 * The newest state of one watch, in memory. While the broker is away a credential that it gave serves
 * until its expiry, unless a caller has seen it refused: nobody could tell what took its place.
 */
export class Kept {
  /** Resolves with the first state; rejects with the refusal that comes in its place. */
  readonly first: Promise<void>;
  readonly #clock: Clock;
  readonly #stop: () => void;
  #settle: (error?: unknown) => void = () => {};
  #state: KeptState = "connecting";
  #told: WatchState | undefined;
  #expires: Deadline | undefined;
  #isRefused = false;
  #end: unknown;

  /** `onEnd` is called once, when nothing will be told any more. */
  constructor(channel: Channel, clock: Clock, options: WatchOptions, onEnd: () => void) {
    this.#clock = clock;
    this.first = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.first.catch(() => {});
    this.#stop = follow(channel, clock, options, {
      told: (state) => {
        this.#state = "connected";
        this.#keep(state);
      },
      lost: () => {
        if (this.#state === "connected") this.#state = "disconnected";
      },
      ended: (error) => {
        this.#finish(error);
        onEnd();
      },
    });
  }

  get state(): KeptState {
    return this.#state;
  }

  /** The lease of the credential that was told last. */
  get lease(): Lease | undefined {
    return this.#told?.granted?.lease;
  }

  /** The credential to use now. Throws `BrokerError`: why there is none. Costs no call and no timer. */
  current(): Acquired {
    const granted = this.#told?.granted;
    if (this.#end !== undefined || granted === undefined) throw this.#absence();
    if (this.#expires !== undefined && reached(this.#expires, this.#clock.now())) {
      throw unknownNow("the last credential has ended, and the broker has not sent another");
    }
    if (this.#isRefused && this.#state !== "connected") {
      throw unknownNow("the last credential was refused, and the broker is away");
    }
    return granted;
  }

  /** A caller saw the provider refuse what this lease stands for. */
  refused({ profile, generation }: Lease): void {
    const held = this.lease;
    if (held?.profile === profile && held.generation === generation) this.#isRefused = true;
  }

  /**
   * The answer to a report about what is kept here. When it takes the profile away the watch will say
   * the same in a moment; until then nobody gets what the broker has just withdrawn.
   */
  answered(lease: Lease, { scope, next }: Report): void {
    const held = this.lease;
    if (next === undefined || held?.profile !== lease.profile) return;
    if (scope !== "SCOPE_PROFILE" && scope !== "SCOPE_PROFILE_MODEL") return;
    // An acquire may give the same once more, on trial: the watch judges for itself.
    if (held.generation !== lease.generation || isSame(held, next.granted?.lease)) return;
    this.#keep(next);
  }

  /** Ends the watch. */
  close(): void {
    this.#finish(closedError());
    this.#stop();
  }

  #absence(): unknown {
    if (this.#end !== undefined) return this.#end;
    if (this.#told?.unavailable !== undefined) return unavailableError(this.#told.unavailable);
    return unknownNow("the broker has not answered yet");
  }

  #keep(state: WatchState): void {
    const end = state.granted?.credential.oauth?.expireTime;
    this.#expires = end === undefined ? undefined : at(this.#clock.now(), end.getTime());
    this.#told = state;
    this.#isRefused = false;
    this.#settle();
  }

  #finish(error: unknown): void {
    this.#end ??= error;
    this.#state = "closed";
    this.#settle(error);
  }
}

function isSame(held: Lease, next: Lease | undefined): boolean {
  return next?.profile === held.profile && next.generation === held.generation;
}

function unknownNow(message: string): unknown {
  return connectionError("UNAVAILABLE", message);
}
