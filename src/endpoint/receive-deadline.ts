import { constants, type ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from "@grpc/grpc-js";
import type { OpenStreams } from "./open-streams.ts";
import { partyOf } from "./peer.ts";
import type { StartTimer } from "./timer.ts";
import { Turns } from "./turns.ts";

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
  turns: Pick<Turns, "take"> = new Turns(),
): ServerInterceptor {
  return ({ responseStream }, call) => {
    const stream = http2StreamOf(call);
    if (stream === undefined) return new ServerInterceptingCall(call);
    const peer = call.getPeer();
    streams?.opened(stream, peer);
    const expire = () => {
      call.sendStatus({
        code: status.DEADLINE_EXCEEDED,
        details: `the request was not complete within ${afterMs} ms`,
      });
      // An honest caller ends its stream now; another one would keep it, and what was received, for good.
      cancel = startTimer(RESET_AFTER_MS, () => stream.close(constants.NGHTTP2_CANCEL));
    };
    let cancel = startTimer(afterMs, expire);
    // Not the call's own end: an answered call may still have an unfinished request.
    stream.once("end", () => cancel());
    return new ServerInterceptingCall(call, {
      start(next) {
        turns.take(partyOf(peer), () =>
          next({
            onReceiveMessage(message, pass) {
              cancel();
              cancel = startTimer(afterMs, expire);
              pass(message);
            },
          }),
        );
      },
      sendMessage(message, next) {
        next(message);
        // grpc-js sends the status of a unary call once its message was taken.
        if (!responseStream) streams?.answered(stream, peer);
      },
      sendStatus(end, next) {
        next(end);
        streams?.answered(stream, peer);
      },
    });
  };
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
