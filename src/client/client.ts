import { setTimeout as after } from "node:timers/promises";
import { type Address, parseAddress } from "../endpoint/address.ts";
import { ownPlaces } from "../places.ts";
import { bodyBytes, plainHeaders } from "./answer.ts";
import type { Callback } from "./attempt.ts";
import { type Channel, openChannel } from "./channel.ts";
import type { Live, LiveOptions } from "./live.ts";
import { Lives } from "./lives.ts";
import { requestOf, twinOf, waitMsOf } from "./twin.ts";
import type {
  Acquired,
  AcquireOptions,
  CallOptions,
  Clock,
  Lease,
  ProviderResponse,
  Report,
  ReportOptions,
  Status,
  WatchOptions,
  WatchState,
} from "./types.ts";
import { type UseOptions, use } from "./use.ts";
import { watch } from "./watch.ts";

/** Where the broker is. */
export interface ConnectOptions {
  /** Such as `/path/agent.sock`, `unix:///path`, `npipe:name`. Default: the agent endpoint that `env` names. */
  readonly address?: string | Address | undefined;
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** How long the broker may take to answer, in milliseconds. Default: 5 s. */
  readonly timeoutMs?: number | undefined;
  /** For tests. Default: the system's time. */
  readonly clock?: Clock | undefined;
}

/** As long as the broker lets a caller without a deadline wait. */
const CALL_MS = 35_000;
const CONNECT_MS = 5_000;

const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monoMs: performance.now() }),
  sleep: (ms, signal) =>
    after(ms, undefined, { signal }).catch(() => {
      throw signal?.reason;
    }),
};

/**
 * Connects to the broker that is running. Later calls survive its restarts: they wait for it up to
 * their own deadline.
 *
 * Rejects with `BrokerError`: code `UNAVAILABLE` without a reason when no broker is there, reason
 * `CLIENT_FORBIDDEN` when this user may not use the socket. Rejects with the error of the address when
 * `address` or the environment names none that can be used.
 */
export async function connect(options: ConnectOptions = {}): Promise<Broker> {
  const { clock = systemClock, timeoutMs = CONNECT_MS } = options;
  return new Broker(await openChannel(addressOf(options), clock, timeoutMs), clock);
}

function addressOf({ address, env = process.env }: ConnectOptions): Address {
  if (typeof address === "string") return parseAddress(address);
  if (address !== undefined) return address;
  return ownPlaces(env).agentAddress;
}

/** The broker as one program sees it. Every failure is a `BrokerError`; none holds a token. */
export class Broker {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #lives: Lives;

  /** Use `connect`. */
  constructor(channel: Channel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
    this.#lives = new Lives(channel, clock, this);
  }

  /** The credential of the profile that should serve now, and a lease to report about. */
  async acquire(options: AcquireOptions, call: CallOptions = {}): Promise<Acquired> {
    const request = requestOf("AcquireCredentialRequest", options);
    const timeoutMs = call.timeoutMs ?? (waitMsOf(request) ?? 0) + CALL_MS;
    const answer = await this.#channel.unary("credential", "AcquireCredential", request, {
      ...call,
      timeoutMs,
    });
    return twinOf("AcquireCredentialResponse", answer);
  }

  /** Tells what came of a request made under a lease; the answer says what to do next. */
  async report({ lease, ...options }: ReportOptions, call: CallOptions = {}): Promise<Report> {
    const { providerResponse } = options;
    const request = requestOf("ReportOutcomeRequest", {
      ...options,
      ...(lease !== undefined && { leaseId: lease.leaseId }),
      ...(providerResponse !== undefined && { providerResponse: sendable(providerResponse) }),
    });
    const timeoutMs = call.timeoutMs ?? CALL_MS;
    const answer = await this.#channel.unary("credential", "ReportOutcome", request, { ...call, timeoutMs });
    return twinOf("ReportOutcomeResponse", answer);
  }

  /** Ends a lease. Releasing one again is no error. */
  async release(lease: Lease | string, call: CallOptions = {}): Promise<void> {
    const leaseId = typeof lease === "string" ? lease : lease.leaseId;
    const timeoutMs = call.timeoutMs ?? CALL_MS;
    await this.#channel.unary("credential", "ReleaseLease", { leaseId }, { ...call, timeoutMs });
  }

  /**
   * Which credential to use, or why there is none: at once, then at every change, for `for await`. A slow
   * reader gets the newest state. Goes on after a restart of the broker. Throws when the request itself
   * is refused, ends with `close`.
   */
  watch(options: WatchOptions, { signal }: Pick<CallOptions, "signal"> = {}): AsyncIterable<WatchState> {
    return watch(this.#channel, this.#clock, options, signal);
  }

  /**
   * Acquires, runs `callback`, reports, and follows the advice: runs it again with another profile's
   * credential, each profile once, and once more with a token refreshed because it was refused. Where a
   * live handle of the same options is open, its credential saves the acquire.
   *
   * A `Response` that the callback returns is read for its status, its headers and, if it is no success,
   * up to 64 KiB of its body, from a clone. Errors with `status`, `response` or the `code` of a broken
   * connection are reported too. Whatever else it returns is a success; whatever else it throws is the
   * caller's own bug and is rethrown. The last response or error comes back as it is.
   */
  use<T>(provider: string, options: UseOptions, callback: Callback<T>): Promise<T> {
    return use(this, this.#clock, (request) => this.#lives.held(request), provider, options, callback);
  }

  /** How many profiles of each provider are usable, and what else an operator should know. */
  async status(call: CallOptions = {}): Promise<Status> {
    const answer = await this.#channel.unary(
      "status",
      "GetStatus",
      {},
      {
        ...call,
        timeoutMs: call.timeoutMs ?? CALL_MS,
      },
    );
    return twinOf("GetStatusResponse", answer);
  }

  /**
   * The newest credential, answered from memory and kept fresh by a watch, until it is closed. Handles
   * with the same options share one watch.
   */
  live(provider: string, options: LiveOptions = {}): Live & Promise<Live> {
    return this.#lives.open({ ...options, provider });
  }

  /** Ends every call, watch and handle, gives back what the handles held, and ends the connection. */
  async close(): Promise<void> {
    await this.#lives.close();
    this.#channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function sendable({ headers, body, ...rest }: ProviderResponse): object {
  return { ...rest, headers: plainHeaders(headers), body: bodyBytes(body) };
}
