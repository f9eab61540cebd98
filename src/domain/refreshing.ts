import { mergeAccounts } from "./account.ts";
import type { Account, OAuthGrant, Rotation } from "./grant.ts";
import type { Profile } from "./profile.ts";
import type { Secret } from "./secret.ts";
import { type Backoff, backoffMs, NOT_NOW_BACKOFF, type Settings, UNSENT_BACKOFF } from "./settings.ts";
import { after, at, type Now } from "./time.ts";

/** The code of a refresh token whose replay brought no answer either; every other one is the server's verdict. */
export const NO_ANSWER = "lost_in_flight";

/** The intent to refresh; must be durable before the request leaves. The old grant stays beside it. */
export function started(
  profile: Profile,
  request: { readonly rotation: Rotation; readonly graceMs: number; readonly replay: 0 | 1 },
  now: Now,
  settings: Settings,
): Profile {
  const graceUntil = profile.intent?.graceUntil ?? after(now, request.graceMs);
  return {
    ...profile,
    lastAttempt: after(now, settings.refresh.minIntervalMs),
    intent: {
      generation: profile.generation,
      rotation: request.rotation,
      setAtMs: now.wallMs,
      replay: request.replay,
      phase: "open",
      ...(request.rotation === "grace" ? { graceUntil } : {}),
    },
  };
}

/** The server gave a new grant. Blocks and cooldowns are facts about the account and stay. */
export function granted(profile: Profile, grant: OAuthGrant, account: Account, now: Now): Profile {
  const { loginNeeded: _l, refreshDead: _d, intent: _i, backoff: _b, ...rest } = profile;
  return {
    ...rest,
    grant,
    account: mergeAccounts(profile.account, account),
    generation: profile.generation + 1,
    origin: profile.refusedGeneration === profile.generation ? "forced" : "refresh",
    obtainedAtMs: now.wallMs,
    lastRefreshAtMs: now.wallMs,
    proven: false,
    restored: false,
  };
}

/**
 * A new grant came while the refresh was under way, and it wins. If it is the same login put again,
 * its refresh token is the one that was spent: only the one that the server gave for it still works.
 */
export function overtaken(profile: Profile, spent: Secret | undefined, given: OAuthGrant): Profile {
  const { grant } = profile;
  if (spent === undefined || grant.kind !== "oauth" || !spent.equals(grant.refreshToken)) return profile;
  if (given.refreshToken === undefined || spent.equals(given.refreshToken)) return profile;
  return { ...profile, grant: { ...grant, refreshToken: given.refreshToken } };
}

/** The server says that this refresh token is dead. The access token may still live. */
export function rejected(profile: Profile, code: string, now: Now): Profile {
  const { intent, backoff: _b, ...rest } = profile;
  const cause = intent?.replay === 1 ? "lost" : "terminal";
  return { ...rest, refreshDead: { cause, code, setAtMs: now.wallMs } };
}

/** A complete answer that is no verdict: the token counts as unspent and may be sent again later. */
export function notNow(
  profile: Profile,
  retryAtMs: number | undefined,
  now: Now,
  settings: Settings,
): Profile {
  const believed =
    retryAtMs !== undefined &&
    retryAtMs > now.wallMs &&
    retryAtMs <= now.wallMs + settings.cooldown.longestWindowMs;
  return waiting(profile, NOT_NOW_BACKOFF, believed ? retryAtMs : undefined, now);
}

/** Nothing was sent. Free to try again, but not in a tight loop; the spacing between requests does not count. */
export function unsent(profile: Profile, now: Now): Profile {
  const { lastAttempt: _a, ...rest } = waiting(profile, UNSENT_BACKOFF, undefined, now);
  return rest;
}

/**
 * The request was sent, and no complete answer came, or the process died with the intent open. A
 * provider that does not rotate is simply asked again; otherwise the token may be spent.
 */
export function lost(profile: Profile, now: Now): Profile {
  const { intent, ...rest } = profile;
  if (intent === undefined) return profile;
  if (intent.rotation === "none") return waiting(profile, NOT_NOW_BACKOFF, undefined, now);
  if (intent.replay === 1) {
    return { ...rest, refreshDead: { cause: "lost", code: NO_ANSWER, setAtMs: now.wallMs } };
  }
  return { ...profile, intent: { ...intent, phase: "lost" } };
}

/**
 * A backup was restored: the newer grant, which is gone, may have come by this one's refresh token. A token
 * that rotates counts as sent without an answer, and an operator decides whether it is sent once more.
 */
export function restored(profile: Profile, rotation: Rotation, now: Now): Profile {
  const { grant, intent } = profile;
  if (grant.kind !== "oauth") return profile;
  const marked = profile.restored ? profile : { ...profile, restored: true };
  if (rotation === "none" || grant.refreshToken === undefined || profile.refreshDead !== undefined)
    return marked;
  const replay = intent?.replay ?? 0;
  return {
    ...marked,
    intent: { generation: profile.generation, rotation, setAtMs: now.wallMs, replay, phase: "lost" },
  };
}

/** Closes the request without a verdict. One that was a replay may be made once more: it was not heard. */
function waiting(profile: Profile, backoff: Backoff, retryAtMs: number | undefined, now: Now): Profile {
  const { intent, ...rest } = profile;
  const strikes = (profile.backoff?.strikes ?? 0) + 1;
  const until = retryAtMs === undefined ? after(now, backoffMs(backoff, strikes - 1)) : at(now, retryAtMs);
  return {
    ...rest,
    ...(intent?.replay === 1 ? { intent: { ...intent, phase: "lost" as const, replay: 0 as const } } : {}),
    backoff: { until, setAtMs: now.wallMs, strikes },
  };
}
