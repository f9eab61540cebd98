import { isOtherAccount, isSameIdentity, mergeAccounts } from "../domain/account.ts";
import { isOlder } from "../domain/grant.ts";
import { isSameGrant } from "./grants.ts";
import type { ImportedCooldown, ImportedProfile, Skipped } from "./item.ts";
import { labelOf } from "./profile.ts";

/** A login as one agent holds it. */
export interface AgentLogin {
  readonly agent: string;
  /** The id in that agent's files. */
  readonly writtenId: string;
  readonly profile: ImportedProfile;
}

export interface MergedLogins {
  readonly profiles: readonly ImportedProfile[];
  readonly skipped: readonly Skipped[];
  readonly warnings: readonly string[];
  /** The id that each login ended up under. */
  readonly ids: ReadonlyMap<AgentLogin, string>;
}

/**
 * Agents hold copies of each other's logins, some of them outdated. Those of one account become one
 * profile: the newest grant, the first id (the others stay as aliases), the latest end of every
 * cooldown. Logins come in order of precedence.
 */
export function mergeLogins(logins: readonly AgentLogin[]): MergedLogins {
  const claimed = new Set<string>();
  const ids = new Map<AgentLogin, string>();
  const warnings: string[] = [];
  const skipped: Skipped[] = [];
  const profiles = groupsOf(logins).map((group) => {
    const joined = join(group);
    const [first] = group;
    const profile = claimed.has(joined.id) ? underFreeId(joined, first.agent, claimed) : joined;
    if (profile !== joined) {
      warnings.push(`${joined.id} is another account in agent ${first.agent}: it becomes ${profile.id}`);
    }
    const aliases = profile.aliases.filter((alias) => !claimed.has(alias));
    for (const id of [profile.id, ...aliases]) claimed.add(id);
    for (const login of group) ids.set(login, profile.id);
    skipped.push(...outdated(group, profile));
    return { ...profile, aliases };
  });
  return { profiles, skipped, warnings, ids };
}

type Group = [AgentLogin, ...AgentLogin[]];

function groupsOf(logins: readonly AgentLogin[]): readonly Group[] {
  let groups: readonly Group[] = [];
  for (const login of logins) {
    const [own, ...alsoOwn] = groups.filter((group) => belongs(login, group));
    groups =
      own === undefined
        ? [...groups, [login]]
        : groups
            .filter((group) => !alsoOwn.includes(group))
            .map((group): Group => (group === own ? [...own, ...alsoOwn.flat(), login] : group));
  }
  return groups;
}

/**
 * OAuth logins of the same account for certain, or the very same grant. Two under one id are taken
 * for copies as well where nothing speaks against it: to send an outdated single-use token ends the
 * login. Keys and bare tokens tell no account: only copies under one id are one.
 */
function belongs({ profile }: AgentLogin, group: Group): boolean {
  const similar = group
    .map((login) => login.profile)
    .filter((other) => other.provider === profile.provider && other.grant.kind === profile.grant.kind);
  const sameId = similar.filter((other) => other.id === profile.id);
  if (profile.grant.kind !== "oauth") return sameId.some((other) => isSameGrant(other.grant, profile.grant));
  return (
    similar.some(
      (other) => isSameGrant(other.grant, profile.grant) || isSameIdentity(other.account, profile.account),
    ) ||
    (sameId.length > 0 && !similar.some((other) => isOtherAccount(other.account, profile.account)))
  );
}

function join(group: Group): ImportedProfile {
  const profiles = group.map((login) => login.profile);
  const { id, label } = group[0].profile;
  const newest = profiles.reduce((best, next) => (isOlder(best.grant, next.grant) ? next : best));
  const copies = profiles.filter((other) => isSameGrant(other.grant, newest.grant));
  return {
    ...newest,
    id,
    label,
    account: [...profiles, newest].map((profile) => profile.account).reduce(mergeAccounts, {}),
    aliases: distinct(profiles.flatMap((other) => [other.id, ...other.aliases])).filter((a) => a !== id),
    copies: distinct(copies.map((copy) => copy.sourcePath)).filter((path) => path !== newest.sourcePath),
    cooldowns: latestEnds(profiles.flatMap((other) => other.cooldowns)),
  };
}

function latestEnds(cooldowns: readonly ImportedCooldown[]): readonly ImportedCooldown[] {
  const latest = new Map<string, ImportedCooldown>();
  for (const cooldown of cooldowns) {
    const key = `${cooldown.outcome} ${cooldown.model}`;
    const known = latest.get(key);
    if (known === undefined || known.untilMs < cooldown.untilMs) latest.set(key, cooldown);
  }
  return [...latest.values()];
}

function outdated(group: Group, profile: ImportedProfile): readonly Skipped[] {
  return group
    .filter((login) => !isSameGrant(login.profile.grant, profile.grant))
    .map((login) => ({
      item: login.writtenId,
      reason: `agent ${login.agent} holds a login there that is not newer than the one taken over as ${profile.id}`,
    }));
}

function underFreeId(profile: ImportedProfile, agent: string, claimed: ReadonlySet<string>): ImportedProfile {
  const byAgent = `${profile.label}-${agent}`;
  const labels = [
    ...[labelOf(profile.account.email)].filter((label) => label !== undefined),
    byAgent,
    ...Array.from(claimed, (_, n) => `${byAgent}-${n + 2}`),
  ];
  const label = labels.find((free) => !claimed.has(`${profile.provider}:${free}`)) ?? byAgent;
  return { ...profile, id: `${profile.provider}:${label}`, label };
}

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}
