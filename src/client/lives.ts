import type { Channel } from "./channel.ts";
import { Kept } from "./kept.ts";
import { type Live, liveHandle } from "./live.ts";
import { requestOf } from "./twin.ts";
import type { Acquired, AcquireOptions, Clock, WatchOptions } from "./types.ts";
import type { Calls } from "./use.ts";

/** A lease that is given back keeps its giver no longer than this. */
const RELEASE_WITHIN_MS = 1_000;

interface Shared {
  readonly kept: Kept;
  handles: number;
}

/** All live handles of a client. Those that ask for the same share one watch, and what it told. */
export class Lives {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #calls: Calls;
  readonly #shared = new Map<string, Shared>();
  /** Leases that are on their way back. */
  readonly #releases = new Set<Promise<void>>();

  constructor(channel: Channel, clock: Clock, calls: Calls) {
    this.#channel = channel;
    this.#clock = clock;
    this.#calls = calls;
  }

  open(options: WatchOptions): Live & Promise<Live> {
    const key = keyOf(options);
    const known = key === undefined ? undefined : this.#shared.get(key);
    const shared = known ?? this.#begin(options, key);
    shared.handles += 1;
    return liveHandle({
      kept: shared.kept,
      model: options.model,
      report: (report, call) => this.#calls.report(report, call),
      leave: () => this.#leave(shared, key),
    });
  }

  /** What an open handle would give for these options now. A trial is for one request at a time: never that. */
  held({ maxWait: _, suspectGeneration, ...options }: AcquireOptions): Acquired | undefined {
    if (this.#shared.size === 0 || suspectGeneration !== undefined) return undefined;
    const key = keyOf(options);
    const kept = key === undefined ? undefined : this.#shared.get(key)?.kept;
    try {
      const acquired = kept?.current();
      return acquired?.lease.trial ? undefined : acquired;
    } catch {
      return undefined;
    }
  }

  /** Ends every watch; resolves when the leases are given back, if the broker is there. */
  async close(): Promise<void> {
    for (const [key, shared] of this.#shared) void this.#end(shared, key);
    await Promise.all(this.#releases);
  }

  #begin(options: WatchOptions, key: string | undefined): Shared {
    const forget = () => {
      if (key !== undefined) this.#shared.delete(key);
    };
    const shared: Shared = { kept: new Kept(this.#channel, this.#clock, options, forget), handles: 0 };
    if (key !== undefined) this.#shared.set(key, shared);
    return shared;
  }

  async #leave(shared: Shared, key: string | undefined): Promise<void> {
    shared.handles -= 1;
    if (shared.handles === 0) await this.#end(shared, key);
  }

  async #end({ kept }: Shared, key: string | undefined): Promise<void> {
    if (key !== undefined && this.#shared.get(key)?.kept === kept) this.#shared.delete(key);
    const { lease, state } = kept;
    kept.close();
    if (lease === undefined || state !== "connected") return;
    const release = this.#calls.release(lease, { timeoutMs: RELEASE_WITHIN_MS }).catch(() => {});
    this.#releases.add(release);
    await release;
    this.#releases.delete(release);
  }
}

/** Equal for equal requests. Undefined: these options cannot be sent, and the watch will say why. */
function keyOf(options: WatchOptions): string | undefined {
  try {
    const request = requestOf("WatchCredentialRequest", options);
    return JSON.stringify(Object.entries(request).sort(([a], [b]) => (a < b ? -1 : 1)));
  } catch {
    return undefined;
  }
}
