import { BrokerFailure } from "../domain/failure.ts";
import { isCorrupt } from "../domain/pool.ts";
import type { Profile } from "../domain/profile.ts";
import type { StateView } from "../domain/state.ts";
import { after } from "../domain/time.ts";
import type { UsageSample } from "../domain/usage-history.ts";
import type { Patience } from "./acquire.ts";
import type { Caller, Context } from "./context.ts";
import { stateOfSeat } from "./status.ts";
import type { UsageTrouble } from "./usage-troubles.ts";
import { firstOf } from "./waiting.ts";

/** What is known of one account's usage. */
export interface UsageView {
  readonly profile: Profile;
  readonly state: StateView;
  /** Wall-clock moment of the next look at the provider; absent: none is planned. */
  readonly nextLookAtMs?: number;
  /** Why the last look brought nothing, and until when none is made, on the wall clock. */
  readonly trouble?: UsageTrouble;
}

export interface UsageQuestion {
  /** Empty: all. */
  readonly provider: string;
  /** How long to wait for readings where the last ones are not fresh. 0: none are made. */
  readonly maxWaitMs: number;
  readonly history: boolean;
}

/** What the accounts that a caller may know of have used, with their last 30 days if wanted. */
export async function usage(
  ctx: Context,
  { provider, maxWaitMs, history }: UsageQuestion,
  caller: Caller,
  { deadline, signal }: Pick<Patience, "deadline" | "signal">,
): Promise<readonly (UsageView & { readonly history: readonly UsageSample[] })[]> {
  refuseUnknown(ctx, provider);
  if (maxWaitMs > 0) {
    const looks = providersOf(ctx, provider, caller).map((id) => ctx.usage.look(id, caller.allowsProfile));
    const limit = after(ctx.clock.now(), maxWaitMs);
    await firstOf(ctx.alarm, [Promise.all(looks)], [limit, deadline], [signal, ctx.ending]);
  }
  const views = viewsOf(ctx, provider, caller);
  return Promise.all(
    views.map(async (view) => ({
      ...view,
      history: history ? await ctx.histories.of(view.profile.id) : [],
    })),
  );
}

/** What is known at first and after each change, until `signal`. While it is followed, usage is looked at. */
export async function* watchUsage(
  ctx: Context,
  provider: string,
  caller: Caller,
  signal: AbortSignal,
): AsyncGenerator<readonly UsageView[], void, undefined> {
  refuseUnknown(ctx, provider);
  const followed = caller.seesAll ? [provider] : providersOf(ctx, provider, caller);
  const stops = followed.map((id) => ctx.usage.follow(id));
  try {
    let shown: readonly UsageView[] | undefined;
    while (!signal.aborted) {
      const news = ctx.latest.next(provider);
      try {
        const views = viewsOf(ctx, provider, caller);
        if (shown === undefined || differ(shown, views)) {
          shown = views;
          yield views;
        } else await firstOf(ctx.alarm, [news.changed], [], [signal]);
      } finally {
        news.stop();
      }
    }
  } finally {
    for (const stop of stops) stop();
  }
}

function refuseUnknown(ctx: Context, provider: string): void {
  if (provider === "" || ctx.isKnown(provider) || ctx.ledger.pool(provider).seats.length > 0) return;
  throw new BrokerFailure({ kind: "provider_unknown", provider });
}

function providersOf(ctx: Context, provider: string, caller: Caller): readonly string[] {
  return (provider === "" ? ctx.ledger.owners() : [provider]).filter(caller.allowsProvider);
}

/** By id. Keys have no usage to show, unless somebody reported some. */
function viewsOf(ctx: Context, provider: string, caller: Caller): readonly UsageView[] {
  const now = ctx.clock.now();
  const views = providersOf(ctx, provider, caller).flatMap((id) =>
    ctx.ledger.pool(id).seats.flatMap((seat): readonly UsageView[] => {
      const { profile } = seat;
      if (isCorrupt(profile) || !caller.allowsProfile(profile.id)) return [];
      if (profile.grant.kind === "api_key" && profile.usageWindows.length === 0) return [];
      const nextLookAtMs = ctx.usage.nextLookAtMs(profile);
      const trouble = ctx.usage.troubleOf(profile);
      return [
        {
          profile,
          state: stateOfSeat(ctx, seat, profile, now),
          ...(nextLookAtMs === undefined ? {} : { nextLookAtMs }),
          ...(trouble === undefined ? {} : { trouble }),
        },
      ];
    }),
  );
  return views.sort((a, b) => (a.profile.id < b.profile.id ? -1 : 1));
}

function differ(before: readonly UsageView[], after: readonly UsageView[]): boolean {
  return (
    before.length !== after.length ||
    after.some((view, i) => {
      const old = before[i];
      return (
        old?.profile.id !== view.profile.id ||
        old.profile.usageWindows !== view.profile.usageWindows ||
        old.profile.storedResets !== view.profile.storedResets ||
        old.profile.account.planType !== view.profile.account.planType ||
        old.state.state !== view.state.state ||
        old.state.reason !== view.state.reason ||
        old.trouble !== view.trouble
      );
    })
  );
}
