import type { Broker, Clock, WatchState } from "../client/index.ts";
import { wishOf } from "./secrets.ts";

/** Where and how often OpenClaw is told. */
export interface PushOptions {
  readonly broker: Pick<Broker, "watch">;
  readonly ids: readonly string[];
  /** Tells OpenClaw to ask again. Rejects if it could not be told. */
  readonly reload: () => Promise<void>;
  /** The shortest time between two reloads, in milliseconds. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly note: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The longest pause while OpenClaw cannot be told. */
const LONGEST_MS = 10 * 60_000;

/**
 * Watches the credentials behind some ids and tells OpenClaw whenever one of them is another than before:
 * at once, but never more often than `everyMs`, however many change. A reload that failed is tried again.
 * Runs until the signal ends it; rejects with `BrokerError` if a request itself is refused.
 */
export async function push(options: PushOptions): Promise<void> {
  const { ids, broker, signal } = options;
  const reloads = new Reloads(options);
  const follow = async (id: string) => {
    let before: string | undefined;
    for await (const state of broker.watch(wishOf(id), { signal })) {
      const now = nameOf(state);
      // What OpenClaw has is better than nothing, so an outage is no reason to ask again.
      if (now === undefined || now === before) continue;
      if (before !== undefined) reloads.ask(id);
      before = now;
    }
  };
  const ended = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  await Promise.race([Promise.all(ids.map(follow)), ended]);
}

function nameOf({ granted }: WatchState): string | undefined {
  return granted && `${granted.lease.profile} ${granted.lease.generation}`;
}

/** One reload at a time, at most one in a while; whoever asks meanwhile is served by the next. */
class Reloads {
  readonly #options: PushOptions;
  readonly #waiting = new Set<string>();
  #isRunning = false;

  constructor(options: PushOptions) {
    this.#options = options;
  }

  ask(id: string): void {
    this.#waiting.add(id);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    const { reload, everyMs, clock, note, signal } = this.#options;
    this.#isRunning = true;
    for (let failures = 0; this.#waiting.size > 0 && !signal.aborted; ) {
      const ids = [...this.#waiting];
      this.#waiting.clear();
      try {
        await reload();
        failures = 0;
        note(`OpenClaw has the new ${ids.join(", ")}`);
      } catch (error) {
        failures += 1;
        note(`OpenClaw could not be told: ${(error as Error).message}`);
        for (const id of ids) this.#waiting.add(id);
      }
      const pauseMs = failures === 0 ? everyMs : Math.min(everyMs * 2 ** failures, LONGEST_MS);
      await clock.sleep(pauseMs, signal).catch(() => {});
    }
    this.#isRunning = false;
  }
}
