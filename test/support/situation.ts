import type { Request } from "../../src/domain/candidate.ts";
import { arrange, type CorruptProfile, type ProviderRules } from "../../src/domain/pool.ts";
import type { Cooldown, Profile } from "../../src/domain/profile.ts";
import type { Scene } from "../../src/domain/selection.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "./arbitrary.ts";

// The profiles of a provider `x`, and what is asked of them.

const MINUTE = 60_000;
export const HOME_WITHIN = 5 * MINUTE;
const RULES: ProviderRules = { id: "x", strategy: "ordered", failover: "auto", meteredFallback: false };

type Listed = Profile | CorruptProfile;
export const login = (label: string, part: Partial<Profile> = {}) =>
  profileWith({ id: `x:${label}`, ...part });
export const key = (label: string) => login(label, { grant: apiKeyGrantWith(), costClass: "METERED" });
export const corrupt = (label: string): CorruptProfile => ({
  corrupt: true,
  id: `x:${label}`,
  path: `/s/${label}`,
});
/** A token that is over, and can be refreshed. */
const over = oauthGrantWith({ expires: after(NOW, 0) });
export const stale = (label: string, part: Partial<Profile> = {}) => login(label, { grant: over, ...part });
export const limit = (ms: number, part: Partial<Cooldown> = {}): Cooldown => ({
  model: "",
  outcome: "USAGE_LIMIT",
  source: "GUESS",
  setAtMs: NOW.wallMs - MINUTE,
  until: after(NOW, ms),
  halfOpen: true,
  ...part,
});
export const cooling = (label: string, ms: number) => login(label, { cooldowns: [limit(ms)] });

export interface Asked {
  readonly profiles: readonly Listed[];
  readonly order?: readonly string[];
  readonly bannedId?: string;
  readonly rules?: Partial<ProviderRules>;
  readonly request?: Partial<Request>;
  readonly scene?: Partial<Scene>;
}

/** What `select` and `explain` are given. */
export function situation({ profiles, order, bannedId, rules, request, scene }: Asked) {
  return [
    arrange({ ...RULES, ...rules }, profiles, order, bannedId),
    {
      provider: "x",
      model: "m",
      sessionId: "s",
      pool: "",
      kinds: [],
      minValidForMs: MINUTE,
      profile: "",
      excludeProfiles: [],
      ...request,
    },
    {
      allows: () => true,
      trialUntil: () => undefined,
      isImpatient: false,
      turns: { lastPlace: 0, load: () => 0 },
      ...scene,
    },
    HOME_WITHIN,
    NOW,
  ] as const;
}

/** A conversation that has a home already. */
export const at = (home: string, lentTo?: string) => ({ session: { home, ...(lentTo && { lentTo }) } });
