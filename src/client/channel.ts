import {
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  connectivityState,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { type Address, addressText, grpcTarget } from "../endpoint/address.ts";
import { channelCredentials } from "../endpoint/pipe-owner.ts";
import { type Probe, probe } from "../endpoint/probe.ts";
import { type Message, SERVICES, serviceDefinition } from "../rpc/schema.ts";
import { BrokerError, callError, closedError, connectionError, forbiddenError, isPassing } from "./error.ts";
import type { Clock } from "./types.ts";

/**
 * One connection, made anew whenever it breaks. By default grpc-js would wait a second before its
 * second attempt and up to two minutes later on.
 */
const OPTIONS: ChannelOptions = {
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 500,
  // A pool shared in the process would carry the back-off of an earlier client over to this one.
  "grpc.use_local_subchannel_pool": 1,
};

/** An endpoint that closes connections gets this long to let one through after all. */
const HUNG_UP_MS = 500;
const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

export interface UnaryOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Calls of all services on one connection. Requests and answers are decoded messages. */
export class Channel {
  readonly #address: Address;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #open = new Set<() => void>();
  readonly #methods = new Map<string, MethodDefinition<Message, Message>>();
  #isClosed = false;

  /** Use `openChannel`. */
  constructor(address: Address, clock: Clock) {
    this.#address = address;
    this.#clock = clock;
    this.#client = new Client(grpcTarget(address), channelCredentials(address), OPTIONS);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * One answer to one request. Waits for a broker that is away, and asks again when the connection
   * breaks or the broker is starting or stopping, all within `timeoutMs`. A request may so arrive twice;
   * the broker counts failures of one lease once.
   * Rejects with `BrokerError`, or with the reason of `signal`.
   */
  async unary(
    service: keyof typeof SERVICES,
    method: string,
    request: Message,
    { timeoutMs, signal }: UnaryOptions,
  ): Promise<Message> {
    const definition = this.#method(service, method);
    const deadline = Date.now() + timeoutMs;
    for (let pauseMs = 0; ; pauseMs = nextPause(pauseMs)) {
      try {
        return await this.#once(definition, request, deadline, signal);
      } catch (error) {
        if (!(error instanceof BrokerError) || !isPassing(error)) throw error;
        if (this.#isClosed || Date.now() + pauseMs >= deadline) throw error;
        await this.#clock.sleep(pauseMs, signal);
      }
    }
  }

  /** A stream of answers. Its `error` event brings what `callError` reads. Ends with `close`. */
  stream(service: keyof typeof SERVICES, method: string, request: Message): ClientReadableStream<Message> {
    if (this.#isClosed) throw closedError();
    const { path, requestSerialize, responseDeserialize } = this.#method(service, method);
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      waiting(),
    );
    const cancel = () => call.cancel();
    this.#open.add(cancel);
    call.once("close", () => this.#open.delete(cancel));
    return call;
  }

  /** Ends every call and the connection. */
  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#open) cancel();
    this.#client.close();
  }

  #once(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Message, Message>,
    request: Message,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#isClosed) return reject(closedError());
      const done = (error: ServiceError | null, answer?: Message) => {
        this.#open.delete(cancel);
        signal?.removeEventListener("abort", cancel);
        if (answer !== undefined) resolve(answer);
        else if (signal?.aborted) reject(signal.reason);
        else reject(error === null ? error : this.#errorOf(error));
      };
      const options = { deadline };
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        waiting(),
        options,
        done,
      );
      const cancel = () => call.cancel();
      this.#open.add(cancel);
      signal?.addEventListener("abort", cancel);
    });
  }

  #errorOf(error: ServiceError): BrokerError {
    if (this.#isClosed) return closedError();
    const failure = callError(error);
    if (failure.reason !== "") return failure;
    const isThere = this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
    if (failure.code === "DEADLINE_EXCEEDED" && isThere) {
      return connectionError("DEADLINE_EXCEEDED", "the broker did not answer within the time of this call");
    }
    if (failure.code !== "DEADLINE_EXCEEDED" && !isPassing(failure)) return failure;
    const place = addressText(this.#address);
    return connectionError(
      "UNAVAILABLE",
      `no broker answers at ${place}; start one with \`auth-broker serve\``,
    );
  }

  #method(service: keyof typeof SERVICES, name: string): MethodDefinition<Message, Message> {
    const known = this.#methods.get(`${service} ${name}`);
    if (known !== undefined) return known;
    const method = serviceDefinition(SERVICES[service])[name];
    if (method === undefined) throw new TypeError(`${SERVICES[service]} has no call ${name}`);
    this.#methods.set(`${service} ${name}`, method);
    return method;
  }

  /** Resolves when a broker has answered. Rejects with `BrokerError`. */
  async answered(timeoutMs: number): Promise<void> {
    const channel = this.#client.getChannel();
    let deadline = Date.now() + timeoutMs;
    for (let isHungUp = false; ; ) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return;
      if (state === connectivityState.TRANSIENT_FAILURE && !isHungUp) {
        refuseUnlessLive(await probe(this.#address));
        isHungUp = true;
        deadline = Math.min(deadline, Date.now() + HUNG_UP_MS);
      }
      const isOver = await new Promise<boolean>((resolve) =>
        channel.watchConnectivityState(state, deadline, (error) => resolve(error !== undefined)),
      );
      if (isOver) throw silenceError(addressText(this.#address), isHungUp);
    }
  }
}

/**
 * Connects. Rejects with `BrokerError`: code `UNAVAILABLE` and no reason if no broker is there or it
 * does not answer within `timeoutMs`, reason `CLIENT_FORBIDDEN` if this user may not use the socket.
 * Rejects with `EndpointError` for an address that cannot be used on this system.
 */
export async function openChannel(address: Address, clock: Clock, timeoutMs: number): Promise<Channel> {
  refuseUnlessLive(await probe(address));
  const channel = new Channel(address, clock);
  try {
    await channel.answered(timeoutMs);
    return channel;
  } catch (error) {
    channel.close();
    throw error;
  }
}

/** The next pause between two attempts; the first follows at once, because a call waits for its connection anyway. */
export function nextPause(pauseMs: number): number {
  return Math.min(Math.max(pauseMs * 2, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
}

function refuseUnlessLive({ state, message }: Probe): void {
  if (state === "live") return;
  throw state === "denied" ? forbiddenError(message) : connectionError("UNAVAILABLE", message);
}

function silenceError(place: string, isHungUp: boolean): BrokerError {
  return isHungUp
    ? forbiddenError(`what listens at ${place} closes the connection: it serves other users or programs`)
    : connectionError("UNAVAILABLE", `what listens at ${place} does not answer`);
}

function waiting(): Metadata {
  return new Metadata({ waitForReady: true });
}
