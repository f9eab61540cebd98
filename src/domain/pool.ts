import { PROFILE_KINDS } from "./grant.ts";
import type { Profile } from "./profile.ts";

/** How a provider's profiles take turns. */
export const STRATEGIES = ["ordered", "round_robin", "least_loaded", "earliest_reset"] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** `manual`: the broker never moves a conversation to another account by itself. */
export type Failover = "auto" | "manual";

/** What selection must know of a provider. */
export interface ProviderRules {
  readonly id: string;
  readonly strategy: Strategy;
  readonly failover: Failover;
  readonly meteredFallback: boolean;
  /** True: it has no login, only keys. */
  readonly isKeysOnly?: boolean;
}

/** A profile whose record cannot be read; it takes its place in the order but serves nobody. */
export interface CorruptProfile {
  readonly corrupt: true;
  readonly id: string;
  readonly path: string;
}

export interface Seat {
  readonly profile: Profile | CorruptProfile;
  /** Place in the order, from 1; 0 when an explicit order does not name it. */
  readonly place: number;
  /** Metered, and nobody allowed that: usable only when pinned. */
  readonly isUnwantedMetered: boolean;
  /** Held because another profile of the provider was banned. */
  readonly isHeld: boolean;
}

/** One provider's profiles in the order of preference, arranged once per change and read per request. */
export interface Pool {
  readonly rules: ProviderRules;
  readonly seats: readonly Seat[];
  readonly hasExplicitOrder: boolean;
  /** Not all of them are metered. */
  readonly hasSubscription: boolean;
  /** Ids of the explicit order that no profile answers to. */
  readonly unknownInOrder: readonly string[];
}

export function isCorrupt(profile: Profile | CorruptProfile): profile is CorruptProfile {
  return "corrupt" in profile;
}

/**
 * True if work must not leave this profile by itself: fail-over is manual, and it is a login. Terms
 * bind logins to an account; an API key is nobody's seat.
 */
export function isBound(rules: ProviderRules, profile: Profile | CorruptProfile): boolean {
  return rules.failover === "manual" && !isCorrupt(profile) && profile.grant.kind !== "api_key";
}

/** True if `id` is the profile's id or one it had before. */
function answersTo(profile: Profile | CorruptProfile, id: string): boolean {
  return profile.id === id || (!isCorrupt(profile) && profile.aliases.includes(id));
}

/**
 * Arranges a provider's profiles. An explicit order is an allow-list; ids in it that no longer exist
 * are skipped, and an order without a single living id is set aside. Without an order: by kind, then id.
 */
export function arrange(
  rules: ProviderRules,
  profiles: readonly (Profile | CorruptProfile)[],
  order: readonly string[] | undefined,
  bannedId: string | undefined,
): Pool {
  const byId = [...profiles].sort(byKindThenId);
  const unknown: string[] = [];
  const named: (Profile | CorruptProfile)[] = [];
  for (const id of order ?? []) {
    const found = byId.find((p) => answersTo(p, id));
    if (found === undefined) unknown.push(id);
    else if (!named.includes(found)) named.push(found);
  }
  const hasExplicitOrder = named.length > 0;
  const onlyMetered = byId.every((p) => !isCorrupt(p) && p.costClass === "METERED");
  const meteredAllowed = hasExplicitOrder || rules.meteredFallback || onlyMetered;
  const seat = (profile: Profile | CorruptProfile, place: number): Seat => ({
    profile,
    place,
    isUnwantedMetered: !meteredAllowed && !isCorrupt(profile) && profile.costClass === "METERED",
    isHeld:
      bannedId !== undefined &&
      profile.id !== bannedId &&
      !isCorrupt(profile) &&
      profile.costClass === "SUBSCRIPTION",
  });
  const ranked = hasExplicitOrder ? named : byId;
  const outside = hasExplicitOrder ? byId.filter((p) => !named.includes(p)) : [];
  return {
    rules,
    seats: [...ranked.map((p, i) => seat(p, i + 1)), ...outside.map((p) => seat(p, 0))],
    hasExplicitOrder,
    hasSubscription: !onlyMetered,
    unknownInOrder: unknown,
  };
}

function byKindThenId(a: Profile | CorruptProfile, b: Profile | CorruptProfile): number {
  const kind = kindRank(a) - kindRank(b);
  if (kind !== 0) return kind;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function kindRank(profile: Profile | CorruptProfile): number {
  return isCorrupt(profile) ? PROFILE_KINDS.length : PROFILE_KINDS.indexOf(profile.grant.kind);
}
