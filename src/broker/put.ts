import { isOtherAccount, isSameIdentity } from "../domain/account.ts";
import { BrokerFailure } from "../domain/failure.ts";
import type { Account } from "../domain/grant.ts";
import { isOlder } from "../domain/grant.ts";
import { type Profile, splitProfileId } from "../domain/profile.ts";
import { created, type Put, transition } from "../domain/transition.ts";
import { type Context, unknownProvider } from "./context.ts";
import { storeTrouble } from "./store-failure.ts";

/** A login to keep under an id. */
export interface PutOrder extends Put {
  /** Canonical id. */
  readonly profile: string;
  readonly allowAccountChange: boolean;
}

/**
 * Makes a profile or replaces its grant. Rejects with `BrokerFailure`: unknown provider, an older
 * grant, another account under the id, the same account under another id, a store that does not write.
 */
export async function put(ctx: Context, order: PutOrder): Promise<Profile> {
  const parts = splitProfileId(order.profile);
  if (parts === undefined) throw badId();
  if (!ctx.isKnown(parts.provider) && ctx.ledger.ofProvider(parts.provider).length === 0) {
    throw unknownProvider(ctx, parts.provider);
  }
  const id = ctx.ledger.resolve(order.profile);
  // One at a time: two logins of one account under two ids must not both find the other missing.
  return ctx.oneByOne(async () => {
    refuseTwin(ctx, id, parts.provider, order.account);
    if (ctx.ledger.corrupt(id) !== undefined) await ctx.ledger.setAside(id).catch(storeTrouble);
    const committed = await ctx.ledger.commit(id, (old) => applied(ctx, id, old, order)).catch(storeTrouble);
    if (committed.after === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: id });
    return committed.after;
  });
}

function applied(ctx: Context, id: string, old: Profile | undefined, order: PutOrder): Profile {
  const now = ctx.clock.now();
  const parts = splitProfileId(id);
  if (parts === undefined) throw badId();
  if (old === undefined) return created(id, parts.provider, parts.label, order, now);
  const accountChanged = isOtherAccount(old.account, order.account);
  if (accountChanged && !order.allowAccountChange) {
    throw new BrokerFailure({ kind: "account_changed", profile: id });
  }
  // What was granted just now is the newest there is, whatever the clocks say.
  if (!accountChanged && order.origin !== "login" && isOlder(order.grant, old.grant)) {
    throw new BrokerFailure({ kind: "older_grant", profile: id });
  }
  return transition(old, { type: "put", put: order, accountChanged }, now, ctx.settings);
}

function refuseTwin(ctx: Context, id: string, provider: string, account: Account): void {
  const twin = ctx.ledger
    .ofProvider(provider)
    .find((other) => other.id !== id && isSameIdentity(other.account, account));
  if (twin !== undefined) {
    throw new BrokerFailure({ kind: "identity_exists", profile: id, existing: twin.id });
  }
}

function badId(): BrokerFailure {
  const description = "must be <provider>:<label>, such as openai-codex:work";
  return new BrokerFailure({ kind: "field_invalid", violations: [{ field: "profile", description }] });
}
