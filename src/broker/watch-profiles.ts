import { BrokerFailure } from "../domain/failure.ts";
import type { Context } from "./context.ts";
import { type CorruptView, idOf, listViews, type ProfileView } from "./status.ts";
import { firstOf } from "./waiting.ts";

/** All profiles at first, then those that changed since the message before. */
export interface ProfileNews {
  readonly profiles: readonly (ProfileView | CorruptView)[];
  readonly removed: readonly string[];
  readonly snapshot: boolean;
}

/** Follows the profiles of a provider (empty: of all) until `signal`. Computed when asked for, so a slow reader skips. */
export async function* watchProfiles(
  ctx: Context,
  provider: string,
  signal: AbortSignal,
): AsyncGenerator<ProfileNews, void, undefined> {
  let shown: ReadonlyMap<string, ProfileView | CorruptView> | undefined;
  while (!signal.aborted) {
    const { lockFailure } = ctx.ledger;
    if (lockFailure !== undefined) throw new BrokerFailure(lockFailure);
    const { changed, stop } = ctx.latest.next(provider);
    try {
      const views = new Map(listViews(ctx, provider).map((view) => [idOf(view), view]));
      const news = compare(shown, views);
      if (news !== undefined) {
        shown = views;
        yield news;
      } else await firstOf(ctx.alarm, [changed], [], [signal]);
    } finally {
      stop();
    }
  }
}

function compare(
  shown: ReadonlyMap<string, ProfileView | CorruptView> | undefined,
  views: ReadonlyMap<string, ProfileView | CorruptView>,
): ProfileNews | undefined {
  if (shown === undefined) return { profiles: [...views.values()], removed: [], snapshot: true };
  const profiles = [...views].filter(([id, view]) => differs(shown.get(id), view)).map(([, view]) => view);
  const removed = [...shown.keys()].filter((id) => !views.has(id));
  return profiles.length === 0 && removed.length === 0 ? undefined : { profiles, removed, snapshot: false };
}

function differs(a: ProfileView | CorruptView | undefined, b: ProfileView | CorruptView): boolean {
  if (a === undefined || "corrupt" in a || "corrupt" in b)
    return a === undefined || "corrupt" in a !== "corrupt" in b;
  return (
    a.profile !== b.profile ||
    a.state.state !== b.state.state ||
    a.state.reason !== b.state.reason ||
    a.order !== b.order
  );
}
