import type { Clock } from "../../src/broker/clock.ts";
import type { Now } from "../../src/domain/time.ts";

/** `setTimeout` fires at once beyond this; a program that asks for more has a bug. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

interface Timer {
  readonly dueMonoMs: number;
  readonly fire: () => void;
}

interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
}

/**
 * A clock that stands still until a test moves it. Timers run on its monotonic side, as those of the
 * operating system do. A test that must know when the code has begun to wait asks `waitUntilTimers`
 * or `nextTimer` instead of sleeping.
 */
export class ManualClock implements Clock {
  #wallMs: number;
  #monoMs = 0;
  readonly #timers = new Set<Timer>();
  #waiters: Waiter[] = [];
  #armings: ((delayMs: number) => void)[] = [];

  /** `wallMs`: where the wall clock begins, milliseconds since the Unix epoch. */
  constructor(start: { readonly wallMs: number }) {
    this.#wallMs = start.wallMs;
  }

  now(): Now {
    return { wallMs: this.#wallMs, monoMs: this.#monoMs };
  }

  /** Calls `fire` once, `delayMs` from now. Gives the function that takes it back. */
  timer(delayMs: number, fire: () => void): () => void {
    if (!(delayMs <= LONGEST_DELAY_MS)) throw new RangeError(`timer of ${delayMs} ms`);
    const timer = { dueMonoMs: this.#monoMs + Math.max(0, delayMs), fire };
    this.#timers.add(timer);
    this.#announce(Math.max(0, delayMs));
    return () => void this.#timers.delete(timer);
  }

  /** Milliseconds until each armed timer is due, the next one first. */
  timers(): number[] {
    return [...this.#timers].map((timer) => timer.dueMonoMs - this.#monoMs).sort((a, b) => a - b);
  }

  /** Resolves as soon as at least `count` timers are armed; at once if they are. */
  async waitUntilTimers(count: number): Promise<void> {
    if (this.#timers.size >= count) return;
    await new Promise<void>((resolve) => this.#waiters.push({ count, resolve }));
  }

  /** Resolves with the delay of the next timer that is armed after this call. */
  nextTimer(): Promise<number> {
    return new Promise((resolve) => this.#armings.push(resolve));
  }

  /**
   * Moves both clocks. Timers fire in the order of their moments, each at its own moment, those
   * included that are armed on the way. What they set off gets time to settle in between: pending
   * promises and file operations, but not answers over sockets.
   */
  async advance(ms: number): Promise<void> {
    const endMonoMs = this.#monoMs + ms;
    for (let next = this.#nextDue(endMonoMs); next !== undefined; next = this.#nextDue(endMonoMs)) {
      this.#move(next.dueMonoMs - this.#monoMs);
      this.#timers.delete(next);
      next.fire();
      await settled();
    }
    this.#move(endMonoMs - this.#monoMs);
    await settled();
  }

  /** Someone sets the wall clock: it jumps (back if negative), nothing else moves, nothing fires. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** The machine sleeps and wakes: the wall clock went on, monotonic time and timers stood still. */
  sleepHost(ms: number): void {
    this.#wallMs += ms;
  }

  #move(ms: number): void {
    this.#wallMs += ms;
    this.#monoMs += ms;
  }

  #nextDue(endMonoMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMonoMs <= endMonoMs && (next === undefined || timer.dueMonoMs < next.dueMonoMs)) {
        next = timer;
      }
    }
    return next;
  }

  #announce(delayMs: number): void {
    const ready = this.#waiters.filter((waiter) => this.#timers.size >= waiter.count);
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) waiter.resolve();
    const armings = this.#armings;
    this.#armings = [];
    for (const resolve of armings) resolve(delayMs);
  }
}

/** How many turns of the event loop must pass without a file operation in flight. */
const QUIET_TURNS = 5;

/** Resolves when promises have run out of things to do and no file operation is in flight. */
export async function settled(): Promise<void> {
  for (let quiet = 0; quiet < QUIET_TURNS; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const busy = process.getActiveResourcesInfo().some((name) => /^(FSReq|CloseReq)/.test(name));
    quiet = busy ? 0 : quiet + 1;
  }
}
