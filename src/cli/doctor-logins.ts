import { createHmac, randomBytes } from "node:crypto";
import type { Grant } from "../domain/grant.ts";
import type { Secret } from "../domain/secret.ts";
import { ImportError } from "../import/file.ts";
import type { ImportContext, ImportedProfile, SourceName } from "../import/item.ts";
import { grantOwners } from "../import/owners.ts";
import { findSources, readSource, SOURCES } from "../import/sources.ts";
import type { Places } from "../places.ts";
import { type Check, ok, warn } from "./doctor-check.ts";
import { originChecks, phantomChecks, storeChecks } from "./doctor-programs.ts";
import { importContext } from "./import-plan.ts";
import { takeOvers } from "./import-show.ts";
import { bare, type ProfileView } from "./profile-view.ts";

interface Holder {
  readonly source: SourceName | "auth-broker";
  readonly path: string;
}

export interface FoundLogins {
  readonly logins: readonly {
    readonly profile: string;
    readonly source: SourceName;
    readonly path: string;
  }[];
  /** Single-use logins with more than one owner. */
  readonly sharedGrants: readonly { readonly profile: string; readonly holders: readonly Holder[] }[];
}

/** Finds the logins of all known programs, and who else holds each of them. */
export async function loginChecks(
  checks: Check[],
  where: Places,
  kept: readonly ProfileView[],
): Promise<FoundLogins> {
  const profiles = await foundProfiles(checks, importContext());
  checks.push(...phantomChecks(profiles), ...originChecks(profiles, kept));
  const fingerprintOf = await installFingerprint(where);
  const sharedGrants = [
    ...sharedAmongPrograms(profiles),
    ...(fingerprintOf === undefined ? [] : sharedWithBroker(profiles, where, kept, fingerprintOf)),
  ];
  for (const { profile, holders } of sharedGrants) {
    const names = holders.map(({ source, path }) => `${source} (${path})`).join(", ");
    checks.push(
      warn(
        "login",
        `${profile}: the same single-use login is held by ${names}; whoever refreshes first logs the others out`,
        [...takeOvers(holders.map(({ source }) => source)), "log in anew in all but one of them"].join(
          ", or ",
        ),
      ),
    );
  }
  return {
    logins: profiles.map(({ id, source, sourcePath }) => ({ profile: id, source, path: sourcePath })),
    sharedGrants,
  };
}

async function foundProfiles(checks: Check[], context: ImportContext): Promise<readonly ImportedProfile[]> {
  const profiles: ImportedProfile[] = [];
  const sources = await findSources(context);
  if (sources.length === 0) checks.push(ok("login", "no other program has a login here"));
  for (const { name, path } of sources) {
    try {
      const plan = await readSource(name, undefined, context);
      profiles.push(...plan.profiles);
      const ids = plan.profiles.map(({ id }) => id).join(", ");
      checks.push(
        ok("login", `${SOURCES[name].title} (${path}) has ${ids === "" ? "no login to take over" : ids}`),
      );
      checks.push(...(await storeChecks(name, context)));
      checks.push(...plan.warnings.map((warning) => warn("login", warning)));
      checks.push(...plan.skipped.map(({ item, reason }) => warn("login", `${item}: ${reason}`)));
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      checks.push(warn("login", `${SOURCES[name].title}: ${error.message}`));
    }
  }
  return profiles;
}

function sharedAmongPrograms(profiles: readonly ImportedProfile[]): FoundLogins["sharedGrants"] {
  const key = randomBytes(32);
  const fingerprint = (token: Secret) => createHmac("sha256", key).update(token.reveal()).digest("hex");
  return grantOwners(profiles, fingerprint)
    .filter(({ holders }) => holders.length > 1)
    .map(({ profile, holders }) => ({ profile, holders }));
}

/** Logins of other programs whose token the broker holds too, told by the fingerprints that it shows. */
function sharedWithBroker(
  profiles: readonly ImportedProfile[],
  { stateDir }: Places,
  kept: readonly ProfileView[],
  fingerprintOf: (grant: Grant) => string,
): FoundLogins["sharedGrants"] {
  return profiles.flatMap(({ grant, provider, source, sourcePath }) => {
    if (grant.kind !== "oauth" || grant.refreshToken === undefined) return [];
    const print = fingerprintOf(grant);
    const twin = kept.find((view) => view.provider === provider && view.tokenFingerprint === print);
    if (twin === undefined) return [];
    const path = `${stateDir}, ownership ${bare(twin.ownership)}`;
    return [
      {
        profile: twin.profile,
        holders: [
          { source: "auth-broker" as const, path },
          { source, path: sourcePath },
        ],
      },
    ];
  });
}

/** Undefined if this installation has no key yet, or not for this user. */
async function installFingerprint(where: Places): Promise<((grant: Grant) => string) | undefined> {
  try {
    const [{ readOffline }, { loadConfig }] = await Promise.all([
      import("../offline.ts"),
      import("../config.ts"),
    ]);
    const { key } = await loadConfig(where.configFile);
    const state = await readOffline(where, key, { wallMs: Date.now(), monoMs: performance.now() });
    return state.fingerprintOf;
  } catch {
    return undefined;
  }
}
