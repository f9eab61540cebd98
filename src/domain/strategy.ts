import type { Ranked } from "./candidate.ts";
import type { EligibleReason } from "./failure.ts";
import { isCorrupt, type Strategy } from "./pool.ts";
import type { Now } from "./time.ts";

/** In-memory facts that some strategies look at. */
export interface Turns {
  /** Place in the order of the profile handed out last for this provider; 0: none yet. */
  readonly lastPlace: number;
  /** Live sessions and watches of a profile. */
  readonly load: (profileId: string) => number;
}

/** Picks one of several equally usable profiles, given in the order of preference (never empty). */
export function preferred(
  strategy: Strategy,
  tier: readonly Ranked[],
  turns: Turns,
  now: Now,
): { readonly pick: Ranked; readonly reason: EligibleReason } {
  const first = tier[0];
  if (first === undefined) throw new RangeError("a strategy needs at least one profile to pick from");
  switch (strategy) {
    case "ordered":
      return { pick: first, reason: "ORDER" };
    case "round_robin":
      return { pick: tier.find((r) => r.seat.place > turns.lastPlace) ?? first, reason: "ROUND_ROBIN" };
    case "least_loaded":
      return { pick: lowest(tier, (r) => turns.load(r.seat.profile.id), first), reason: "LEAST_LOADED" };
    case "earliest_reset":
      return { pick: lowest(tier, (r) => soonestReset(r, now), first), reason: "EARLIEST_RESET" };
  }
}

function lowest(tier: readonly Ranked[], cost: (r: Ranked) => number, first: Ranked): Ranked {
  let best = first;
  for (const r of tier) if (cost(r) < cost(best)) best = r;
  return best;
}

/** When the window that ends next is reset: what is left of it would be lost then. Unknown comes last. */
function soonestReset(ranked: Ranked, now: Now): number {
  const { profile } = ranked.seat;
  if (isCorrupt(profile)) return Number.POSITIVE_INFINITY;
  let soonest = Number.POSITIVE_INFINITY;
  for (const w of profile.usageWindows) {
    if (w.resetAtMs !== undefined && w.resetAtMs > now.wallMs) soonest = Math.min(soonest, w.resetAtMs);
  }
  return soonest;
}
