import { constants, type ServerHttp2Stream } from "node:http2";

/** Calls that are over in the turn of the event loop that brought them: nobody can have waited for one. */
const MOST_AT_ONCE = 200;
/**
 * At a thousand resets, and 33 more a second, Node (nghttp2) says GOAWAY, reads the connection no more, and so does not
 * see its end: its descriptor would stay (measured with 20).
 */
const MOST = 1_000;
const FORGOTTEN_A_SECOND = 33;

/**
 * Why a connection must end. `flood`: it only takes our time. `deaf`: Node will read it no more, though it may be an
 * honest one whose many calls were given up together.
 */
export type Verdict = "flood" | "deaf";

interface Traffic {
  /** Open streams with the turn that brought them. */
  readonly streams: Map<ServerHttp2Stream, number>;
  /** Resets that are not forgotten yet, and those of them that came at once. */
  resets: number;
  atOnce: number;
  lastMs: number;
  /** It was said that the connection must end; what is left of its read says nothing new. */
  isOver: boolean;
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
      traffic = { streams: new Map(), resets: 0, atOnce: 0, lastMs: 0, isOver: false };
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

  /** A call is over. Says, once for each connection, that it must end. */
  ended(stream: ServerHttp2Stream, peer: string): Verdict | undefined {
    const traffic = this.#traffic.get(peer);
    if (traffic === undefined) return undefined;
    const turn = traffic.streams.get(stream);
    traffic.streams.delete(stream);
    if (traffic.isOver || !isReset(stream)) return undefined;
    const nowMs = this.#nowMs();
    const forgotten = ((nowMs - traffic.lastMs) / 1_000) * FORGOTTEN_A_SECOND;
    traffic.lastMs = nowMs;
    traffic.resets = Math.max(0, traffic.resets - forgotten) + 1;
    traffic.atOnce = Math.max(0, traffic.atOnce - forgotten) + (turn === this.#turn ? 1 : 0);
    const verdict = verdictOn(traffic);
    traffic.isOver = verdict !== undefined;
    return verdict;
  }

  /** The connection is gone. */
  gone(peer: string): void {
    this.#traffic.delete(peer);
  }
}

function verdictOn({ resets, atOnce }: Traffic): Verdict | undefined {
  if (atOnce >= MOST_AT_ONCE) return "flood";
  return resets >= MOST ? "deaf" : undefined;
}

/** A peer may say NO_ERROR and still hang up on what was not answered. */
function isReset({ rstCode, writableEnded }: ServerHttp2Stream): boolean {
  return rstCode !== constants.NGHTTP2_NO_ERROR || !writableEnded;
}
