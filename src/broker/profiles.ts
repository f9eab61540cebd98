import { judge } from "../domain/candidate.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { expiryOf, isRenewable } from "../domain/grant.ts";
import { isCorrupt, seatOf } from "../domain/pool.ts";
import type { Profile } from "../domain/profile.ts";
import { after, type Now, reached, wallOf } from "../domain/time.ts";
import { type Event, transition } from "../domain/transition.ts";
import { refreshPending, unavailable } from "../domain/unavailability.ts";
import type { CorruptRecord } from "../store/store.ts";
import { type Caller, type Context, refuseUnknown, sceneOf } from "./context.ts";
import { storeTrouble } from "./store-failure.ts";
import { firstOf } from "./waiting.ts";

/** The profile of an id or former id. Throws `BrokerFailure`: unknown, or its record cannot be read. */
export function find(ctx: Context, asked: string): Profile {
  const id = ctx.ledger.resolve(asked);
  const profile = ctx.ledger.get(id);
  if (profile !== undefined) return profile;
  const corrupt = ctx.ledger.corrupt(id);
  if (corrupt !== undefined) throw corruptFailure(corrupt);
  throw new BrokerFailure({ kind: "profile_unknown", profile: asked });
}

function corruptFailure(record: CorruptRecord): BrokerFailure {
  const mend = "repair the file, or put the profile anew and the file is set aside";
  return new BrokerFailure({ kind: "store_corrupt", path: record.path, mend });
}

/** Changes a profile by an operator's order. */
export async function change(ctx: Context, asked: string, event: Event): Promise<Profile> {
  const { id } = find(ctx, asked);
  const committed = await ctx.ledger
    .commit(id, (profile) => {
      if (profile === undefined) throw new BrokerFailure({ kind: "profile_unknown", profile: asked });
      return transition(profile, event, ctx.clock.now(), ctx.settings);
    })
    .catch(storeTrouble);
  return committed.after ?? find(ctx, id);
}

/** Ends cooldowns of one model, or all of them with a block and a trial. */
export async function clearCooldown(ctx: Context, asked: string, model: string): Promise<Profile> {
  const profile = await change(ctx, asked, { type: "cleared", model });
  if (model === "") ctx.trials.endAll(profile.id);
  return profile;
}

/** Removes a profile; one whose record cannot be read is moved aside instead. */
export async function remove(ctx: Context, asked: string): Promise<void> {
  const id = ctx.ledger.resolve(asked);
  if (ctx.ledger.corrupt(id) === undefined) find(ctx, asked);
  await ctx.ledger.remove(id).catch(storeTrouble);
  ctx.trials.endAll(id);
}

/** Sets the explicit order of a provider; empty takes it away. Gives the ids that exist and those that do not. */
export async function setOrder(
  ctx: Context,
  provider: string,
  asked: readonly string[],
): Promise<{ readonly profiles: readonly string[]; readonly unknown: readonly string[] }> {
  refuseUnknown(ctx, provider);
  const foreign = asked.filter(
    (id) => !id.startsWith(`${provider}:`) && !ctx.ledger.resolve(id).startsWith(`${provider}:`),
  );
  if (foreign.length > 0) {
    const violations = foreign.map((id) => ({
      field: "profiles",
      description: `"${id}" is not a profile of ${provider}`,
    }));
    throw new BrokerFailure({ kind: "field_invalid", violations });
  }
  const order = [...new Set(asked.map((id) => ctx.ledger.resolve(id)))];
  await ctx.ledger
    .changeProvider(provider, ({ order: _old, ...state }) =>
      order.length === 0 ? state : { ...state, order },
    )
    .catch(storeTrouble);
  const exists = (id: string) => ctx.ledger.get(id) !== undefined || ctx.ledger.corrupt(id) !== undefined;
  return { profiles: order.filter(exists), unknown: order.filter((id) => !exists(id)) };
}

/** The order that holds now, explicit or not, and what stands beside it. */
export function orderOf(ctx: Context, provider: string) {
  refuseUnknown(ctx, provider);
  const { seats, unknownInOrder, hasExplicitOrder } = ctx.ledger.pool(provider);
  const idsWhere = (isMeant: (place: number) => boolean) =>
    seats.filter(({ place }) => isMeant(place)).map(({ profile }) => profile.id);
  return {
    profiles: idsWhere((place) => place > 0),
    unknown: unknownInOrder,
    outside: idsWhere((place) => place === 0),
    isExplicit: hasExplicitOrder,
  };
}

/** Lets the profiles go that were held because another of the provider was banned; gives those. */
export async function acknowledgeBan(ctx: Context, provider: string): Promise<readonly Profile[]> {
  refuseUnknown(ctx, provider);
  const pool = ctx.ledger.pool(provider);
  const held = pool.seats.filter((s) => s.isHeld).map((s) => s.profile.id);
  if (ctx.ledger.provider(provider).ban !== undefined) {
    await ctx.ledger.changeProvider(provider, ({ ban: _ban, ...state }) => state).catch(storeTrouble);
    for (const id of held) ctx.plan(id);
  }
  return held.map((id) => ctx.ledger.get(id)).filter((p) => p !== undefined);
}

/**
 * Refreshes by an operator's order and gives the profile with its new generation. Rejects with
 * `BrokerFailure` if no new grant came: the reason that an acquire would give.
 */
export async function refreshNow(
  ctx: Context,
  asked: string,
  caller: Caller,
  signal: AbortSignal,
): Promise<Profile> {
  let before = refreshable(ctx, asked);
  const limit = after(ctx.clock.now(), ctx.settings.refresh.totalTimeoutMs + LANE_ALLOWANCE_MS);
  const seenAfter = async (event: Promise<void>): Promise<Profile> => {
    const winner = await firstOf(ctx.alarm, [event], [limit], [signal]);
    if (winner === "event") return find(ctx, before.id);
    throw new BrokerFailure(refreshPending(before.provider, before.id, ctx.clock.now().wallMs + 1_000));
  };
  const join = () => ctx.refreshes.join(before, { operator: true, urgent: true });
  let flight = join();
  // One that began before a put tells nothing about this login, unless it had sent nothing yet and took this one.
  while (flight.generation !== before.generation) {
    const seen = await seenAfter(flight.done);
    if (seen.generation > before.generation) return seen;
    before = refreshable(ctx, before.id);
    flight = join();
  }
  const profile = await seenAfter(flight.outcome);
  if (profile.generation > before.generation) return profile;
  throw new BrokerFailure(whyNot(ctx, profile, caller));
}

/** A refresh may wait for others of the same client. */
const LANE_ALLOWANCE_MS = 60_000;

/** The profile, if an order may send its grant now. Throws `BrokerFailure`. */
function refreshable(ctx: Context, asked: string): Profile {
  const profile = find(ctx, asked);
  if (!isRenewable(profile.grant)) {
    const description = `"${profile.id}" holds nothing that can be refreshed`;
    throw new BrokerFailure({ kind: "field_invalid", violations: [{ field: "profile", description }] });
  }
  refuseTooSoon(ctx, profile);
  return profile;
}

/** The spacing between two requests holds for operators too; a new login would end it. */
function refuseTooSoon(ctx: Context, profile: Profile): void {
  const now = ctx.clock.now();
  const { lastAttempt, intent } = profile;
  if (lastAttempt === undefined || intent !== undefined || profile.refreshDead !== undefined) return;
  if (reached(lastAttempt, now)) return;
  throw new BrokerFailure(refreshPending(profile.provider, profile.id, wallOf(lastAttempt, now)));
}

function whyNot(ctx: Context, profile: Profile, caller: Caller) {
  const now = ctx.clock.now();
  const pool = ctx.ledger.pool(profile.provider);
  const request = { ...ANYTHING, provider: profile.provider, profile: profile.id };
  const seat = seatOf(pool, profile.id);
  // What is asked is not "may it serve" but "why is there no new grant": the token at hand does not count.
  const spent = { ...profile, refusedGeneration: profile.generation };
  if (seat === undefined || isCorrupt(seat.profile))
    return { kind: "profile_unknown" as const, profile: profile.id };
  const ranked = {
    seat,
    verdict: judge(
      { ...seat, profile: spent },
      pool,
      request,
      sceneOf(ctx, request, caller, "acquire", now),
      now,
    ),
  };
  if (ranked.verdict.kind === "refresh") return answerLost(profile, now);
  return unavailable(pool, request, [ranked]);
}

/** Nothing keeps the next refresh away but that the token at hand is used to its end first. */
function answerLost({ id, provider, grant }: Profile, now: Now) {
  const expires = expiryOf(grant);
  const untilMs = Math.max(now.wallMs + 1_000, expires === undefined ? 0 : wallOf(expires, now));
  return {
    kind: "unavailable" as const,
    unavailability: {
      reason: "UPSTREAM_UNAVAILABLE" as const,
      message: `${provider}: the answer to the refresh of "${id}" was lost; the token at hand is used to its end, then it is tried once more`,
      retryAtMs: untilMs,
      profiles: [{ profile: id, reason: "UPSTREAM_UNAVAILABLE" as const, untilMs }],
    },
  };
}

const ANYTHING = {
  provider: "",
  model: "",
  sessionId: "",
  pool: "",
  kinds: [],
  minValidForMs: 0,
  profile: "",
  excludeProfiles: [],
} as const;
