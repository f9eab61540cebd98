import { constants, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Party } from "./fair-turns.ts";
import { partyOf } from "./peer.ts";
import type { ResetFloods } from "./reset-floods.ts";
import type { StartTimer } from "./timer.ts";

/** What answers that nobody reads may cost. */
export interface UnreadLimits {
  /** Time in milliseconds within which a whole answer must be taken. */
  readonly afterMs: number;
  /** Bytes of all whole answers that wait; above it the connection with the oldest goes at once. */
  readonly bytes: number;
}

/** Memory of a stream besides its answer, in bytes; a guess on the high side. */
const STREAM_BYTES = 12 * 1024;
/** For so long after a flood of resets its process is not listened to when it comes again. */
const HELD_MS = 3_000;
/** Time for a reset to be sent; where it is not, the peer does not read its connection at all. */
const RESET_MS = 1_000;

interface Answer {
  readonly peer: string;
  readonly bytes: number;
  cancel: () => void;
}

/**
 * The streams of all connections of a server: which connection has one open, and which answers are whole but
 * still here because the peer gives them no room (HTTP/2 flow control). grpc-js would keep those for as long
 * as the connection lives. Streams whose answer is not whole, such as watches, may take their time: they hold
 * one message at most.
 */
export class OpenStreams {
  readonly #limits: UnreadLimits;
  readonly #startTimer: StartTimer;
  readonly #sockets = new Map<string, Socket>();
  readonly #nowMs: () => number;
  /** Parties whose new connections are not listened to, and until when. */
  readonly #held = new Map<Party, number>();
  readonly #floods: ResetFloods;
  /** Oldest first. */
  readonly #unread = new Map<ServerHttp2Stream, Answer>();
  #unreadBytes = 0;

  constructor(
    limits: UnreadLimits,
    startTimer: StartTimer,
    floods: ResetFloods,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#nowMs = nowMs;
    this.#floods = floods;
    this.#limits = limits;
    this.#startTimer = startTimer;
  }

  /**
   * A connection has begun; `peer` is what `getPeer()` will call it. Calls `serve` now, or, if its process has just
   * flooded us, when the time for that is over: a good client may live in it, so it is not kept out, and another flood
   * meanwhile does not make it wait longer.
   */
  connected(peer: string, socket: Socket, serve: () => void): void {
    this.#sockets.set(peer, socket);
    socket.once("close", () => {
      this.#sockets.delete(peer);
      this.#floods.gone(peer);
    });
    const heldMs = (this.#held.get(partyOf(peer)) ?? 0) - this.#nowMs();
    if (heldMs > 0) socket.once("close", this.#startTimer(heldMs, serve));
    else serve();
  }

  /** Whether the connection that `getPeer()` names so has a call that is not over. */
  has(peer: string): boolean {
    return this.#floods.has(peer);
  }

  /** A call has begun. */
  opened(stream: ServerHttp2Stream, peer: string): void {
    this.#floods.began(stream, peer);
    stream.once("close", () => {
      this.#taken(stream);
      const verdict = this.#floods.ended(stream, peer);
      if (verdict === "flood") this.#hold(partyOf(peer));
      if (verdict !== undefined) this.#hangUp(peer);
    });
  }

  /** The last of a call's answer has been given to its stream. */
  answered(stream: ServerHttp2Stream, peer: string): void {
    if (stream.closed || stream.destroyed || this.#unread.has(stream)) return;
    const bytes = STREAM_BYTES + stream.writableLength;
    const cancel = this.#startTimer(this.#limits.afterMs, () => this.#reset(stream));
    this.#unread.set(stream, { peer, bytes, cancel });
    this.#unreadBytes += bytes;
    for (const oldest of this.#unread.values()) {
      if (this.#unreadBytes <= this.#limits.bytes) return;
      this.#hangUp(oldest.peer);
    }
  }

  #taken(stream: ServerHttp2Stream): void {
    const answer = this.#unread.get(stream);
    if (answer === undefined) return;
    answer.cancel();
    this.#unread.delete(stream);
    this.#unreadBytes -= answer.bytes;
  }

  #reset(stream: ServerHttp2Stream): void {
    stream.close(constants.NGHTTP2_CANCEL);
    const answer = this.#unread.get(stream);
    if (answer === undefined) return;
    answer.cancel = this.#startTimer(RESET_MS, () => this.#hangUp(answer.peer));
  }

  #hold(party: Party): void {
    const untilMs = this.#nowMs() + HELD_MS;
    this.#held.set(party, untilMs);
    this.#startTimer(HELD_MS, () => {
      // A later flood has a timer of its own.
      if (this.#held.get(party) === untilMs) this.#held.delete(party);
    });
  }

  /**
   * Not by the session: it would wait for what it has written (seen with Node 20). And not in the midst of a read: if
   * its session goes while frames of it are still to be looked at, Node aborts the whole process (seen with Node 20).
   */
  #hangUp(peer: string): void {
    for (const [stream, answer] of this.#unread) if (answer.peer === peer) this.#taken(stream);
    const socket = this.#sockets.get(peer);
    setImmediate(() => socket?.destroy());
  }
}
