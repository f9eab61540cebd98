import type { Secret } from "../domain/secret.ts";
import type { ImportedProfile, SourceName } from "./item.ts";

/** One single-use grant and everybody who holds it. Holds no secret. */
export interface GrantOwners {
  readonly fingerprint: string;
  readonly provider: string;
  /** The id that the login has or would get here. */
  readonly profile: string;
  readonly holders: readonly { readonly source: SourceName; readonly path: string }[];
}

/**
 * Every grant with a refresh token among the logins that were found, with the files that hold it.
 * More than one holder means that whoever refreshes first logs the others out.
 */
export function grantOwners(
  profiles: readonly ImportedProfile[],
  fingerprint: (token: Secret) => string,
): readonly GrantOwners[] {
  const owners = new Map<string, GrantOwners>();
  for (const { id, provider, grant, source, sourcePath, copies } of profiles) {
    if (grant.kind !== "oauth" || grant.refreshToken === undefined) continue;
    const print = fingerprint(grant.refreshToken);
    const known = owners.get(print) ?? { fingerprint: print, provider, profile: id, holders: [] };
    const holders = [sourcePath, ...copies].map((path) => ({ source, path }));
    owners.set(print, { ...known, holders: [...known.holders, ...holders] });
  }
  return [...owners.values()];
}
