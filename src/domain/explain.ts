import { judge, type Ranked, type Request } from "./candidate.ts";
import type { EligibleReason, ExclusionReason } from "./failure.ts";
import type { Pool } from "./pool.ts";
import { type Scene, select } from "./selection.ts";
import type { Now } from "./time.ts";
import { reasonOf } from "./unavailability.ts";

export interface Explanation {
  readonly profile: string;
  /** 1 for what an acquire would give now, then the others that could serve; 0 for those that could not. */
  readonly rank: number;
  readonly eligible: boolean;
  readonly reason: EligibleReason | ExclusionReason;
  /** Wall-clock moment at which the reason ends by itself, if it does. */
  readonly untilMs?: number;
  readonly message: string;
}

/** Tells for every profile of the provider why it would be given or not; changes nothing. */
export function explain(
  pool: Pool,
  request: Request,
  scene: Scene,
  homeWithinMs: number,
  now: Now,
): readonly Explanation[] {
  const choice = select(pool, request, scene, homeWithinMs, now);
  const chosenId = choice.kind === "none" ? undefined : choice.profile.id;
  const reason = choice.kind === "none" ? "ORDER" : choice.reason;
  const all = pool.seats.map((seat): Ranked => ({ seat, verdict: judge(seat, pool, request, scene, now) }));
  const able = all.filter((r) => r.verdict.kind === "ready" || r.verdict.kind === "refresh");
  able.sort((a, b) => Number(b.seat.profile.id === chosenId) - Number(a.seat.profile.id === chosenId));
  const eligible = able.map((r, i): Explanation => {
    const why = r.seat.profile.id === chosenId ? reason : strategyReason(pool);
    return {
      profile: r.seat.profile.id,
      rank: i + 1,
      eligible: true,
      reason: why,
      message:
        r.verdict.kind === "refresh"
          ? `${eligibleText(why, r)}; its token is refreshed first`
          : eligibleText(why, r),
    };
  });
  const rest = all.filter((r) => !able.includes(r)).flatMap((r) => excluded(r));
  return [...eligible, ...rest];
}

function excluded(ranked: Ranked): readonly Explanation[] {
  const why = reasonOf(ranked);
  if (why === undefined) return [];
  return [{ ...why, rank: 0, eligible: false, message: EXCLUDED_TEXTS[why.reason] }];
}

function strategyReason(pool: Pool): EligibleReason {
  switch (pool.rules.strategy) {
    case "ordered":
      return "ORDER";
    case "round_robin":
      return "ROUND_ROBIN";
    case "least_loaded":
      return "LEAST_LOADED";
    case "earliest_reset":
      return "EARLIEST_RESET";
  }
}

function eligibleText(reason: EligibleReason, ranked: Ranked): string {
  const { place } = ranked.seat;
  switch (reason) {
    case "ORDER":
      return place === 1 ? "first in the order" : `number ${place} in the order`;
    case "SESSION":
      return "the session stays with its profile";
    case "PINNED":
      return "the request names this profile";
    case "ROUND_ROBIN":
      return "its turn in the round";
    case "LEAST_LOADED":
      return "fewest live sessions and watches";
    case "EARLIEST_RESET":
      return "its usage window is reset soonest";
    case "TRIAL":
      return "a guessed limit has ended; one trial decides";
  }
}

const EXCLUDED_TEXTS: Readonly<Record<ExclusionReason, string>> = {
  COOLING_DOWN: "cooling down",
  MODEL_COOLING_DOWN: "cooling down for this model",
  LOGIN_REQUIRED: "needs a new login",
  REFRESH_IN_DOUBT: "a refresh was lost in flight; an operator decides",
  BLOCKED: "blocked by the provider until an operator enables it or logs in anew",
  DISABLED: "disabled by the operator",
  EXCLUDED: "the request leaves it out",
  NOT_ALLOWED: "not allowed on this endpoint",
  NOT_IN_ORDER: "outside the explicit order",
  NOT_IN_POOL: "not in the pool asked for",
  KIND_NOT_WANTED: "another kind of credential was asked for",
  METERED_NOT_ALLOWED: "metered, and metered fallback is off",
  VALIDITY_UNREACHABLE: "its token cannot stay valid for as long as asked",
  TRIAL_IN_PROGRESS: "somebody is trying it after a guessed limit",
  REFRESHING: "its token is being refreshed",
  UPSTREAM_UNAVAILABLE: "the token endpoint does not answer usefully right now",
  HELD_AFTER_BAN: "held because another account of this provider was banned",
  STORE_CORRUPT: "its record cannot be read",
};
