import { constants, type ServerHttp2Stream } from "node:http2";

/** Calls that are over in the turn of the event loop that brought them: nobody can have waited for one. */
const MOST_AT_ONCE = 200;
/**
 * At a thousand resets, and 33 more a second, Node (nghttp2) says GOAWAY, reads the connection no more, and so does not
 * see its end: its descriptor would stay (measured with 20).
 */
const MOST = 1_000;
const FORGOTTEN_A_SECOND = 33;

interface Traffic {
  /** Open streams with the turn that brought them. */
  readonly streams: Map<ServerHttp2Stream, number>;
  /** Resets that are not forgotten yet, and those of them that came at once. */
  resets: number;
  atOnce: number;
  lastMs: number;
}

/** The open streams of all connections, and which peers only begin and reset them. */
export class ResetFloods {
  readonly #nowMs: () => number;
  readonly #nextTurn: (run: () => void) => void;
  readonly #traffic = new Map<string, Traffic>();
  #turn = 0;
  #isTurnCounted = false;

  constructor(
    nowMs: () => number = () => performance.now(),
    nextTurn: (run: () => void) => void = setImmediate,
  ) {
    this.#nowMs = nowMs;
    this.#nextTurn = nextTurn;
  }

  /** Whether the connection has a call that is not over. */
  has(peer: string): boolean {
    return (this.#traffic.get(peer)?.streams.size ?? 0) > 0;
  }

  began(stream: ServerHttp2Stream, peer: string): void {
    let traffic = this.#traffic.get(peer);
    if (traffic === undefined) {
      traffic = { streams: new Map(), resets: 0, atOnce: 0, lastMs: 0 };
      this.#traffic.set(peer, traffic);
    }
    traffic.streams.set(stream, this.#turn);
    if (this.#isTurnCounted) return;
    this.#isTurnCounted = true;
    this.#nextTurn(() => {
      this.#isTurnCounted = false;
      this.#turn += 1;
    });
  }

  /** True if its connection must end: it only takes our time, or Node will read it no more. */
  ended(stream: ServerHttp2Stream, peer: string): boolean {
    const traffic = this.#traffic.get(peer);
    if (traffic === undefined) return false;
    const turn = traffic.streams.get(stream);
    traffic.streams.delete(stream);
    if (!isReset(stream)) return false;
    const nowMs = this.#nowMs();
    const forgotten = ((nowMs - traffic.lastMs) / 1_000) * FORGOTTEN_A_SECOND;
    traffic.lastMs = nowMs;
    traffic.resets = Math.max(0, traffic.resets - forgotten) + 1;
    traffic.atOnce = Math.max(0, traffic.atOnce - forgotten) + (turn === this.#turn ? 1 : 0);
    return traffic.resets >= MOST || traffic.atOnce >= MOST_AT_ONCE;
  }

  /** The connection is gone. */
  gone(peer: string): void {
    this.#traffic.delete(peer);
  }
}

/** A peer may say NO_ERROR and still hang up on what was not answered. */
function isReset({ rstCode, writableEnded }: ServerHttp2Stream): boolean {
  return rstCode !== constants.NGHTTP2_NO_ERROR || !writableEnded;
}
