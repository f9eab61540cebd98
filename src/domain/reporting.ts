import { isPlausible, struck, succeeded } from "./cooldown.ts";
import { isRenewable } from "./grant.ts";
import type { Outcome, Scope, UsageWindow } from "./outcome.ts";
import type { LoginNeeded, Profile } from "./profile.ts";
import { FORCED_PROBATION_MS, type Settings } from "./settings.ts";
import type { Now } from "./time.ts";
import { observed } from "./usage.ts";

/** What a caller saw with a credential, read and placed. */
export interface Report {
  readonly outcome: Outcome;
  readonly scope: Scope;
  /** The model concerned, empty if unknown. */
  readonly model: string;
  /** A moment that the provider stated; checked again here. */
  readonly retryAtMs?: number;
  readonly ban: boolean;
  readonly windows: readonly UsageWindow[];
  /** Readings refute cooldowns set before this moment only. */
  readonly windowsSinceMs: number;
  readonly generation: number;
  readonly leaseIssuedAtMs: number;
  readonly leaseTag: string;
}

/** True for outcomes that speak about one token, not about the account. */
export function isAuthOutcome(outcome: Outcome): boolean {
  return outcome === "AUTH_INVALID_TOKEN" || outcome === "AUTH_PERMANENT";
}

/** The profile after a report. Auth outcomes of another generation change nothing. */
export function reported(profile: Profile, report: Report, now: Now, settings: Settings): Profile {
  const read = observed(profile, report.windows, report.windowsSinceMs, now);
  if (isAuthOutcome(report.outcome)) {
    if (report.generation !== profile.generation) return read;
    return report.outcome === "AUTH_INVALID_TOKEN" ? refused(read, now) : needsLogin(read, "permanent", now);
  }
  if (report.outcome === "OK")
    return proven(succeeded(read, report.model, report.leaseIssuedAtMs, now), report);
  return held(read, report, now, settings);
}

function held(profile: Profile, report: Report, now: Now, settings: Settings): Profile {
  const { outcome } = report;
  const model = report.scope === "PROFILE_MODEL" || outcome === "TIMEOUT" ? report.model : "";
  if (report.scope !== "PROFILE" && report.scope !== "PROFILE_MODEL" && outcome !== "TIMEOUT") return profile;
  if (outcome === "FORBIDDEN" && model === "") {
    if (profile.block?.ban === report.ban) return profile;
    return { ...profile, block: { outcome, ban: report.ban, setAtMs: now.wallMs } };
  }
  if (!startsCooldown(outcome)) return profile;
  const stated = isPlausible(report.retryAtMs, now, settings.cooldown.longestWindowMs);
  return struck(
    profile,
    {
      outcome,
      model,
      leaseTag: report.leaseTag,
      ...(stated && report.retryAtMs !== undefined ? { statedAtMs: report.retryAtMs } : {}),
    },
    now,
    settings,
  );
}

/** Outcomes that can be given a scope on the profile and then keep callers away for a while. */
function startsCooldown(outcome: Outcome): boolean {
  return outcome !== "OK" && outcome !== "BAD_REQUEST" && outcome !== "UNRECOGNIZED" && outcome !== "NETWORK";
}

/** The access token is refused for good; whether a refresh may help is decided when somebody asks. */
function refused(profile: Profile, now: Now): Profile {
  if (profile.refusedGeneration === profile.generation) return profile;
  const next: Profile = { ...profile, refusedGeneration: profile.generation };
  const { grant } = profile;
  if (!isRenewable(grant)) return needsLogin(next, "refused", now);
  const isFreshForced =
    profile.origin === "forced" && !profile.proven && now.wallMs - profile.obtainedAtMs < FORCED_PROBATION_MS;
  return isFreshForced ? needsLogin(next, "refused", now) : next;
}

function needsLogin(profile: Profile, reason: LoginNeeded["reason"], now: Now): Profile {
  if (profile.loginNeeded?.reason === reason) return profile;
  return { ...profile, loginNeeded: { reason, setAtMs: now.wallMs } };
}

/** An OK counts for the generation that earned it, and is kept only where a rule asks for it. */
function proven(profile: Profile, report: Report): Profile {
  const matters = profile.origin === "forced" && !profile.proven && report.generation === profile.generation;
  return matters ? { ...profile, proven: true } : profile;
}
