import { awaitingTrial, decidingFor } from "./cooldown.ts";
import type { Profile } from "./profile.ts";
import { type Now, reached } from "./time.ts";
import { isLive, refreshPermission } from "./token.ts";

export const PROFILE_STATES = [
  "READY",
  "COOLING_DOWN",
  "NEEDS_LOGIN",
  "REFRESH_IN_DOUBT",
  "BLOCKED",
  "DISABLED",
] as const;
export type ProfileState = (typeof PROFILE_STATES)[number];

export interface StateView {
  readonly state: ProfileState;
  /** More than the state says, in capitals; empty when there is nothing to add. */
  readonly reason: string;
}

/** What else stands outside the profile and decides on its state. */
export interface Surroundings {
  /** The provider's brake after a ban of another profile is on. */
  readonly held: boolean;
  /** Somebody tries the profile after a guessed plan limit. */
  readonly trialRunning: boolean;
}

/** The profile's state, computed from the clock at the moment of asking; nothing of it is stored. */
export function stateOf(profile: Profile, around: Surroundings, now: Now): StateView {
  if (!profile.enabled) return { state: "DISABLED", reason: "" };
  if (profile.block !== undefined)
    return { state: "BLOCKED", reason: profile.block.ban ? "BANNED" : "FORBIDDEN" };
  if (around.held) return { state: "BLOCKED", reason: "HELD_AFTER_BAN" };
  const login = loginReason(profile, now);
  if (login !== undefined) return { state: "NEEDS_LOGIN", reason: login };
  if (isInDoubt(profile, now)) {
    return { state: "REFRESH_IN_DOUBT", reason: profile.restored ? "RESTORED" : "LOST_IN_FLIGHT" };
  }
  const cooling = coolingReason(profile, around, now);
  if (cooling !== undefined) return { state: "COOLING_DOWN", reason: cooling };
  return { state: "READY", reason: profile.refreshDead === undefined ? "" : "LOGIN_REQUIRED" };
}

/** Why the profile needs a login now, or undefined if it does not. */
export function loginReason(profile: Profile, now: Now): string | undefined {
  if (profile.loginNeeded !== undefined) return profile.loginNeeded.reason.toUpperCase();
  if (isLive(profile, now)) return undefined;
  const permission = refreshPermission(profile, now);
  if (permission.kind !== "never") return undefined;
  if (permission.lost) return "LOST_IN_FLIGHT";
  return profile.refreshDead === undefined ? "EXPIRED" : "REFRESH_REFUSED";
}

/** True if an operator must decide whether the refresh token is sent once more. */
export function isInDoubt(profile: Profile, now: Now): boolean {
  return !isLive(profile, now) && refreshPermission(profile, now).kind === "in_doubt";
}

function coolingReason(profile: Profile, around: Surroundings, now: Now): string | undefined {
  const cooling = decidingFor(profile, "", now);
  if (cooling !== undefined) return cooling.outcome;
  if (around.trialRunning && awaitingTrial(profile, "", now).length > 0) return "TRIAL_IN_PROGRESS";
  const isWaiting = profile.backoff !== undefined && !reached(profile.backoff.until, now);
  return isWaiting && !isLive(profile, now) ? "UPSTREAM_UNAVAILABLE" : undefined;
}
