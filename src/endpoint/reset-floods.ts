import type { ServerHttp2Stream } from "node:http2";

/** What is reset sooner than this after it began was not waited for. */
const RAPID_MS = 1_000;
/**
 * More of that within ten seconds than honest clients have reasons for. Node stops reading a connection at a thousand,
 * and its descriptor stays (measured with 20).
 */
const MOST_RESETS = 800;
const RESETS_WITHIN_MS = 10_000;

interface Traffic {
  /** Open streams with the moment at which they began. */
  readonly streams: Map<ServerHttp2Stream, number>;
  resets: number;
  resetsSinceMs: number;
}

/** The open streams of all connections, and which peers only begin and reset them. */
export class ResetFloods {
  readonly #nowMs: () => number;
  readonly #traffic = new Map<string, Traffic>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Whether the connection has a call that is not over. */
  has(peer: string): boolean {
    return (this.#traffic.get(peer)?.streams.size ?? 0) > 0;
  }

  began(stream: ServerHttp2Stream, peer: string): void {
    let traffic = this.#traffic.get(peer);
    if (traffic === undefined) {
      traffic = { streams: new Map(), resets: 0, resetsSinceMs: 0 };
      this.#traffic.set(peer, traffic);
    }
    traffic.streams.set(stream, this.#nowMs());
  }

  /** True if its connection must end: its peer resets what it has just begun, again and again. */
  ended(stream: ServerHttp2Stream, peer: string, isReset: boolean): boolean {
    const traffic = this.#traffic.get(peer);
    if (traffic === undefined) return false;
    const nowMs = this.#nowMs();
    const isRapid = isReset && nowMs - (traffic.streams.get(stream) ?? 0) < RAPID_MS;
    traffic.streams.delete(stream);
    if (!isRapid) return false;
    if (nowMs - traffic.resetsSinceMs > RESETS_WITHIN_MS) {
      traffic.resets = 0;
      traffic.resetsSinceMs = nowMs;
    }
    traffic.resets += 1;
    return traffic.resets === MOST_RESETS;
  }

  /** The connection is gone. */
  gone(peer: string): void {
    this.#traffic.delete(peer);
  }
}
