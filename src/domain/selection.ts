import { type Circumstances, judge, type Ranked, type Request, type Verdict } from "./candidate.ts";
import type { EligibleReason } from "./failure.ts";
import { isBound, isCorrupt, isMetered, type Pool, type Seat, seatOf } from "./pool.ts";
import type { Profile } from "./profile.ts";
import { preferred, type Turns } from "./strategy.ts";
import type { Now } from "./time.ts";

/** Which profile a conversation belongs to. */
export interface Session {
  readonly home: string;
  /** The profile that serves while the home is away for a short time. */
  readonly lentTo?: string;
}

/** The outcome of a selection. `session` is what the conversation's binding becomes if this is handed out. */
export type Choice =
  | {
      readonly kind: "use";
      readonly profile: Profile;
      readonly reason: EligibleReason;
      readonly trialModels: readonly string[];
      readonly refreshDue: boolean;
      readonly session?: Session;
    }
  | {
      readonly kind: "refresh";
      readonly profile: Profile;
      readonly reason: EligibleReason;
      /** The conversation's own profile: waited for a short time only if it may be lent another. */
      readonly isHome: boolean;
    }
  /** Nothing is usable; `ranked` says why, for each. `stayed`: the session may not leave this profile. */
  | { readonly kind: "none"; readonly ranked: readonly Ranked[]; readonly stayed?: string };

/** What a selection may depend on besides the pool, the request and the time. */
export interface Scene extends Circumstances {
  readonly session?: Session;
  readonly turns: Turns;
  /** The session's home has been waited for long enough; another may be lent. */
  readonly isImpatient: boolean;
  /** The answer may not leave this profile (fail-over is manual and it was just reported). */
  readonly stayWith?: string;
}

/** Chooses the profile for a request. Pure: the same pool, request, scene and time give the same choice. */
export function select(pool: Pool, request: Request, scene: Scene, homeWithinMs: number, now: Now): Choice {
  if (request.profile !== "") return pinned(pool, request, scene, now);
  const home = homeSeat(pool, scene);
  if (scene.stayWith !== undefined) return staying(pool, request, scene, scene.stayWith, now);
  if (home === undefined) return fresh(pool, request, scene, now, undefined);
  const verdict = judge(home, pool, request, scene, now);
  const session: Session = { home: home.profile.id };
  if (verdict.kind === "ready") return use(home, verdict, "SESSION", session);
  if (isBound(pool.rules, home.profile)) return staying(pool, request, scene, home.profile.id, now);
  if (verdict.kind === "refresh") return lentDuringRefresh(pool, request, scene, home, now);
  return fresh(
    pool,
    request,
    scene,
    now,
    isAwayShortly(verdict, homeWithinMs, now) ? home.profile.id : undefined,
  );
}

/** True if the conversation should come home later: a short absence, or a wish of this one request. */
function isAwayShortly(verdict: Verdict, homeWithinMs: number, now: Now): boolean {
  if (verdict.kind === "wait") return verdict.untilMs - now.wallMs <= homeWithinMs;
  if (verdict.kind !== "out") return false;
  return (
    verdict.reason === "EXCLUDED" || verdict.reason === "KIND_NOT_WANTED" || verdict.reason === "NOT_IN_POOL"
  );
}

function homeSeat(pool: Pool, scene: Scene): Seat | undefined {
  const home = scene.session?.home;
  return home === undefined ? undefined : seatOf(pool, home);
}

function pinned(pool: Pool, request: Request, scene: Scene, now: Now): Choice {
  const seat = seatOf(pool, request.profile);
  if (seat === undefined) return { kind: "none", ranked: [] };
  const verdict = judge(seat, pool, request, scene, now);
  if (verdict.kind === "ready") return use(seat, verdict, "PINNED", { home: seat.profile.id });
  if (verdict.kind === "refresh") return refresh(seat, "PINNED", false);
  return { kind: "none", ranked: [{ seat, verdict }] };
}

/** Only `id` will do; the rest of the answer is its own reason and time. */
function staying(pool: Pool, request: Request, scene: Scene, id: string, now: Now): Choice {
  const seat = seatOf(pool, id);
  if (seat === undefined) return { kind: "none", ranked: [], stayed: id };
  const verdict = judge(seat, pool, request, scene, now);
  if (verdict.kind === "ready") return use(seat, verdict, "SESSION", { home: id });
  if (verdict.kind === "refresh") return refresh(seat, "SESSION", false);
  return { kind: "none", ranked: [{ seat, verdict }], stayed: id };
}

/** The home needs a refresh: it is waited for, until patience ends; then another valid token is lent. */
function lentDuringRefresh(pool: Pool, request: Request, scene: Scene, home: Seat, now: Now): Choice {
  if (!scene.isImpatient) return refresh(home, "SESSION", true);
  const other = fresh(pool, request, scene, now, home.profile.id);
  return other.kind === "use" ? other : refresh(home, "SESSION", false);
}

/**
 * A choice by order and strategy. A valid token is preferred to waiting for a refresh, but never a
 * metered one that comes later to a refresh of a subscription. With `lender` the conversation stays
 * at home there.
 */
function fresh(pool: Pool, request: Request, scene: Scene, now: Now, lender: string | undefined): Choice {
  const turn = pool.rules.strategy === "round_robin" ? nextInTurn(pool, request, scene, now) : undefined;
  if (turn !== undefined) return grantable(turn, "ROUND_ROBIN", lender);
  const ranked: Ranked[] = [];
  const isOrdered = pool.rules.strategy === "ordered" && scene.session?.lentTo === undefined;
  for (const seat of pool.seats) {
    const verdict = judge(seat, pool, request, scene, now);
    ranked.push({ seat, verdict });
    if (isOrdered && verdict.kind === "ready" && !isSpared(seat, pool, ranked)) {
      return grantable({ seat, verdict }, "ORDER", lender);
    }
  }
  const ready = ranked.filter((r) => r.verdict.kind === "ready");
  const waiting = ranked.filter((r) => r.verdict.kind === "refresh");
  const isLast = (r: Ranked) => isSpared(r.seat, pool, ranked);
  const tiers = [
    ready.filter((r) => !isLast(r)),
    waiting.filter((r) => !isLast(r)),
    ready.filter(isLast),
    waiting.filter(isLast),
  ];
  const tier = tiers.find((t) => t.length > 0);
  if (tier === undefined) return { kind: "none", ranked };
  const lent = tier.find((r) => r.seat.profile.id === scene.session?.lentTo);
  const { pick, reason } = preferred(pool.rules.strategy, tier, scene.turns, now);
  const chosen = lender !== undefined && lent !== undefined ? lent : pick;
  return grantable(chosen, reason, lender);
}

/**
 * The first after the last that can serve, found without judging all. Undefined where more must be looked at:
 * nobody can serve now, somebody else is lent already, or subscriptions come before metered profiles.
 */
function nextInTurn(pool: Pool, request: Request, scene: Scene, now: Now): Ranked | undefined {
  if (pool.isMixed || scene.session?.lentTo !== undefined) return undefined;
  const { seats } = pool;
  // Places are 1 and up in the order of the seats; those that have none come last and are no candidates.
  const { lastPlace } = scene.turns;
  const from = lastPlace < seats.length ? lastPlace : 0;
  for (let i = 0; i < seats.length; i += 1) {
    const seat = seats[(from + i) % seats.length];
    if (seat === undefined) return undefined;
    const verdict = judge(seat, pool, request, scene, now);
    if (verdict.kind === "ready") return { seat, verdict };
  }
  return undefined;
}

function grantable(chosen: Ranked, reason: EligibleReason, lender: string | undefined): Choice {
  const { seat, verdict } = chosen;
  if (verdict.kind !== "ready") return refresh(seat, reason, false);
  const id = seat.profile.id;
  return use(seat, verdict, reason, lender === undefined ? { home: id } : { home: lender, lentTo: id });
}

/**
 * True for a metered profile that subscriptions come before: all of them without an explicit order;
 * with one, which gives it its place, those before it that a refresh would bring.
 */
function isSpared(seat: Seat, pool: Pool, ranked: readonly Ranked[]): boolean {
  if (!pool.hasSubscription || !isMetered(seat.profile)) return false;
  if (!pool.hasExplicitOrder) return true;
  return ranked.some(
    (r) => r.verdict.kind === "refresh" && !isMetered(r.seat.profile) && r.seat.place < seat.place,
  );
}

function use(
  seat: Seat,
  verdict: Extract<Verdict, { kind: "ready" }>,
  reason: EligibleReason,
  session: Session,
): Choice {
  if (isCorrupt(seat.profile)) return { kind: "none", ranked: [] };
  return {
    kind: "use",
    profile: seat.profile,
    reason: verdict.trialModels.length > 0 ? "TRIAL" : reason,
    trialModels: verdict.trialModels,
    refreshDue: verdict.refreshDue,
    session,
  };
}

function refresh(seat: Seat, reason: EligibleReason, isHome: boolean): Choice {
  if (isCorrupt(seat.profile)) return { kind: "none", ranked: [] };
  return { kind: "refresh", profile: seat.profile, reason, isHome };
}
