import { mergeAccounts } from "./account.ts";
import { cleared, trialEnded } from "./cooldown.ts";
import type { Account, Grant, OAuthGrant, Rotation } from "./grant.ts";
import type { UsageFacts, UsageWindow } from "./outcome.ts";
import type { Cooldown, CostClass, GrantOrigin, Ownership, Profile } from "./profile.ts";
import { granted, lost, notNow, overtaken, rejected, restored, started, unsent } from "./refreshing.ts";
import { type Report, reported } from "./reporting.ts";
import type { Secret } from "./secret.ts";
import type { Settings } from "./settings.ts";
import { type Now, wallOf } from "./time.ts";
import { readOut } from "./usage.ts";

/** A new grant for a profile, and what came with it. Absent fields leave an existing profile as it was. */
export interface Put {
  readonly grant: Grant;
  readonly account: Account;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly aliases?: readonly string[];
  readonly enabled?: boolean;
  readonly baseUrl?: string;
  readonly pools?: readonly string[];
  readonly ownership?: Ownership;
  readonly sourcePath?: string;
  readonly costClass: CostClass;
  readonly cooldowns?: readonly Cooldown[];
  readonly origin: Extract<GrantOrigin, "put" | "login">;
  /** Random; taken over when the profile is new or another account takes its place. */
  readonly accountEpoch: string;
}

/** Everything that can happen to a profile. */
export type Event =
  | { readonly type: "reported"; readonly report: Report }
  | { readonly type: "put"; readonly put: Put; readonly accountChanged: boolean }
  | {
      readonly type: "updated";
      readonly enabled?: boolean;
      readonly title?: string;
      readonly baseUrl?: string;
      readonly pools?: readonly string[];
      readonly ownership?: Ownership;
    }
  | { readonly type: "cleared"; readonly model: string }
  | { readonly type: "trial_ended"; readonly model: string }
  /** The usage was read at the provider, by a request made at `sinceMs`; says nothing about any request. */
  | {
      readonly type: "usage_read";
      readonly windows: readonly UsageWindow[];
      readonly facts: UsageFacts;
      readonly sinceMs: number;
    }
  /** A grant that the sharing program rotated was read from its file. */
  | { readonly type: "adopted"; readonly grant: OAuthGrant; readonly account: Account }
  | {
      readonly type: "refresh_started";
      readonly rotation: Rotation;
      readonly graceMs: number;
      readonly replay: 0 | 1;
    }
  | {
      readonly type: "refresh_granted";
      readonly from: number;
      /** The refresh token that was sent, if one was. */
      readonly spent?: Secret;
      readonly grant: OAuthGrant;
      readonly account: Account;
    }
  | { readonly type: "refresh_rejected"; readonly from: number; readonly code: string }
  | { readonly type: "refresh_not_now"; readonly from: number; readonly retryAtMs?: number }
  | { readonly type: "refresh_unsent"; readonly from: number }
  | { readonly type: "refresh_lost"; readonly from: number }
  /** The record is an older copy than one that was written here. `rotation`: of its provider. */
  | { readonly type: "restored"; readonly rotation: Rotation };

/**
 * The one way in which a profile changes. Pure; gives the very same object when nothing changes.
 * Refresh events that name another generation than the current one are void: a newer grant came
 * in the meantime, and it wins (but see `overtaken`).
 */
export function transition(profile: Profile, event: Event, now: Now, settings: Settings): Profile {
  switch (event.type) {
    case "reported":
      return reported(profile, event.report, now, settings);
    case "put":
      return put(profile, event.put, event.accountChanged, now);
    case "updated":
      return updated(profile, event);
    case "cleared":
      return clearedByOperator(profile, event.model);
    case "trial_ended":
      return trialEnded(profile, event.model, now);
    case "usage_read":
      return readOut(profile, event, event.sinceMs, now);
    case "adopted":
      // Whatever was thought before: that program has this one.
      return {
        ...renewed(profile, event.grant, event.account, "adopted", now),
        ownership: "SHARED",
      };
    case "refresh_started":
      return started(profile, event, now, settings);
    case "refresh_granted":
      if (event.from !== profile.generation) return overtaken(profile, event.spent, event.grant);
      return granted(profile, event.grant, event.account, now);
    case "refresh_rejected":
      return event.from === profile.generation ? rejected(profile, event.code, now) : profile;
    case "refresh_not_now":
      return event.from === profile.generation ? notNow(profile, event.retryAtMs, now, settings) : profile;
    case "refresh_unsent":
      return event.from === profile.generation ? unsent(profile, now) : profile;
    case "refresh_lost":
      return event.from === profile.generation ? lost(profile, now) : profile;
    case "restored":
      return restored(profile, event.rotation, now);
  }
}

/** A profile that was not there before. */
export function created(id: string, provider: string, label: string, put: Put, now: Now): Profile {
  return {
    id,
    provider,
    label,
    aliases: put.aliases ?? [],
    grant: put.grant,
    generation: 1,
    origin: put.origin,
    obtainedAtMs: now.wallMs,
    proven: false,
    accountEpoch: put.accountEpoch,
    account: put.account,
    attributes: put.attributes ?? {},
    enabled: put.enabled ?? true,
    baseUrl: put.baseUrl ?? "",
    pools: put.pools ?? [],
    ownership: put.ownership ?? "UNKNOWN",
    restored: false,
    sourcePath: put.sourcePath ?? "",
    costClass: put.costClass,
    cooldowns: put.cooldowns ?? [],
    strikes: [],
    usageWindows: [],
  };
}

function put(profile: Profile, put: Put, accountChanged: boolean, now: Now): Profile {
  const next = renewed(profile, put.grant, put.account, put.origin, now);
  const { block: _block, ...unblocked } = next;
  const { storedResets: _resets, ...another } = unblocked;
  const kept = accountChanged
    ? {
        ...another,
        account: put.account,
        accountEpoch: put.accountEpoch,
        cooldowns: [],
        strikes: [],
        usageWindows: [],
      }
    : unblocked;
  return {
    ...kept,
    aliases: union(profile.aliases, put.aliases ?? []),
    attributes: { ...profile.attributes, ...put.attributes },
    enabled: put.enabled ?? profile.enabled,
    baseUrl: put.baseUrl ?? profile.baseUrl,
    pools: put.pools !== undefined && put.pools.length > 0 ? put.pools : profile.pools,
    ownership: put.ownership ?? profile.ownership,
    sourcePath: put.sourcePath ?? profile.sourcePath,
    costClass: put.costClass,
    restored: false,
    cooldowns: laterEnds(kept.cooldowns, put.cooldowns ?? [], now),
  };
}

/** A new generation with a grant that did not come from our own refresh; doubts about the old one end. */
function renewed(profile: Profile, grant: Grant, account: Account, origin: GrantOrigin, now: Now): Profile {
  const { loginNeeded: _l, refreshDead: _d, intent: _i, backoff: _b, lastAttempt: _a, ...rest } = profile;
  return {
    ...rest,
    grant,
    account: mergeAccounts(profile.account, account),
    generation: profile.generation + 1,
    origin,
    obtainedAtMs: now.wallMs,
    proven: false,
    ...(origin === "adopted" ? { lastRefreshAtMs: now.wallMs } : {}),
  };
}

function updated(profile: Profile, event: Extract<Event, { type: "updated" }>): Profile {
  const { block: _block, ...unblocked } = profile;
  const rest = event.enabled === true ? unblocked : profile;
  return {
    ...rest,
    ...(event.enabled === undefined ? {} : { enabled: event.enabled }),
    ...(event.title === undefined ? {} : { title: event.title }),
    ...(event.baseUrl === undefined ? {} : { baseUrl: event.baseUrl }),
    ...(event.pools === undefined ? {} : { pools: event.pools }),
    ...(event.ownership === undefined ? {} : { ownership: event.ownership }),
  };
}

function clearedByOperator(profile: Profile, model: string): Profile {
  if (model !== "") return cleared(profile, model);
  const { block: _block, backoff: _backoff, ...rest } = profile;
  return cleared(rest, model);
}

function laterEnds(mine: readonly Cooldown[], theirs: readonly Cooldown[], now: Now): readonly Cooldown[] {
  const result = [...mine];
  for (const c of theirs) {
    const i = result.findIndex((m) => m.outcome === c.outcome && m.model === c.model);
    const old = result[i];
    if (old === undefined) result.push(c);
    else if (wallOf(c.until, now) > wallOf(old.until, now)) result[i] = c;
  }
  return result;
}

function union(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set([...a, ...b])];
}
