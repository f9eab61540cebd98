import { type Deadline, type Now, reached, remainingMs, wallOf } from "../domain/time.ts";

/** Somebody's place in a lane; `leave` must be called once. */
export interface Place {
  readonly leave: () => void;
}

interface Queued {
  readonly isUrgent: () => boolean;
  readonly enter: () => void;
}

interface Lane {
  taken: number;
  readonly queue: Queued[];
}

/**
 * At most so many refreshes of one OAuth client at a time, and a memory of when its token endpoint
 * wants to be asked again. Refreshes that a caller waits for go first.
 */
export class Lanes {
  readonly #width: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #heldUntil = new Map<string, Deadline>();

  constructor(width: number) {
    this.#width = width;
  }

  /** Waits for a place in the lane of this client. `isUrgent` is asked whenever a place becomes free. */
  enter(client: string, isUrgent: () => boolean): Promise<Place> {
    const lane = this.#lanes.get(client) ?? { taken: 0, queue: [] };
    this.#lanes.set(client, lane);
    return new Promise((resolve) => {
      const enter = () => {
        lane.taken += 1;
        resolve({ leave: () => this.#leave(client, lane) });
      };
      if (lane.taken < this.#width) enter();
      else lane.queue.push({ isUrgent, enter });
    });
  }

  /** The endpoint asked for silence until then; a longer one that it asked for before holds on. */
  hold(client: string, until: Deadline, now: Now): void {
    const before = this.#heldUntil.get(client);
    const isLonger = before === undefined || remainingMs(until, now) > remainingMs(before, now);
    if (isLonger) this.#heldUntil.set(client, until);
  }

  /** Wall-clock end of the silence that the endpoint asked for, or undefined. */
  heldUntilMs(client: string, now: Now): number | undefined {
    const until = this.#heldUntil.get(client);
    return until === undefined || reached(until, now) ? undefined : wallOf(until, now);
  }

  #leave(client: string, lane: Lane): void {
    lane.taken -= 1;
    const urgent = lane.queue.findIndex((q) => q.isUrgent());
    const [next] = lane.queue.splice(Math.max(0, urgent), 1);
    if (next !== undefined) next.enter();
    else if (lane.taken === 0) this.#lanes.delete(client);
  }
}
