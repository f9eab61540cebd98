import { decidingFor } from "../domain/cooldown.ts";
import { endedText, isOfferEnded } from "../domain/ended-offer.ts";
import { isCorrupt, type Seat, seatOf } from "../domain/pool.ts";
import type { Profile } from "../domain/profile.ts";
import { type ProfileState, type StateView, stateOf } from "../domain/state.ts";
import { earliest, type Now, wallOf } from "../domain/time.ts";
import type { Context } from "./context.ts";

/** Numbers of one provider; each profile counts once. */
export interface ProviderSummary {
  readonly provider: string;
  readonly usable: number;
  readonly coolingDown: number;
  readonly needsLogin: number;
  readonly blocked: number;
  readonly disabled: number;
  readonly nextUsableAtMs?: number;
}

/** A profile with what only the broker knows of it. */
export interface ProfileView {
  readonly profile: Profile;
  readonly state: StateView;
  /** Place in the order, 0 outside an explicit one. */
  readonly order: number;
  readonly isOrderExplicit: boolean;
  readonly sessionCount: number;
  readonly fingerprint: string;
  readonly now: Now;
}

export interface CorruptView {
  readonly corrupt: true;
  readonly id: string;
  readonly order: number;
}

/** The profile as an operator sees it now. */
export function viewOf(ctx: Context, profile: Profile): ProfileView {
  const now = ctx.clock.now();
  const pool = ctx.ledger.pool(profile.provider);
  const seat = seatOf(pool, profile.id);
  return {
    profile,
    state: stateOf(
      profile,
      { held: seat?.isHeld === true, trialRunning: ctx.trials.isRunning(profile.id, now) },
      now,
    ),
    order: seat?.place ?? 0,
    isOrderExplicit: pool.hasExplicitOrder,
    sessionCount: ctx.sessions.count(profile.id, now),
    fingerprint: ctx.fingerprintOf(profile.grant),
    now,
  };
}

/** Every profile of a provider (empty: of all), sorted by id, unreadable ones included. */
export function listViews(ctx: Context, provider: string): readonly (ProfileView | CorruptView)[] {
  const owners = provider === "" ? ctx.ledger.owners() : [provider];
  const views = owners.flatMap((owner) => ctx.ledger.pool(owner).seats.map((seat) => seatView(ctx, seat)));
  return views.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
}

export function idOf(view: ProfileView | CorruptView): string {
  return "corrupt" in view ? view.id : view.profile.id;
}

function seatView(ctx: Context, seat: Seat): ProfileView | CorruptView {
  if (isCorrupt(seat.profile)) return { corrupt: true, id: seat.profile.id, order: seat.place };
  return viewOf(ctx, seat.profile);
}

/** The numbers of one provider, as far as `allows` lets them be seen. */
export function summarize(
  ctx: Context,
  provider: string,
  allows: (profileId: string) => boolean,
): ProviderSummary {
  const counts: Record<ProfileState, number> = {
    READY: 0,
    COOLING_DOWN: 0,
    NEEDS_LOGIN: 0,
    REFRESH_IN_DOUBT: 0,
    BLOCKED: 0,
    DISABLED: 0,
  };
  let nextUsableAtMs: number | undefined;
  const now = ctx.clock.now();
  for (const seat of ctx.ledger.pool(provider).seats) {
    if (!allows(seat.profile.id) || isIdle(ctx, seat)) continue;
    const state = isCorrupt(seat.profile) ? "BLOCKED" : stateOfSeat(ctx, seat, seat.profile, now).state;
    counts[state] += 1;
    if (state === "COOLING_DOWN" && !isCorrupt(seat.profile)) {
      nextUsableAtMs = earliest(nextUsableAtMs, returnAtMs(ctx, seat.profile, now));
    }
  }
  return {
    provider,
    usable: counts.READY,
    coolingDown: counts.COOLING_DOWN,
    needsLogin: counts.NEEDS_LOGIN + counts.REFRESH_IN_DOUBT,
    blocked: counts.BLOCKED,
    disabled: counts.DISABLED,
    ...(nextUsableAtMs === undefined ? {} : { nextUsableAtMs }),
  };
}

/** A profile that stands outside the explicit order, or is metered and unwanted, serves nobody and counts nowhere. */
export function isIdle(ctx: Context, seat: Seat): boolean {
  const provider = seat.profile.id.slice(0, seat.profile.id.indexOf(":"));
  return seat.isUnwantedMetered || (ctx.ledger.pool(provider).hasExplicitOrder && seat.place === 0);
}

/** The state of a profile in its seat. */
export function stateOfSeat(ctx: Context, seat: Seat, profile: Profile, now: Now): StateView {
  const trialRunning = ctx.trials.isRunning(profile.id, now);
  return stateOf(profile, { held: seat.isHeld, trialRunning }, now);
}

function returnAtMs(ctx: Context, profile: Profile, now: Now): number | undefined {
  const cooling = decidingFor(profile, "", now);
  if (cooling !== undefined) return wallOf(cooling.until, now);
  const trial = earliest(
    ctx.trials.untilMs(profile.id, "", "acquire", now),
    ctx.trials.untilMs(profile.id, "", "watch", now),
  );
  if (trial !== undefined) return trial;
  return profile.backoff === undefined ? undefined : wallOf(profile.backoff.until, now);
}

/** What an operator should know, one sentence each. */
export function warningsOf(ctx: Context): readonly string[] {
  const warnings: string[] = [];
  const { trouble, lockFailure } = ctx.ledger;
  if (lockFailure !== undefined) return ["the records are locked; auth-broker unlock"];
  if (trouble !== undefined) warnings.push(`the state cannot be written (${trouble.path}): ${trouble.mend}`);
  for (const record of ctx.ledger.corruptRecords()) {
    warnings.push(`the record of "${record.profile}" cannot be read (${record.path}); it is left as it lies`);
  }
  for (const provider of ctx.listedProviders()) {
    const pool = ctx.ledger.pool(provider);
    if (pool.unknownInOrder.length > 0) {
      const ids = pool.unknownInOrder.map((id) => `"${id}"`).join(", ");
      const effect = pool.hasExplicitOrder
        ? "they are skipped"
        : "no other is left, so the order is set aside";
      warnings.push(`the order of ${provider} names profiles that do not exist: ${ids}; ${effect}`);
    }
    const outside = pool.seats.filter((s) => pool.hasExplicitOrder && s.place === 0);
    if (outside.length > 0) {
      const ids = outside.map((s) => `"${s.profile.id}"`).join(", ");
      warnings.push(`outside the order of ${provider}, so never used: ${ids}`);
    }
    const serving = pool.seats.flatMap((s) => (isCorrupt(s.profile) || isIdle(ctx, s) ? [] : [s.profile]));
    if (isOfferEnded(serving)) warnings.push(endedText(provider));
    const { ban } = ctx.ledger.provider(provider);
    if (ban !== undefined) {
      warnings.push(
        `"${ban.profile}" was banned; the other subscriptions of ${provider} are held until auth-broker profiles acknowledge ${provider}`,
      );
    }
  }
  return warnings;
}
