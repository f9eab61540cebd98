import { expiryOf, isRenewable } from "./grant.ts";
import type { Profile } from "./profile.ts";
import { after, at, type Deadline, type Now, reached, remainingMs, wallOf } from "./time.ts";

/** True while the access token (or key) may be handed out: neither refused nor past its end. */
export function isLive(profile: Profile, now: Now): boolean {
  if (profile.refusedGeneration === profile.generation) return false;
  const expires = expiryOf(profile.grant);
  return expires === undefined || !reached(expires, now);
}

/** True if what is held now is live and stays good for `minValidForMs`, as far as its end is known. */
export function isGoodFor(profile: Profile, minValidForMs: number, now: Now): boolean {
  if (!isLive(profile, now)) return false;
  const expires = expiryOf(profile.grant);
  return expires === undefined || remainingMs(expires, now) >= minValidForMs;
}

/** True once the refresh ahead is due. */
export function isRefreshDue(profile: Profile, now: Now): boolean {
  const { grant } = profile;
  if (!isRenewable(grant)) return false;
  if (profile.refusedGeneration === profile.generation) return true;
  return grant.refreshDue !== undefined && reached(grant.refreshDue, now);
}

/** Whether a refresh request may leave now, and if not, why and until when. */
export type RefreshPermission =
  | { readonly kind: "now"; readonly replay: 0 | 1 }
  /** Held back until a moment, by the endpoint's "not now" or by the spacing between two requests. */
  | { readonly kind: "later"; readonly untilMs: number; readonly why: "UPSTREAM_UNAVAILABLE" | "REFRESHING" }
  /** A request whose answer was lost: the token may be spent, so the access token is served to its end first. */
  | { readonly kind: "at_end" }
  /** As above, and somebody else may hold the newer grant: an operator decides. */
  | { readonly kind: "in_doubt" }
  | { readonly kind: "never"; readonly lost: boolean };

/** The one rule for when a refresh token may be sent, apart from an operator's own order. */
export function refreshPermission(profile: Profile, now: Now): RefreshPermission {
  const { grant, intent } = profile;
  if (!isRenewable(grant)) return { kind: "never", lost: false };
  if (profile.refreshDead !== undefined) return { kind: "never", lost: profile.refreshDead.cause === "lost" };
  if (profile.loginNeeded !== undefined) return { kind: "never", lost: false };
  if (intent?.phase === "open") return { kind: "now", replay: intent.replay };
  if (profile.backoff !== undefined && !reached(profile.backoff.until, now)) {
    return {
      kind: "later",
      untilMs: wallOf(profile.backoff.until, now),
      why: "UPSTREAM_UNAVAILABLE",
    };
  }
  if (intent?.phase === "lost") return replayPermission(profile, now);
  if (profile.lastAttempt !== undefined && !reached(profile.lastAttempt, now)) {
    return { kind: "later", untilMs: wallOf(profile.lastAttempt, now), why: "REFRESHING" };
  }
  return { kind: "now", replay: 0 };
}

/** After a lost answer: within a grace at once; else when the access token has ended; never if in doubt. */
function replayPermission(profile: Profile, now: Now): RefreshPermission {
  const grace = profile.intent?.graceUntil;
  if (grace !== undefined && !reached(grace, now)) return { kind: "now", replay: 1 };
  if (hasOtherCopy(profile)) return { kind: "in_doubt" };
  return isLive(profile, now) ? { kind: "at_end" } : { kind: "now", replay: 1 };
}

/** True if another live copy of the grant is known, which may have been rotated in the meantime. */
function hasOtherCopy(profile: Profile): boolean {
  return profile.ownership === "SHARED" || profile.restored;
}

/**
 * When the next refresh is due without anybody asking, or undefined if none will be: ahead of the
 * token's end, at once when the token was refused, and at the token's end after a lost answer.
 */
export function refreshDueAt(profile: Profile, now: Now): Deadline | undefined {
  if (!profile.enabled || profile.block !== undefined || profile.grant.kind !== "oauth") return undefined;
  const permission = refreshPermission(profile, now);
  switch (permission.kind) {
    case "never":
    case "in_doubt":
      return undefined;
    case "at_end":
      return profile.grant.expires;
    case "now":
      if (permission.replay === 1 || profile.refusedGeneration === profile.generation) return after(now, 0);
      return profile.grant.refreshDue;
    case "later": {
      const held = at(now, permission.untilMs);
      if (profile.refusedGeneration === profile.generation) return held;
      const due = profile.grant.refreshDue;
      return due === undefined || remainingMs(due, now) > remainingMs(held, now) ? due : held;
    }
  }
}
