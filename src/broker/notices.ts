import { gathered, type Notice, noticesOf } from "../domain/notice.ts";
import { isCorrupt } from "../domain/pool.ts";
import { after, type Now } from "../domain/time.ts";
import type { Context } from "./context.ts";
import { isIdle, stateOfSeat, summarize } from "./status.ts";

/** What lasts shorter than this is not told. */
const SETTLE_MS = 2_000;
/** What ended and begins anew is told again after this time at the earliest. */
const REPEAT_MS = 3_600_000;

type Found = ReadonlyMap<string, Notice>;

/**
 * Tells an operator what begins: each thing once while it lasts, whatever happens in between. What
 * stood already when the broker started is not told.
 */
export class Notices {
  readonly #ctx: Context;
  readonly #tell: (notice: Notice) => void;
  #standing: Found = new Map();
  readonly #toldMonoMs = new Map<string, number>();
  #isPlanned = false;

  constructor(ctx: Context, tell: (notice: Notice) => void) {
    this.#ctx = ctx;
    this.#tell = tell;
  }

  /** Takes what is there as known, and listens from then on. */
  start(): void {
    this.#standing = this.#look(this.#ctx.clock.now());
    this.#ctx.latest.on("", () => this.#plan());
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    const { alarm, clock } = this.#ctx;
    alarm.at(after(clock.now(), SETTLE_MS), () => {
      this.#isPlanned = false;
      this.#compare();
    });
  }

  #compare(): void {
    // Nothing is known while all is locked; the unlock is news again.
    if (this.#ctx.ledger.lockFailure !== undefined) return;
    const now = this.#ctx.clock.now();
    const found = this.#look(now);
    const begun = [...found].filter(([key]) => !this.#standing.has(key) && !this.#wasToldLately(key, now));
    this.#standing = found;
    for (const [key] of begun) this.#toldMonoMs.set(key, now.monoMs);
    for (const notice of gathered(begun.map(([, notice]) => notice))) {
      const { kind, provider, profile, message } = notice;
      this.#ctx.log.warn({ notice: kind, provider, profile }, message);
      this.#tell(notice);
    }
  }

  #wasToldLately(key: string, now: Now): boolean {
    for (const [told, monoMs] of this.#toldMonoMs) {
      if (now.monoMs - monoMs < REPEAT_MS) break;
      this.#toldMonoMs.delete(told);
    }
    return this.#toldMonoMs.has(key);
  }

  #look(now: Now): Found {
    const ctx = this.#ctx;
    return new Map(
      ctx.ledger.owners().flatMap((provider) => {
        const standings = ctx.ledger.pool(provider).seats.flatMap((seat) => {
          const { profile } = seat;
          if (isCorrupt(profile)) return [];
          return [{ profile, state: stateOfSeat(ctx, seat, profile, now), counts: !isIdle(ctx, seat) }];
        });
        const { nextUsableAtMs } = summarize(ctx, provider, () => true);
        return [...noticesOf(provider, standings, nextUsableAtMs, now)];
      }),
    );
  }
}
