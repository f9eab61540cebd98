import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import type { Message } from "../rpc/schema.ts";
import { type Channel, nextPause } from "./channel.ts";
import { type BrokerError, callError, closedError, isPassing } from "./error.ts";
import { requestOf, twinOf } from "./twin.ts";
import type { Clock, WatchOptions, WatchState } from "./types.ts";

/** Hears what a watch tells, in the order it happens. Nothing is told any more after `ended`. */
export interface Listener {
  told(state: WatchState): void;
  /** The broker is away; it is asked again until it answers. */
  lost(): void;
  /** The options cannot be sent, the broker refused the watch, or the client was closed. */
  ended(error: unknown): void;
}

/** Keeps one watch open across restarts of the broker, until the function given back is called. */
export function follow(
  channel: Channel,
  clock: Clock,
  options: WatchOptions,
  listener: Listener,
): () => void {
  const stop = new AbortController();
  keepOpen(channel, clock, options, listener, stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) listener.ended(error);
  });
  return () => stop.abort();
}

/** Runs until `stop`; rejects with what else ends the watch. */
async function keepOpen(
  channel: Channel,
  clock: Clock,
  options: WatchOptions,
  listener: Listener,
  stop: AbortSignal,
): Promise<never> {
  const request = requestOf("WatchCredentialRequest", options);
  let pauseMs = 0;
  const told = (state: WatchState) => {
    pauseMs = 0;
    listener.told(state);
  };
  for (;;) {
    const error = await once(channel.stream("credential", "WatchCredential", request), told, stop);
    if (channel.isClosed) throw closedError();
    if (error !== undefined && !isPassing(error)) throw error;
    stop.throwIfAborted();
    listener.lost();
    pauseMs = nextPause(pauseMs);
    await clock.sleep(pauseMs, stop);
  }
}

/** Reads one stream to its end; resolves with the error that ended it, if one did. */
function once(
  call: ClientReadableStream<Message>,
  told: (state: WatchState) => void,
  stop: AbortSignal,
): Promise<BrokerError | undefined> {
  return new Promise((resolve) => {
    const cancel = () => call.cancel();
    let failure: BrokerError | undefined;
    call.on("data", (message: Message) => {
      if (!stop.aborted) told(twinOf<WatchState>("WatchCredentialResponse", message));
    });
    call.once("error", (error: ServiceError) => {
      failure = callError(error);
    });
    call.once("close", () => {
      stop.removeEventListener("abort", cancel);
      resolve(failure);
    });
    stop.addEventListener("abort", cancel);
    if (stop.aborted) cancel();
  });
}

/**
 * The states of a watch for `for await`. A slow reader skips states and gets the newest. Nothing is
 * asked before the first `next()`; `return()` (the end of a `for await`) ends the watch at once.
 */
export function watch(
  channel: Channel,
  clock: Clock,
  options: WatchOptions,
  signal: AbortSignal | undefined,
): AsyncIterable<WatchState> {
  return { [Symbol.asyncIterator]: () => new Newest(channel, clock, options, signal) };
}

/** One slot for the newest state, and one for the reader who waits for it. */
class Newest implements AsyncIterator<WatchState, undefined> {
  readonly #open: () => () => void;
  readonly #signal: AbortSignal | undefined;
  #close: (() => void) | undefined;
  #state: WatchState | undefined;
  #end: { readonly error?: unknown } | undefined;
  #wake = () => {};

  constructor(channel: Channel, clock: Clock, options: WatchOptions, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#open = () =>
      follow(channel, clock, options, {
        told: (state) => {
          this.#state = state;
          this.#wake();
        },
        lost: () => {},
        ended: (error) => this.#finish(channel.isClosed ? {} : { error }),
      });
  }

  async next(): Promise<IteratorResult<WatchState, undefined>> {
    if (this.#close === undefined && this.#end === undefined) this.#begin();
    while (this.#state === undefined && this.#end === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const value = this.#state;
    this.#state = undefined;
    if (value !== undefined) return { done: false, value };
    const error = this.#end?.error;
    this.#end = {};
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<WatchState, undefined>> {
    this.#state = undefined;
    this.#finish({});
    return { done: true, value: undefined };
  }

  #begin(): void {
    this.#signal?.throwIfAborted();
    this.#signal?.addEventListener("abort", this.#abort);
    this.#close = this.#open();
  }

  readonly #abort = () => this.#finish({ error: this.#signal?.reason });

  #finish(end: { readonly error?: unknown }): void {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#end ??= end;
    this.#close?.();
    this.#wake();
  }
}
