import { isOtherAccount, isSameIdentity } from "../domain/account.ts";
import { ImportError } from "../import/file.ts";
import { isSameGrant } from "../import/grants.ts";
import type { ImportedProfile } from "../import/item.ts";
import { rewrite } from "../import/rewrite.ts";
import { type Installation, installationHome, processesOf } from "../import/running.ts";
import { readSource, SOURCES } from "../import/sources.ts";
import { stripped } from "../import/strip.ts";
import { ask, type Line } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { apply, type ImportResult } from "./import-apply.ts";
import { allProfiles } from "./profile-pages.ts";
import { type ProfileView, profileViews } from "./profile-view.ts";

/**
 * Makes the broker the only owner of a program's logins: takes the newest grants, makes them durable, takes
 * the refresh tokens out of the program's files, and only then calls them SOLE. What is interrupted is
 * finished by doing it again. Gives the ids; `result` tells of the rest. Rejects with `ImportError`, or
 * `CommandError` (75 while the program runs).
 */
export async function takeOver(
  line: Line,
  place: Installation,
  result: ImportResult,
): Promise<readonly string[]> {
  const { source, from, context } = place;
  refuseRunning(place);
  const plan = await readSource(source, from, context);
  result.skipped.push(...plan.skipped);
  result.warnings.push(...plan.warnings);
  const stores = await SOURCES[source].stores(from, context);
  // It may have been logged in anew since the last time.
  const held = await apply(line, plan, result, ({ sourcePath }) => stores.includes(sourcePath));
  // It may have been started, and rotated what was read, since.
  refuseRunning(place);
  const isOurs = (login: ImportedProfile) => held.some((own) => isCopy(own, login));
  for (const path of stores) await rewrite(path, stripped(source, isOurs, path, context.now));
  const left = (await readSource(source, from, context)).profiles.filter(hasRefreshToken);
  const taken: string[] = [];
  for (const { profile, provider, sourcePath, ownership, hasRefreshToken: refreshes } of await views(line)) {
    if (!stores.includes(sourcePath) || !refreshes || ownership === "OWNERSHIP_SOLE") continue;
    if (left.some((login) => login.provider === provider && login.id === profile)) continue;
    await line.call("UpdateProfile", { profile, ownership: "OWNERSHIP_SOLE" });
    taken.push(profile);
  }
  return taken;
}

/**
 * Gives the logins that were taken over from an installation back to it, as they are now, and removes
 * them here. Gives the ids. Rejects as `takeOver` does.
 */
export async function giveBack(line: Line, place: Installation): Promise<readonly string[]> {
  refuseRunning(place);
  const stores = await SOURCES[place.source].stores(place.from, place.context);
  const given: string[] = [];
  for (const { profile, sourcePath, ownership, hasRefreshToken: refreshes } of await views(line)) {
    if (!stores.includes(sourcePath) || !refreshes || ownership !== "OWNERSHIP_SOLE") continue;
    await ask("login", "ReturnProfile", { profile });
    given.push(profile);
  }
  if (given.length > 0) return given;
  throw new ImportError(66, stores.join(", "), "the broker has no login that it took over from there");
}

async function views(line: Line): Promise<readonly ProfileView[]> {
  return profileViews((await allProfiles(line)).profiles);
}

function refuseRunning({ source, from, context }: Installation): void {
  const home = from === undefined ? SOURCES[source].home(context) : installationHome(source, from);
  const pids = processesOf(source, home, context);
  if (pids.length === 0) return;
  const one = pids.length === 1;
  throw new CommandError(
    75,
    `${SOURCES[source].title} is running (process${one ? "" : "es"} ${pids.join(", ")}) and may rotate its logins at any moment`,
    { help: `end ${one ? "it" : "them"} first, and do this again` },
  );
}

/** The same login, or an outdated one of the same account: sending that could end both. */
function isCopy(own: ImportedProfile, login: ImportedProfile): boolean {
  if (own.provider !== login.provider) return false;
  if (isSameGrant(own.grant, login.grant) || isSameIdentity(own.account, login.account)) return true;
  return own.id === login.id && !isOtherAccount(own.account, login.account);
}

function hasRefreshToken({ grant }: ImportedProfile): boolean {
  return grant.kind === "oauth" && grant.refreshToken !== undefined;
}
