import { type StartTimer, startTimer } from "./timer.ts";

/** Calls that one process may begin in a turn of the event loop, and all together. */
const EACH = 8;
const ALL = 32;

/** Calls are counted in windows of so many milliseconds. */
const WINDOW_MS = 100;
/**
 * Who asked more than so often in the last window and this one, and had so many wait at a time, has calls without end, or
 * a burst that can wait. A harness with a call or a few for each of its agents has no such line.
 */
const BUSY_CALLS = 100;
const BUSY_LINE = 32;
/** What such a one may begin at a time while others ask as well, and the milliseconds in between. */
const BUSY_EACH = 4;
const PACE_MS = 1;

/** Who takes turns: a process, or a connection where the system does not tell its process. */
export type Party = string | number;

interface Line {
  /** Calls that wait, oldest first. */
  readonly calls: Set<() => void>;
  /** Begun in this turn. */
  begun: number;
  /** The last window in which something came. */
  askedIn: number;
  /** The window that these counts are of: what came in it and in the one before. */
  window: number;
  recent: number;
  before: number;
  /** How many waited at a time, at most, in these two windows. */
  longest: number;
  longestBefore: number;
}

/** What time is to `FairTurns`. */
export interface TurnsClock {
  readonly nowMs: () => number;
  /** Runs it in the next turn of the event loop, after what has arrived until then was read. */
  readonly nextTurn: (run: () => void) => void;
  readonly startTimer: StartTimer;
}

const REAL: TurnsClock = { nowMs: () => performance.now(), nextTurn: setImmediate, startTimer };

/**
 * Lets callers take turns. All requests that arrive in one read would otherwise be answered in one go, so that whoever
 * has hundreds under way makes others wait for hundreds. Here calls above one's share wait for the next turn, and whoever
 * goes on like that while others ask as well leaves the processor to them in between. Nothing is refused or put out of
 * its order; who is alone loses nothing but a look for others now and then.
 */
export class FairTurns {
  readonly #clock: TurnsClock;
  /** Who has calls waiting, or asked in this window or the last one. */
  readonly #lines = new Map<Party, Line>();
  /** The window that it is, and how many have asked in it and in the one before. */
  #window = 0;
  #asking = 0;
  #askingBefore = 0;
  /** Those with waiting calls, next one first: for the next turn, and for when the busy ones may go on. */
  readonly #ready = new Set<Line>();
  readonly #busy = new Set<Line>();
  /** Who has begun something in this turn. */
  #begun: Line[] = [];
  #begunByAll = 0;
  #isTurnComing = false;
  #isPaceComing = false;

  constructor(clock: TurnsClock = REAL) {
    this.#clock = clock;
  }

  /**
   * Begins a call now, or in a later turn: then gives what takes it out of the line, for a call that is over before it
   * was begun. Whoever opens calls and lets them end would otherwise fill the line with dead ones.
   */
  take(party: Party, begin: () => void): (() => void) | undefined {
    const line = this.#lineOf(party);
    line.recent += 1;
    const isNext = line.calls.size === 0;
    if (isNext && line.begun < EACH && this.#begunByAll < ALL && !this.#isBusy(line)) {
      if (line.begun === 0) this.#begun.push(line);
      line.begun += 1;
      this.#begunByAll += 1;
      this.#arrange();
      begin();
      return undefined;
    }
    line.calls.add(begin);
    line.longest = Math.max(line.longest, line.calls.size);
    if (isNext) this.#wait(line);
    this.#arrange();
    return () => void line.calls.delete(begin);
  }

  #lineOf(party: Party): Line {
    this.#look();
    let line = this.#lines.get(party);
    if (line === undefined) {
      line = newLine();
      this.#lines.set(party, line);
    }
    if (line.askedIn !== this.#window) this.#asking += 1;
    line.askedIn = this.#window;
    this.#age(line);
    return line;
  }

  /** Begins a new window when it is time, and forgets who is silent. */
  #look(): void {
    const window = Math.floor(this.#clock.nowMs() / WINDOW_MS);
    if (window === this.#window) return;
    this.#askingBefore = window === this.#window + 1 ? this.#asking : 0;
    this.#asking = 0;
    this.#window = window;
    for (const [party, { calls, askedIn }] of this.#lines) {
      if (calls.size === 0 && askedIn < window - 1) this.#lines.delete(party);
    }
  }

  #age(line: Line): void {
    if (line.window === this.#window) return;
    const isNext = line.window === this.#window - 1;
    line.before = isNext ? line.recent : 0;
    line.longestBefore = isNext ? line.longest : 0;
    line.recent = 0;
    line.longest = line.calls.size;
    line.window = this.#window;
  }

  #isBusy(line: Line): boolean {
    if (line.recent + line.before <= BUSY_CALLS) return false;
    if (Math.max(line.longest, line.longestBefore) < BUSY_LINE) return false;
    return this.#asking > 1 || this.#askingBefore > 1;
  }

  #wait(line: Line): void {
    this.#age(line);
    (this.#isBusy(line) ? this.#busy : this.#ready).add(line);
  }

  #arrange(): void {
    if (!this.#isTurnComing && (this.#begunByAll > 0 || this.#ready.size > 0)) {
      this.#isTurnComing = true;
      this.#clock.nextTurn(() => this.#turn());
    }
    if (!this.#isPaceComing && this.#busy.size > 0) {
      this.#isPaceComing = true;
      this.#clock.startTimer(PACE_MS, () => this.#pace());
    }
  }

  #turn(): void {
    this.#isTurnComing = false;
    this.#look();
    for (const line of this.#begun) line.begun = 0;
    this.#begun = [];
    this.#begunByAll = 0;
    this.#serve(this.#ready, EACH);
  }

  #pace(): void {
    this.#isPaceComing = false;
    this.#look();
    this.#serve(this.#busy, BUSY_EACH);
  }

  /** Begins some calls of each; who has more waits behind the others. */
  #serve(lines: Set<Line>, each: number): void {
    const now: (() => void)[] = [];
    for (const line of [...lines]) {
      if (now.length >= ALL) break;
      lines.delete(line);
      if (line.calls.size === 0) continue;
      let count = 0;
      for (const call of line.calls) {
        if (count >= each || now.length >= ALL) break;
        line.calls.delete(call);
        now.push(call);
        count += 1;
      }
      if (line.begun === 0) this.#begun.push(line);
      line.begun += count;
      if (line.calls.size > 0) this.#wait(line);
    }
    this.#begunByAll += now.length;
    this.#arrange();
    for (const begin of now) begin();
  }
}

function newLine(): Line {
  return {
    calls: new Set(),
    begun: 0,
    askedIn: -1,
    window: -1,
    recent: 0,
    before: 0,
    longest: 0,
    longestBefore: 0,
  };
}
