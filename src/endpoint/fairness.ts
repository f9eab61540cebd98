import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { connectionOf, type Identity } from "./peer.ts";

/** Calls are counted in windows of so many milliseconds. */
const WINDOW_MS = 100;
/** More calls in a window than this are a flood, if others ask as well. */
const BUSY_CALLS = 100;
/** What a flooding connection may have under way at a time, besides what has been open for longer, such as watches. */
const BUSY_STREAMS = 16;
/** More resets within ten seconds than honest clients have reasons for. Node stops reading at a thousand, and the descriptor stays (measured). */
const MOST_RESETS = 800;
const RESETS_WITHIN_MS = 10_000;
/** For so long a process that did that is not let in again; doubled each time. */
const HELD_MS = 1_000;
const LONGEST_HELD_MS = 60_000;

interface Traffic {
  session: ServerHttp2Session | undefined;
  /** Open streams with the moment at which they began, oldest first. */
  readonly streams: Map<ServerHttp2Stream, number>;
  calls: number;
  resets: number;
  resetsSinceMs: number;
  isSlowed: boolean;
}

/**
 * Keeps one connection from taking all the time: a batch of requests is answered in one go, so that whoever has hundreds
 * under way makes all others wait for hundreds. While others ask too, such a connection may have few at a time; its
 * client holds the rest back (HTTP/2, SETTINGS_MAX_CONCURRENT_STREAMS), and nothing is refused.
 */
export class Fairness {
  readonly #usualStreams: number;
  readonly #nowMs: () => number;
  readonly #traffic = new Map<string, Traffic>();
  readonly #held = new Map<string, { untilMs: number; forMs: number }>();
  #active = new Set<string>();
  #activeBefore = new Set<string>();
  #windowEndMs = 0;

  constructor(usualStreams: number, nowMs: () => number = () => performance.now()) {
    this.#usualStreams = usualStreams;
    this.#nowMs = nowMs;
  }

  /** Whether the connection has a call that is not over. */
  has(peer: string): boolean {
    return (this.#traffic.get(peer)?.streams.size ?? 0) > 0;
  }

  /** Whether this process is to stay out for a while. */
  refuses(identity: Identity): boolean {
    if (this.#held.size === 0) return false;
    const held = this.#held.get(processOf(identity));
    return held !== undefined && held.untilMs > this.#nowMs();
  }

  began(stream: ServerHttp2Stream, peer: string): void {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#windowEndMs) this.#turn(nowMs);
    const traffic = this.#of(peer);
    traffic.session = stream.session as ServerHttp2Session | undefined;
    traffic.streams.set(stream, nowMs);
    traffic.calls += 1;
    this.#active.add(peer);
    if (traffic.calls === BUSY_CALLS && this.#hasOthers(peer)) this.#slow(traffic, nowMs);
  }

  /** True if its connection must end: its peer resets what it has just begun, again and again. */
  ended(stream: ServerHttp2Stream, peer: string, isReset: boolean): boolean {
    const traffic = this.#traffic.get(peer);
    if (traffic === undefined) return false;
    const nowMs = this.#nowMs();
    const isRapid = isReset && nowMs - (traffic.streams.get(stream) ?? 0) < WINDOW_MS;
    traffic.streams.delete(stream);
    if (!isRapid) return false;
    if (nowMs - traffic.resetsSinceMs > RESETS_WITHIN_MS) {
      traffic.resets = 0;
      traffic.resetsSinceMs = nowMs;
    }
    traffic.resets += 1;
    if (traffic.resets !== MOST_RESETS) return false;
    this.#hold(peer, nowMs);
    return true;
  }

  /** The connection is gone. */
  gone(peer: string): void {
    this.#traffic.delete(peer);
  }

  #of(peer: string): Traffic {
    let traffic = this.#traffic.get(peer);
    if (traffic === undefined) {
      const none = { calls: 0, resets: 0, resetsSinceMs: 0, isSlowed: false };
      traffic = { session: undefined, streams: new Map(), ...none };
      this.#traffic.set(peer, traffic);
    }
    return traffic;
  }

  #hasOthers(peer: string): boolean {
    const both = new Set([...this.#active, ...this.#activeBefore]);
    both.delete(peer);
    return both.size > 0;
  }

  /** A new window: whoever has become calm, or is alone now, may have its usual streams again. */
  #turn(nowMs: number): void {
    for (const peer of this.#active) {
      const traffic = this.#traffic.get(peer);
      if (traffic === undefined) continue;
      const isBusy = traffic.calls >= BUSY_CALLS / 2 && this.#hasOthers(peer);
      if (traffic.isSlowed && isBusy) this.#slow(traffic, nowMs);
      else if (traffic.isSlowed) this.#limit(traffic, this.#usualStreams);
      if (!isBusy) traffic.isSlowed = false;
      traffic.calls = 0;
    }
    this.#activeBefore = this.#active;
    this.#active = new Set();
    this.#windowEndMs = nowMs + WINDOW_MS;
  }

  #slow(traffic: Traffic, nowMs: number): void {
    let lasting = 0;
    for (const beganMs of traffic.streams.values()) {
      if (nowMs - beganMs < WINDOW_MS) break;
      lasting += 1;
    }
    traffic.isSlowed = true;
    this.#limit(traffic, Math.min(this.#usualStreams, lasting + BUSY_STREAMS));
  }

  #limit({ session }: Traffic, maxConcurrentStreams: number): void {
    if (session === undefined || session.closed || session.destroyed) return;
    if (session.localSettings.maxConcurrentStreams === maxConcurrentStreams || session.pendingSettingsAck)
      return;
    session.settings({ maxConcurrentStreams });
  }

  #hold(peer: string, nowMs: number): void {
    const key = processOf(connectionOf(peer) ?? {});
    if (key === "") return;
    for (const [other, { untilMs, forMs }] of this.#held)
      if (untilMs + forMs < nowMs) this.#held.delete(other);
    const forMs = Math.min((this.#held.get(key)?.forMs ?? HELD_MS / 2) * 2, LONGEST_HELD_MS);
    this.#held.set(key, { untilMs: nowMs + forMs, forMs });
  }
}

/** Empty if the system does not tell. */
function processOf({ pid, program }: Identity): string {
  return pid === undefined ? "" : `${pid} ${program?.start}`;
}
