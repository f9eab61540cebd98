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
  /** Index in `seats` by the profile's id. */
  readonly places: ReadonlyMap<string, number>;
  readonly hasExplicitOrder: boolean;
  /** Not all of them are metered. */
  readonly hasSubscription: boolean;
  /** Some are metered and some are not. */
  readonly isMixed: boolean;
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

/** The seat of a profile by its present id. */
export function seatOf(pool: Pool, id: string): Seat | undefined {
  const place = pool.places.get(id);
  return place === undefined ? undefined : pool.seats[place];
}

/**
 * The pool after a change of one profile that moves nobody: a report, a refresh, a cooldown. Undefined where
 * the order may be another one, so that the pool must be arranged anew.
 */
export function reseated(pool: Pool, profile: Profile): Pool | undefined {
  const seat = seatOf(pool, profile.id);
  if (seat === undefined || isCorrupt(seat.profile)) return undefined;
  const { grant, costClass, aliases } = seat.profile;
  const isAlike =
    grant.kind === profile.grant.kind && costClass === profile.costClass && aliases === profile.aliases;
  if (!isAlike) return undefined;
  const seats = pool.seats.slice();
  seats[pool.places.get(profile.id) ?? 0] = { ...seat, profile };
  return { ...pool, seats };
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
  const answering = new Map<string, Profile | CorruptProfile>();
  // Of several that answer to an id the first in order counts.
  for (const p of byId) for (const id of namesOf(p)) if (!answering.has(id)) answering.set(id, p);
  const unknown: string[] = [];
  const named = new Set<Profile | CorruptProfile>();
  for (const id of order ?? []) {
    const found = answering.get(id);
    if (found === undefined) unknown.push(id);
    else named.add(found);
  }
  const hasExplicitOrder = named.size > 0;
  const onlyMetered = byId.every(isMetered);
  const meteredAllowed = hasExplicitOrder || rules.meteredFallback || onlyMetered;
  const seat = (profile: Profile | CorruptProfile, place: number): Seat => ({
    profile,
    place,
    isUnwantedMetered: !meteredAllowed && isMetered(profile),
    isHeld:
      bannedId !== undefined &&
      profile.id !== bannedId &&
      !isCorrupt(profile) &&
      profile.costClass === "SUBSCRIPTION",
  });
  const ranked = hasExplicitOrder ? [...named] : byId;
  const outside = hasExplicitOrder ? byId.filter((p) => !named.has(p)) : [];
  const seats = [...ranked.map((p, i) => seat(p, i + 1)), ...outside.map((p) => seat(p, 0))];
  return {
    rules,
    seats,
    places: new Map(seats.map(({ profile }, i) => [profile.id, i])),
    hasExplicitOrder,
    hasSubscription: !onlyMetered,
    isMixed: !onlyMetered && byId.some(isMetered),
    unknownInOrder: unknown,
  };
}

/** Its id and those it had before. */
function namesOf(profile: Profile | CorruptProfile): readonly string[] {
  return isCorrupt(profile) ? [profile.id] : [profile.id, ...profile.aliases];
}

export function isMetered(profile: Profile | CorruptProfile): boolean {
  return !isCorrupt(profile) && profile.costClass === "METERED";
}

function byKindThenId(a: Profile | CorruptProfile, b: Profile | CorruptProfile): number {
  const kind = kindRank(a) - kindRank(b);
  if (kind !== 0) return kind;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function kindRank(profile: Profile | CorruptProfile): number {
  return isCorrupt(profile) ? PROFILE_KINDS.length : PROFILE_KINDS.indexOf(profile.grant.kind);
}
