import { constants, type ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from "@grpc/grpc-js";
import { FairTurns } from "./fair-turns.ts";
import type { OpenStreams } from "./open-streams.ts";
import { partyOf } from "./peer.ts";
import type { StartTimer } from "./timer.ts";

/** Time for the status to reach the caller. */
const RESET_AFTER_MS = 1000;

/**
 * Ends calls whose request stays unfinished. grpc-js has no limit of its own: a half-sent message
 * would be kept for as long as the caller likes (measured), also after the call was answered. From
 * the start, and from each whole message, the next message or the end must arrive within `afterMs`;
 * else the caller gets DEADLINE_EXCEEDED, and a second later its stream is reset. Other calls of the
 * same connection go on. Handlers of request streams must read without pause, since unread messages
 * do not count. Must be the first of the server's interceptors. `streams` hears of every call and of its
 * answer's end, and `turns` says when a call may begin: one interceptor does all of it, since each costs every call time.
 */
export function receiveDeadline(
  afterMs: number,
  startTimer: StartTimer,
  streams?: OpenStreams,
  turns: Pick<FairTurns, "take"> = new FairTurns(),
): ServerInterceptor {
  return ({ responseStream }, call) => {
    const stream = http2StreamOf(call);
    if (stream === undefined) return new ServerInterceptingCall(call);
    const peer = call.getPeer();
    streams?.opened(stream, peer);
    const request = new Request(call, stream, afterMs, startTimer);
    const answered = () => streams?.answered(stream, peer);
    const begin = (run: () => void) => {
      const leave = turns.take(partyOf(peer), run);
      // A call may end before its turn: its caller, or its deadline, ends it below us.
      if (leave !== undefined) stream.once("close", leave);
    };
    return new TimedCall(call, request, begin, answered, !responseStream);
  };
}

/** What is still to come of a call's request, and until when. */
class Request {
  readonly #call: ServerInterceptingCallInterface;
  readonly #stream: ServerHttp2Stream;
  readonly #afterMs: number;
  readonly #startTimer: StartTimer;
  #cancel: () => void = () => {};
  #isWhole = false;

  constructor(
    call: ServerInterceptingCallInterface,
    stream: ServerHttp2Stream,
    afterMs: number,
    startTimer: StartTimer,
  ) {
    this.#call = call;
    this.#stream = stream;
    this.#afterMs = afterMs;
    this.#startTimer = startTimer;
    // Not the call's own end: an answered call may still have an unfinished request.
    stream.once("end", () => {
      this.#isWhole = true;
      this.#cancel();
    });
  }

  /** The call begins, or a whole message is here. What a call waits for its turn is not its caller's time. */
  goesOn(): void {
    this.#cancel();
    if (this.#isWhole) return;
    this.#cancel = this.#startTimer(this.#afterMs, () => this.#expire());
  }

  #expire(): void {
    this.#call.sendStatus({
      code: status.DEADLINE_EXCEEDED,
      details: `the request was not complete within ${this.#afterMs} ms`,
    });
    // An honest caller ends its stream now; another one would keep it, and what was received, for good.
    const reset = () => this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#cancel = this.#startTimer(RESET_AFTER_MS, reset);
  }
}

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/**
 * Hears what passes and holds nothing back, so that it needs none of what its base does to keep the order, which
 * would make a dozen objects a call.
 */
class TimedCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #request: Request;
  readonly #begin: (run: () => void) => void;
  readonly #answered: () => void;
  readonly #isUnary: boolean;

  constructor(
    call: ServerInterceptingCallInterface,
    request: Request,
    begin: (run: () => void) => void,
    answered: () => void,
    isUnary: boolean,
  ) {
    super(call);
    this.#call = call;
    this.#request = request;
    this.#begin = begin;
    this.#answered = answered;
    this.#isUnary = isUnary;
  }

  override start(listener: Listener): void {
    this.#begin(() => {
      this.#request.goesOn();
      this.#call.start({
        onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
        onReceiveMessage: (message) => {
          this.#request.goesOn();
          listener.onReceiveMessage(message);
        },
        onReceiveHalfClose: () => listener.onReceiveHalfClose(),
        onCancel: () => listener.onCancel(),
      });
    });
  }

  override sendMetadata(metadata: Parameters<ServerInterceptingCall["sendMetadata"]>[0]): void {
    this.#call.sendMetadata(metadata);
  }

  override sendMessage(...about: Parameters<ServerInterceptingCall["sendMessage"]>): void {
    this.#call.sendMessage(...about);
    // grpc-js sends the status of a unary call once its message was taken.
    if (this.#isUnary) this.#answered();
  }

  override sendStatus(end: Parameters<ServerInterceptingCall["sendStatus"]>[0]): void {
    this.#call.sendStatus(end);
    this.#answered();
  }
}

/**
 * The HTTP/2 stream below a call. grpc-js keeps it in a field that it does not document, and offers
 * no other way to reset one stream; the tests of this file fail when a new version moves it.
 */
function http2StreamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream | undefined {
  const stream: unknown = Reflect.get(call, "stream");
  return isHttp2Stream(stream) ? stream : undefined;
}

function isHttp2Stream(value: unknown): value is ServerHttp2Stream {
  return value instanceof Duplex && "rstCode" in value;
}
