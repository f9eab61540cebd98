import type {
  ServerErrorResponse,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Caller } from "../broker/context.ts";
import type { Log } from "../broker/log.ts";
import { BrokerFailure, type Failure } from "../domain/failure.ts";
import { StoreError } from "../store/store.ts";
import { type AuditDesk, type Call, isNoted, noteCall } from "./audited.ts";
import type { Message } from "./schema.ts";
import { reasonOf, statusOf } from "./status.ts";

/** What every handler needs to know of the server. */
export interface Desk extends AuditDesk {
  /** Judges the peer by what `call.getPeer()` gives. Throws `BrokerFailure` if it may not be answered. */
  readonly callerOf: (peer: string) => Caller;
  /** Throws `BrokerFailure` while the broker starts or stops. */
  readonly refuseUnready: () => void;
  /** The same while the records are locked; notes that somebody asked for something. */
  readonly refuseLocked: () => void;
  /** Aborts when streams must end because the broker stops. */
  readonly ending: AbortSignal;
  readonly log: Log;
}

/** One call, apart from its message. */
export interface CallInfo {
  readonly caller: Caller;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
  /** Milliseconds until the caller's deadline, or undefined if it named none. */
  readonly leftMs: number | undefined;
  /** The profile that the call turned out to be about, for the audit. */
  profile?: string | undefined;
}

export type UnaryHandler = (message: Message, info: CallInfo) => Message | Promise<Message>;
export type StreamHandler<T> = (message: Message, info: CallInfo) => AsyncGenerator<T, void, undefined>;

/**
 * Makes a unary handler safe: whatever it throws reaches the caller as a status, and never as a
 * hanging call. `whileLocked`: it answers although the records are locked.
 */
export function unary(desk: Desk, handle: UnaryHandler, { whileLocked = false } = {}) {
  return (call: ServerUnaryCall<Message, Message>, reply: sendUnaryData<Message>): void => {
    const refuse = (error: unknown) => reply(errorOf(desk, error, call));
    try {
      const info = new UnaryInfo(call, desk.callerOf(call.getPeer()));
      desk.refuseUnready();
      if (!whileLocked) desk.refuseLocked();
      const answer = handle(call.request, info);
      const tell = (told: Message) => {
        reply(null, told);
        if (isNoted(call.getPath())) noteCall(desk, callOf(call, info.profile), told);
      };
      // What is known at once leaves at once: a turn later it would cost writes of its own (measured).
      if (answer instanceof Promise) answer.then(tell, refuse);
      else tell(answer);
    } catch (error) {
      refuse(error);
    }
  };
}

/** Most calls are answered at once; what only waiting needs is made when it is asked for. */
class UnaryInfo implements CallInfo {
  readonly #call: ServerUnaryCall<Message, Message>;
  readonly caller: Caller;
  profile: string | undefined;
  #gone: AbortController | undefined;

  constructor(call: ServerUnaryCall<Message, Message>, caller: Caller) {
    this.#call = call;
    this.caller = caller;
  }

  get leftMs(): number | undefined {
    return leftOf(this.#call.getDeadline());
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      const gone = new AbortController();
      this.#gone = gone;
      if (this.#call.cancelled) gone.abort();
      else this.#call.once("cancelled", () => gone.abort());
    }
    return this.#gone.signal;
  }
}

/**
 * Makes a stream of a generator: one message at a time, the next is asked for when the reader has room. `write`
 * makes messages of what it gives; a generator for that alone would cost each watcher more turns (measured).
 */
export function stream<T>(
  desk: Desk,
  handle: StreamHandler<T>,
  write: (news: T) => Message,
  { whileLocked = false } = {},
) {
  return (call: ServerWritableStream<Message, Message>): void => {
    const over = new AbortController();
    const end = () => over.abort();
    call.once("cancelled", end);
    call.once("close", end);
    desk.ending.addEventListener("abort", end, { once: true });
    const run = async () => {
      const caller = desk.callerOf(call.getPeer());
      desk.refuseUnready();
      if (!whileLocked) desk.refuseLocked();
      const info = { caller, signal: over.signal, leftMs: leftOf(call.getDeadline()) };
      for await (const news of handle(call.request, info)) {
        if (over.signal.aborted) break;
        // What was allowed when it began need not be the same program now.
        desk.callerOf(call.getPeer());
        if (!call.write(write(news))) await roomFor(call, over.signal);
      }
      if (desk.ending.aborted && !call.cancelled) throw new BrokerFailure({ kind: "draining" });
    };
    run()
      .then(
        () => call.end(),
        (error: unknown) => call.emit("error", errorOf(desk, error, call)),
      )
      .finally(() => desk.ending.removeEventListener("abort", end));
  };
}

function roomFor(call: ServerWritableStream<Message, Message>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** gRPC carries a timeout, so what is left is measured by the real clock on both sides. */
function leftOf(deadline: Date | number): number | undefined {
  const atMs = typeof deadline === "number" ? deadline : deadline.getTime();
  return Number.isFinite(atMs) ? atMs - Date.now() : undefined;
}

type AnyCall = Pick<ServerUnaryCall<Message, Message>, "getPath" | "getPeer" | "request">;

function callOf(call: AnyCall, profile?: string): Call {
  const about = { path: call.getPath(), peer: call.getPeer(), request: call.request };
  return profile === undefined ? about : { ...about, profile };
}

function errorOf(
  desk: Desk,
  error: unknown,
  call: AnyCall,
): ServerErrorResponse | Partial<ServerErrorResponse> {
  const failure = failureOf(error);
  noteCall(desk, callOf(call), {}, reasonOf(failure) ?? "INTERNAL");
  if (failure.kind === "internal") desk.log.error({ err: error }, "unexpected error in a call");
  const { code, details, metadata } = statusOf(failure, desk.wallMs());
  return { name: "Error", message: details, code, details, metadata };
}

/** The one place that interprets a caught value. */
function failureOf(error: unknown): Failure {
  if (error instanceof BrokerFailure) return error.failure;
  if (error instanceof StoreError) {
    return { kind: "store_unavailable", path: error.path, cause: error.message, mend: error.mend };
  }
  return { kind: "internal" };
}

/** For calls of services that are not ours, such as health: the same judgement of the peer. */
export function guarded<T extends object>(desk: Desk, implementation: T): T {
  const wrapped = Object.entries(implementation).map(([method, handle]) => [
    method,
    (call: ServerUnaryCall<Message, Message>, reply: unknown) => {
      try {
        desk.callerOf(call.getPeer());
      } catch (error) {
        const answer = errorOf(desk, error, call);
        if (typeof reply === "function") reply(answer);
        else call.emit("error", { ...answer, code: answer.code ?? status.UNKNOWN });
        return;
      }
      (handle as (call: unknown, reply: unknown) => void)(call, reply);
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}
