import { isOtherAccount, isSameIdentity } from "../domain/account.ts";
import { isOlder } from "../domain/grant.ts";
import { ImportError } from "../import/file.ts";
import type { ImportContext, ImportedProfile, ImportPlan, Skipped, SourceName } from "../import/item.ts";
import { findSources, readSource, SOURCES } from "../import/sources.ts";
import { homeDirectory } from "./here.ts";

/** What all sources hold together, and the sources that could not be read. */
export interface Gathered {
  readonly plan: ImportPlan;
  readonly failures: readonly ImportError[];
}

/** Where the importers look for this user, now. */
export function importContext(): ImportContext {
  const now = { wallMs: Date.now(), monoMs: performance.now() };
  return { env: process.env, home: homeDirectory(), now };
}

/**
 * Reads the named sources, or with no name every one that is found. `from`: where to look for the one
 * that is named. A source that cannot be read is a failure if it was named or nothing else could be
 * read; otherwise it is skipped. Nothing there: `ImportError` 66.
 */
export async function gather(
  names: readonly SourceName[],
  from: string | undefined,
  context: ImportContext,
): Promise<Gathered> {
  const wanted =
    names.length > 0 ? [...new Set(names)] : (await findSources(context)).map(({ name }) => name);
  if (wanted.length === 0) throw nothingFound(context);
  const plans: ImportPlan[] = [];
  const failures: ImportError[] = [];
  for (const name of wanted) {
    try {
      plans.push(await readSource(name, from, context));
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      failures.push(error);
    }
  }
  const plan = together(plans);
  if (names.length > 0 || plans.length === 0) return { plan, failures };
  const unread = failures.map(({ path, message }) => ({ item: path, reason: message }));
  return { plan: { ...plan, skipped: [...unread, ...plan.skipped] }, failures: [] };
}

/** One plan of several: an account that stands in two programs' files is taken once, the newer login of it. */
export function together(plans: readonly ImportPlan[]): ImportPlan {
  const profiles: ImportedProfile[] = [];
  const skipped: Skipped[] = plans.flatMap((plan) => plan.skipped);
  for (const profile of plans.flatMap((plan) => plan.profiles)) {
    const index = profiles.findIndex((known) => isTwin(known, profile));
    const known = profiles[index];
    if (known === undefined) profiles.push(profile);
    else if (isOtherAccount(known.account, profile.account)) skipped.push(clash(known, profile));
    else {
      const [taken, left] = isOlder(known.grant, profile.grant) ? [profile, known] : [known, profile];
      profiles[index] = { ...taken, id: known.id, label: known.label, aliases: aliasesOf(known, profile) };
      skipped.push({
        item: left.id,
        reason: `${left.sourcePath} holds the same account; ${taken.sourcePath} was taken`,
      });
    }
  }
  return {
    profiles,
    skipped,
    orders: plans.flatMap((plan) => plan.orders),
    warnings: plans.flatMap((plan) => plan.warnings),
  };
}

function isTwin(a: ImportedProfile, b: ImportedProfile): boolean {
  return a.id === b.id || (a.provider === b.provider && isSameIdentity(a.account, b.account));
}

function aliasesOf(known: ImportedProfile, other: ImportedProfile): readonly string[] {
  const all = new Set([...known.aliases, ...other.aliases, other.id]);
  all.delete(known.id);
  return [...all];
}

function clash(known: ImportedProfile, { id, sourcePath }: ImportedProfile): Skipped {
  return { item: id, reason: `${sourcePath} holds another account than ${known.sourcePath} under this id` };
}

function nothingFound(context: ImportContext): ImportError {
  const places = Object.values(SOURCES).map((source) => source.home(context));
  return new ImportError(66, places.join(", "), "no login of a known program is there");
}
