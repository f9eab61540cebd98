import { at, type Deadline, reached } from "../domain/time.ts";
import type { Channel } from "./channel.ts";
import { closedError, connectionError, unavailableError } from "./error.ts";
import type { Acquired, Clock, WatchOptions, WatchState } from "./types.ts";
import { follow } from "./watch.ts";

/** What `live` keeps an eye on. */
export type LiveOptions = Omit<WatchOptions, "provider">;

/** A credential that is kept fresh in memory. */
export interface Live {
  /**
   * The credential to use now, without asking anybody. While the broker is away the last one serves
   * until its expiry. Throws `BrokerError`: why no profile is usable, or that nothing usable is known.
   */
  current(): Acquired;
  /** `connecting` until the broker has told the first state, `closed` after `close` or a refusal. */
  readonly state: "connecting" | "connected" | "disconnected" | "closed";
  /** Ends the watch. `current` throws from then on. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The newest state of a watch, kept in memory. The handle serves at once; awaiting it waits for the
 * first state, or rejects with the broker's refusal.
 */
export function live(channel: Channel, clock: Clock, options: WatchOptions): Live & Promise<Live> {
  const memory = new Memory(channel, clock, options);
  const first = memory.first.then((): Live => memory);
  first.catch(() => {});
  const handle = Object.assign(first, {
    state: memory.state,
    current: () => memory.current(),
    close: () => memory.close(),
    [Symbol.asyncDispose]: () => memory[Symbol.asyncDispose](),
  });
  return Object.defineProperty(handle, "state", { get: () => memory.state });
}

class Memory implements Live {
  readonly first: Promise<void>;
  readonly #clock: Clock;
  readonly #stop: () => void;
  #settle: (error?: unknown) => void = () => {};
  #state: Live["state"] = "connecting";
  #told: WatchState | undefined;
  #expires: Deadline | undefined;
  #end: unknown;

  constructor(channel: Channel, clock: Clock, options: WatchOptions) {
    this.#clock = clock;
    this.first = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.#stop = follow(channel, clock, options, {
      told: (state) => this.#keep(state),
      lost: () => {
        this.#state = this.#told === undefined ? "connecting" : "disconnected";
      },
      ended: (error) => this.#finish(error),
    });
  }

  get state(): Live["state"] {
    return this.#state;
  }

  current(): Acquired {
    if (this.#end !== undefined) throw this.#end;
    if (this.#told === undefined) throw connectionError("UNAVAILABLE", "the broker has not answered yet");
    if (this.#told.granted === undefined) throw unavailableError(this.#told.unavailable);
    if (this.#expires !== undefined && reached(this.#expires, this.#clock.now())) {
      const message = "the last credential has ended, and the broker has not sent another";
      throw connectionError("UNAVAILABLE", message);
    }
    return this.#told.granted;
  }

  close(): void {
    this.#finish(closedError());
    this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #keep(state: WatchState): void {
    const end = state.granted?.credential.oauth?.expireTime;
    this.#expires = end === undefined ? undefined : at(this.#clock.now(), end.getTime());
    this.#told = state;
    this.#state = "connected";
    this.#settle();
  }

  #finish(error: unknown): void {
    this.#end ??= error;
    this.#state = "closed";
    this.#settle(error);
  }
}
