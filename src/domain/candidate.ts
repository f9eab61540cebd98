import { awaitingTrial, decidingFor } from "./cooldown.ts";
import type { ExclusionReason } from "./failure.ts";
import type { ProfileKind } from "./grant.ts";
import { isCorrupt, type Pool, type Seat } from "./pool.ts";
import type { Profile } from "./profile.ts";
import { isInDoubt, loginReason } from "./state.ts";
import { type Now, wallOf } from "./time.ts";
import { isGoodFor, isLive, isRefreshDue, refreshPermission } from "./token.ts";

/** What a caller wants. Ids are canonical, aliases resolved. */
export interface Request {
  readonly provider: string;
  /** Empty: unknown. */
  readonly model: string;
  /** Empty: nothing sticks. */
  readonly sessionId: string;
  /** Empty: every pool. */
  readonly pool: string;
  /** Empty: every kind. */
  readonly kinds: readonly ProfileKind[];
  readonly minValidForMs: number;
  /** Only this profile will do. Empty: any. */
  readonly profile: string;
  readonly excludeProfiles: readonly string[];
  /** A generation that the caller suspects to be refused; refreshed first if it is still the current one. */
  readonly suspectGeneration?: number;
}

/** A trial that somebody else runs, until a wall-clock moment. */
export type TrialLookup = (profileId: string, model: string) => number | undefined;

/** What stands outside the pool and the request. */
export interface Circumstances {
  /** The endpoint's allow-list. */
  readonly allows: (profileId: string) => boolean;
  /** Trials that this kind of caller (acquire or watch) may not join. */
  readonly trialUntil: TrialLookup;
  /** The provider's token endpoint asked for silence until this wall-clock moment. */
  readonly upstreamHeldUntilMs?: number;
  /** Not to be given this time, though its reason and time count: the one just reported. */
  readonly avoid?: string;
}

export type Verdict =
  /** Usable now. `trial`: by a trial lease; `refreshDue`: a refresh ahead should be started behind the answer. */
  | { readonly kind: "ready"; readonly trialModels: readonly string[]; readonly refreshDue: boolean }
  /** Usable once a refresh that may be sent now succeeds. */
  | { readonly kind: "refresh"; readonly trialModels: readonly string[] }
  /** Comes back by itself at a wall-clock moment. */
  | { readonly kind: "wait"; readonly reason: ExclusionReason; readonly untilMs: number }
  /** Comes back only when somebody does something. */
  | { readonly kind: "stuck"; readonly reason: ExclusionReason }
  /** Not asked for, or not allowed: no candidate at all. */
  | { readonly kind: "out"; readonly reason: ExclusionReason };

/** A seat of the pool with what was found about it for a request. */
export interface Ranked {
  readonly seat: Seat;
  readonly verdict: Verdict;
}

/** Judges one profile for one request. */
export function judge(seat: Seat, pool: Pool, request: Request, around: Circumstances, now: Now): Verdict {
  const outside = filtered(seat, pool, request, around);
  if (outside !== undefined) return { kind: "out", reason: outside };
  if (isCorrupt(seat.profile)) return { kind: "stuck", reason: "STORE_CORRUPT" };
  const verdict = usability(seat.profile, seat, request, around, now);
  const isAvoided =
    around.avoid === seat.profile.id && (verdict.kind === "ready" || verdict.kind === "refresh");
  return isAvoided ? { kind: "out", reason: "EXCLUDED" } : verdict;
}

function filtered(
  seat: Seat,
  pool: Pool,
  request: Request,
  around: Circumstances,
): ExclusionReason | undefined {
  const { profile } = seat;
  if (!around.allows(profile.id)) return "NOT_ALLOWED";
  if (request.profile !== "" && request.profile !== profile.id) return "EXCLUDED";
  if (!isCorrupt(profile)) {
    if (!profile.enabled) return "DISABLED";
    if (request.pool !== "" && !profile.pools.includes(request.pool)) return "NOT_IN_POOL";
    if (request.kinds.length > 0 && !request.kinds.includes(profile.grant.kind)) return "KIND_NOT_WANTED";
  }
  if (pool.hasExplicitOrder && seat.place === 0) return "NOT_IN_ORDER";
  return request.excludeProfiles.includes(profile.id) ? "EXCLUDED" : undefined;
}

function usability(profile: Profile, seat: Seat, request: Request, around: Circumstances, now: Now): Verdict {
  const stuck = stuckReason(profile, seat, request, now);
  if (stuck !== undefined) return { kind: "stuck", reason: stuck };
  if (profile.cooldowns.length > 0) {
    const cooling = coolingVerdict(profile, request, around, now);
    if (cooling !== undefined) return cooling;
  }
  const trialModels = awaitingTrial(profile, request.model, now).map((c) => c.model);
  if (isGoodFor(profile, request.minValidForMs, now)) {
    if (isSuspect(profile, request, around, now)) return { kind: "refresh", trialModels };
    return { kind: "ready", trialModels, refreshDue: isRefreshDue(profile, now) };
  }
  return refreshVerdict(profile, trialModels, around, now);
}

/** A suspicion is worth one refresh, if one may be sent now; it holds nothing against the profile. */
function isSuspect(profile: Profile, request: Request, around: Circumstances, now: Now): boolean {
  if (request.suspectGeneration !== profile.generation) return false;
  return refreshVerdict(profile, [], around, now).kind === "refresh";
}

function stuckReason(profile: Profile, seat: Seat, request: Request, now: Now): ExclusionReason | undefined {
  if (profile.block !== undefined) return "BLOCKED";
  if (seat.isHeld) return "HELD_AFTER_BAN";
  if (seat.isUnwantedMetered && request.profile === "") return "METERED_NOT_ALLOWED";
  if (loginReason(profile, now) !== undefined) return "LOGIN_REQUIRED";
  if (isInDoubt(profile, now)) return "REFRESH_IN_DOUBT";
  if (isGoodFor(profile, request.minValidForMs, now)) return undefined;
  return canReach(profile, request.minValidForMs, now) ? undefined : "VALIDITY_UNREACHABLE";
}

/** True if a refresh could bring a token that is good for long enough. */
function canReach(profile: Profile, minValidForMs: number, now: Now): boolean {
  const { grant } = profile;
  if (grant.kind !== "oauth") return false;
  if (isLive(profile, now)) {
    const permission = refreshPermission(profile, now).kind;
    if (permission === "never" || permission === "at_end" || permission === "in_doubt") return false;
  }
  // What the server gives is known from a refresh only; a login from elsewhere may have been older rules.
  const isTelling = profile.origin === "refresh" || profile.origin === "forced";
  return !isTelling || grant.lifetimeMs === undefined || grant.lifetimeMs >= minValidForMs;
}

function coolingVerdict(
  profile: Profile,
  request: Request,
  around: Circumstances,
  now: Now,
): Verdict | undefined {
  const deciding = decidingFor(profile, request.model, now);
  if (deciding !== undefined) {
    const reason = deciding.model === "" ? "COOLING_DOWN" : "MODEL_COOLING_DOWN";
    return { kind: "wait", reason, untilMs: wallOf(deciding.until, now) };
  }
  for (const c of awaitingTrial(profile, request.model, now)) {
    const untilMs = around.trialUntil(profile.id, c.model);
    if (untilMs !== undefined) return { kind: "wait", reason: "TRIAL_IN_PROGRESS", untilMs };
  }
  return undefined;
}

function refreshVerdict(
  profile: Profile,
  trialModels: readonly string[],
  around: Circumstances,
  now: Now,
): Verdict {
  const permission = refreshPermission(profile, now);
  const heldUntilMs = around.upstreamHeldUntilMs;
  switch (permission.kind) {
    case "now":
      if (heldUntilMs !== undefined && heldUntilMs > now.wallMs && profile.intent?.phase !== "open") {
        return { kind: "wait", reason: "UPSTREAM_UNAVAILABLE", untilMs: heldUntilMs };
      }
      return { kind: "refresh", trialModels };
    case "later":
      return { kind: "wait", reason: permission.why, untilMs: permission.untilMs };
    case "at_end":
      return { kind: "stuck", reason: "VALIDITY_UNREACHABLE" };
    case "in_doubt":
      return { kind: "stuck", reason: "REFRESH_IN_DOUBT" };
    case "never":
      return { kind: "stuck", reason: "LOGIN_REQUIRED" };
  }
}
