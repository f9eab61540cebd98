import type { Ranked } from "./candidate.ts";
import type { EligibleReason } from "./failure.ts";
import { isCorrupt, type Strategy } from "./pool.ts";
import type { Now } from "./time.ts";
import { soonestReset } from "./usage.ts";

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
      return { pick: lowest(tier, (r) => resetOf(r, now), first), reason: "EARLIEST_RESET" };
  }
}

function lowest(tier: readonly Ranked[], cost: (r: Ranked) => number, first: Ranked): Ranked {
  let best = first;
  for (const r of tier) if (cost(r) < cost(best)) best = r;
  return best;
}

/** When what is left would be lost; a profile of which that is not known, or that has nothing left, comes last. */
function resetOf({ seat }: Ranked, now: Now): number {
  const atMs = isCorrupt(seat.profile) ? undefined : soonestReset(seat.profile.usageWindows, now);
  return atMs ?? Number.POSITIVE_INFINITY;
}
