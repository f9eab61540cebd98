import { randomBytes } from "node:crypto";
import { isOtherAccount, isSameIdentity } from "../domain/account.ts";
import type { Account } from "../domain/grant.ts";
import type { Profile } from "../domain/profile.ts";
import { loginReason } from "../domain/state.ts";
import type { LoginGrant } from "../provider/provider.ts";
import type { Context } from "./context.ts";
import { put } from "./put.ts";

/** What was kept, and what is worth telling about it. */
export interface Kept {
  readonly profile: Profile;
  readonly notes: readonly string[];
}

/**
 * Makes a fresh login the profile's only one (SOLE), durably. Rejects with `BrokerFailure`: another
 * account, an account that is there under another id, a store that does not write.
 */
export async function keep(
  ctx: Context,
  profileId: string,
  login: LoginGrant,
  allowAccountChange: boolean,
): Promise<Kept> {
  const provider = ctx.providerOf(profileId.slice(0, profileId.indexOf(":")));
  const before = ctx.ledger.get(profileId);
  const profile = await put(ctx, {
    profile: profileId,
    grant: login.grant,
    account: login.account,
    costClass: provider.costClass,
    origin: "login",
    ownership: "SOLE",
    sourcePath: "",
    ...(login.baseUrl === undefined || provider.baseUrl !== "" ? {} : { baseUrl: login.baseUrl }),
    accountEpoch: randomBytes(6).toString("base64url"),
    allowAccountChange,
  });
  return { profile, notes: notesOf(ctx, profile, before, login) };
}

/**
 * The profile that a login without a label is for: the account's own; else the only one that waits for
 * a login and may be the account's; else a new one.
 */
export function profileFor(ctx: Context, provider: string, account: Account): string {
  const mine = ctx.ledger.ofProvider(provider);
  const same =
    mine.find((profile) => isSameIdentity(profile.account, account)) ??
    mine.find((profile) => profile.grant.kind !== "api_key" && isSameUser(profile.account, account));
  if (same !== undefined) return same.id;
  const now = ctx.clock.now();
  const waiting = mine.filter(
    (profile) =>
      profile.grant.kind !== "api_key" &&
      loginReason(profile, now) !== undefined &&
      !isOtherAccount(profile.account, account),
  );
  const [only] = waiting;
  if (only !== undefined && waiting.length === 1) return only.id;
  const names = ["default", account.email, account.accountId].filter((name) => name !== undefined);
  const isFree = (id: string) =>
    ctx.ledger.get(ctx.ledger.resolve(id)) === undefined && ctx.ledger.corrupt(id) === undefined;
  const named = names.map((name) => `${provider}:${name}`).find(isFree);
  if (named !== undefined) return named;
  for (let n = 2; ; n += 1) if (isFree(`${provider}:login-${n}`)) return `${provider}:login-${n}`;
}

/** Where a provider has no account ids, its user ids are all there is. */
function isSameUser(a: Account, b: Account): boolean {
  const hasNoAccount = a.accountId === undefined && b.accountId === undefined;
  return hasNoAccount && a.userId !== undefined && a.userId === b.userId;
}

function notesOf(
  ctx: Context,
  profile: Profile,
  before: Profile | undefined,
  login: LoginGrant,
): readonly string[] {
  const { account, missingScopes, skewMs } = login;
  const notes: string[] = [];
  if (account.accountId === undefined && account.userId === undefined && account.email === undefined) {
    notes.push("the provider did not tell which account this is");
  }
  if (missingScopes.length > 0) notes.push(`not granted: ${missingScopes.join(" ")}`);
  if (skewMs !== undefined) {
    const seconds = Math.round(Math.abs(skewMs) / 1_000);
    notes.push(`this machine's clock is ${seconds} s ${skewMs > 0 ? "behind" : "ahead of"} the provider's`);
  }
  if (before?.ownership === "SHARED") {
    const where = before.sourcePath === "" ? "another program" : `the program of ${before.sourcePath}`;
    notes.push(
      `the login is the broker's alone now (SOLE); ${where} still holds the one that was shared until now: ` +
        `sign out there (${ctx.signOutHint(before.sourcePath)}) and let the program ask the broker`,
    );
  }
  if (!profile.enabled) notes.push("the profile is switched off; auth-broker profiles enable switches it on");
  return notes;
}
