import type { ImportedProfile, ImportPlan, Skipped, SourceName } from "../import/item.ts";
import type { Message } from "../rpc/schema.ts";
import type { Line } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { putRequest } from "./import-put.ts";
import { allProfiles } from "./profile-pages.ts";
import { type ProfileView, profileView, profileViews } from "./profile-view.ts";

export interface Imported {
  readonly profile: string;
  readonly source: SourceName;
  readonly path: string;
}

/** What came of an import so far. */
export interface ImportResult {
  readonly imported: Imported[];
  readonly skipped: Skipped[];
  readonly orders: { readonly provider: string; readonly profiles: readonly string[] }[];
  readonly warnings: string[];
}

/** Whether a login of the broker's own may be replaced by a newer one from a file. */
type MayReplace = (view: ProfileView) => boolean;

/** Refusals that are about one profile; any other ends the import. */
const ABOUT_ONE = ["FIELD_INVALID", "PROVIDER_UNKNOWN", "OLDER_GRANT", "ACCOUNT_CHANGED", "IDENTITY_EXISTS"];

/**
 * Puts what was planned into the broker and writes down in `result` what came of each item. Gives those
 * whose login, or a newer one of theirs, the broker now holds. Rejects with `CommandError` when the broker
 * as a whole does not play along; what was done until then stays.
 */
export async function apply(
  line: Line,
  plan: ImportPlan,
  result: ImportResult,
  mayReplace: MayReplace = () => false,
): Promise<readonly ImportedProfile[]> {
  const present = new Map((await listed(line)).map((view) => [view.profile, view]));
  /** Ids that are other ones here. */
  const ids = new Map<string, string>();
  const held: ImportedProfile[] = [];
  for (const profile of plan.profiles) {
    const taken = await take(line, profile, present, mayReplace);
    if (taken.id !== undefined) ids.set(profile.id, taken.id);
    if (taken.isHeld) held.push(profile);
    if (taken.reason !== undefined) result.skipped.push({ item: profile.id, reason: taken.reason });
    else {
      const { source, sourcePath: path } = profile;
      result.imported.push({ profile: taken.id, source, path });
    }
  }
  const isThere = (id: string) => present.has(id) || result.imported.some(({ profile }) => profile === id);
  for (const { provider, profiles } of plan.orders) {
    const order = profiles.map((id) => ids.get(id) ?? id);
    if (order.some(isThere)) await setOrder(line, provider, order, result);
    else result.skipped.push({ item: `order of ${provider}`, reason: "none of its profiles is here" });
  }
  return held;
}

/** The profiles that stand outside an explicit order, so that they would never be used. */
export async function outside(line: Line, imported: readonly Imported[]): Promise<readonly ProfileView[]> {
  const own = new Set(imported.map(({ profile }) => profile));
  return (await listed(line)).filter(({ profile, order }) => own.has(profile) && order === 0);
}

async function listed(line: Line): Promise<readonly ProfileView[]> {
  return profileViews((await allProfiles(line)).profiles);
}

/** The id that it has here now, or why it was not taken. */
type Taken =
  | { readonly id: string; readonly reason?: undefined; readonly isHeld: true }
  | { readonly id: string | undefined; readonly reason: string; readonly isHeld: boolean };

async function take(
  line: Line,
  profile: ImportedProfile,
  present: ReadonlyMap<string, ProfileView>,
  mayReplace: MayReplace,
): Promise<Taken> {
  const isOld = ({ reason }: CommandError) => reason === "OLDER_GRANT";
  const obstacle = obstacleOf(profile, present.get(profile.id), mayReplace);
  if (obstacle !== undefined) return { id: profile.id, reason: obstacle, isHeld: false };
  const first = await put(line, putRequest(profile));
  if (typeof first === "string") return { id: first, isHeld: true };
  const existing = first.reason === "IDENTITY_EXISTS" ? existingId(first) : undefined;
  if (existing === undefined) return { id: undefined, reason: first.message, isHeld: isOld(first) };
  const other = obstacleOf(profile, present.get(existing), mayReplace);
  if (other !== undefined) return { id: existing, reason: `${first.message}; ${other}`, isHeld: false };
  const second = await put(
    line,
    putRequest({ ...profile, id: existing, aliases: [...profile.aliases, profile.id] }),
  );
  return typeof second === "string"
    ? { id: second, isHeld: true }
    : { id: existing, reason: `${first.message}; ${second.message}`, isHeld: isOld(second) };
}

/** A login that nobody else can rotate is worth more than a newer one that two programs share. */
const OWN_LOGIN =
  "the broker has a login of its own for it, which is kept; remove that first to take this one";

const LENT = "it has no refresh token there, so the login that the broker has is kept";

/** Why the broker's own login of this account stays, if it does. */
function obstacleOf(
  { grant }: ImportedProfile,
  view: ProfileView | undefined,
  mayReplace: MayReplace,
): string | undefined {
  if (view?.ownership === "OWNERSHIP_SOLE" && !mayReplace(view)) return OWN_LOGIN;
  const isLent = grant.kind === "oauth" && grant.refreshToken === undefined;
  return isLent && view?.hasRefreshToken === true ? LENT : undefined;
}

/** The id that a put went to, or its refusal. */
async function put(line: Line, request: Message): Promise<string | CommandError> {
  try {
    const { profile } = await line.call("PutProfile", request);
    return profileView(profile as Message).profile;
  } catch (error) {
    if (error instanceof CommandError && ABOUT_ONE.includes(error.reason)) return error;
    throw error;
  }
}

/** The id in `this account is already there as "…"`; the status has no field for it. */
function existingId({ message }: CommandError): string | undefined {
  return /"(.+)"/.exec(message)?.[1];
}

async function setOrder(
  line: Line,
  provider: string,
  profiles: readonly string[],
  result: ImportResult,
): Promise<void> {
  try {
    const answer = await line.call("SetOrder", { provider, profiles });
    result.orders.push({ provider, profiles: answer.profiles as readonly string[] });
    for (const id of answer.unknown as readonly string[]) {
      result.warnings.push(`the order of ${provider} names "${id}", which is not here; it is skipped`);
    }
  } catch (error) {
    if (!(error instanceof CommandError && ABOUT_ONE.includes(error.reason))) throw error;
    result.skipped.push({ item: `order of ${provider}`, reason: error.message });
  }
}
