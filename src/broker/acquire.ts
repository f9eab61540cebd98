import type { Request } from "../domain/candidate.ts";
import { BrokerFailure, type Failure } from "../domain/failure.ts";
import type { Pool } from "../domain/pool.ts";
import { type Choice, select } from "../domain/selection.ts";
import { BOUND_WAIT_MS } from "../domain/settings.ts";
import { after, at, type Deadline, type Now, reached } from "../domain/time.ts";
import { refreshPending, unavailable } from "../domain/unavailability.ts";
import { type Caller, type Context, poolFor, resolved, sceneOf } from "./context.ts";
import { type Handout, handOut } from "./handout.ts";
import { firstOf } from "./waiting.ts";

/** How long, and for what, an acquire may wait. */
export interface Patience {
  /** For anything that makes a profile usable. */
  readonly maxWaitMs: number;
  /** The caller's own end; the answer comes before it. */
  readonly deadline: Deadline;
  /** The caller went away. Ends its waiting, never a refresh. */
  readonly signal: AbortSignal;
}

/** What `next` after a report asks for besides the original request. */
export interface Aftermath {
  readonly avoid?: string;
  readonly stayWith?: string;
}

/**
 * The next usable credential for a request. Gives or throws at once when nothing has to be waited
 * for, so that the answer can leave in the same turn. Fails with `BrokerFailure`: at once when nothing
 * is usable, after `maxWaitMs` if the caller wants to wait, and before the caller's deadline in any case.
 */
export function acquire(
  ctx: Context,
  asked: Request,
  caller: Caller,
  patience: Patience,
  aftermath: Aftermath = {},
): Handout | Promise<Handout> {
  const search: Search = { request: resolved(ctx, asked, caller), caller, patience, aftermath };
  caller.countAcquire();
  const first = look(ctx, search, false);
  if (first.choice.kind === "use")
    return handOut(ctx, first.choice, search.request, caller, "acquire", first.now);
  const isOver = first.choice.kind === "none" && patience.maxWaitMs === 0;
  if (isOver) throw new BrokerFailure(failureOf(first, search));
  return waiting(ctx, search, first);
}

interface Search {
  readonly request: Request;
  readonly caller: Caller;
  readonly patience: Patience;
  readonly aftermath: Aftermath;
}

interface Found {
  readonly choice: Choice;
  readonly pool: Pool;
  readonly now: Now;
}

/** What would be chosen now. */
function look(ctx: Context, { request, caller, aftermath }: Search, isImpatient: boolean): Found {
  const now = ctx.clock.now();
  const pool = poolFor(ctx, request.provider, caller);
  const scene = sceneOf(ctx, request, caller, "acquire", now, { isImpatient, ...aftermath });
  return { choice: select(pool, request, scene, ctx.settings.session.homeWithinMs, now), pool, now };
}

function failureOf({ choice, pool }: Found, { request }: Search): Failure {
  return unavailable(
    pool,
    request,
    choice.kind === "none" ? choice.ranked : [],
    choice.kind === "none" ? choice.stayed : undefined,
  );
}

/** Waits for a refresh, or for anything at all as long as the caller likes, and looks again. */
async function waiting(ctx: Context, search: Search, first: Found): Promise<Handout> {
  const { request, caller, patience } = search;
  const waitUntil = after(first.now, patience.maxWaitMs);
  const turns = new Map<string, number>();
  let isImpatient = false;
  for (let found = first; ; found = look(ctx, search, isImpatient)) {
    const { choice, now } = found;
    if (choice.kind === "use") return handOut(ctx, choice, request, caller, "acquire", now);
    if (choice.kind === "refresh") {
      takeTurn(turns, choice, now);
      if (await awaitRefresh(ctx, choice, patience)) isImpatient = true;
      continue;
    }
    if (ctx.ending.aborted) throw new BrokerFailure({ kind: "draining" });
    const failure = failureOf(found, search);
    const canWait = !reached(waitUntil, now) && !reached(patience.deadline, now) && !patience.signal.aborted;
    if (!canWait || failure.kind !== "unavailable") throw new BrokerFailure(failure);
    const { retryAtMs } = failure.unavailability;
    const limits = [waitUntil, patience.deadline];
    const own = retryAtMs === undefined ? [] : [at(now, retryAtMs)];
    await awaitChange(ctx, request.provider, [...own, ...limits], patience.signal);
  }
}

/** A request waits for few refreshes of one profile, so that it ends whatever the state does. */
function takeTurn(turns: Map<string, number>, choice: Extract<Choice, { kind: "refresh" }>, now: Now): void {
  const { provider, id } = choice.profile;
  const taken = (turns.get(id) ?? 0) + 1;
  if (taken > TURNS_PER_PROFILE)
    throw new BrokerFailure(refreshPending(provider, id, now.wallMs + REFRESH_SOON_MS));
  turns.set(id, taken);
}

/** One for the session's short wait, one for the refresh, one more if a shared login was adopted meanwhile. */
const TURNS_PER_PROFILE = 3;

/** Waits for the refresh of the chosen profile. True if the session's own profile took too long. */
async function awaitRefresh(
  ctx: Context,
  choice: Extract<Choice, { kind: "refresh" }>,
  patience: Patience,
): Promise<boolean> {
  const flight = ctx.refreshes.join(choice.profile, { urgent: true });
  const short = choice.isHome ? [after(ctx.clock.now(), BOUND_WAIT_MS)] : [];
  const winner = await firstOf(ctx.alarm, [flight.outcome], [...short, patience.deadline], [patience.signal]);
  if (winner === "event") return false;
  const now = ctx.clock.now();
  if (winner === "signal" || reached(patience.deadline, now)) {
    const { provider, id } = choice.profile;
    throw new BrokerFailure(refreshPending(provider, id, now.wallMs + REFRESH_SOON_MS));
  }
  return true;
}

/** When to come back to a refresh that is still under way. */
const REFRESH_SOON_MS = 1_000;

/** Waits until something of the provider changes, a moment comes, the caller goes or the broker stops. */
async function awaitChange(
  ctx: Context,
  provider: string,
  deadlines: readonly Deadline[],
  signal: AbortSignal,
): Promise<void> {
  const { changed, stop } = ctx.latest.next(provider);
  try {
    await firstOf(ctx.alarm, [changed], deadlines, [signal, ctx.ending]);
  } finally {
    stop();
  }
}

/** The caller's end, with time left to answer. `leftMs`: what the caller allows; undefined: it said nothing. */
export function answerBy(now: Now, leftMs: number | undefined): Deadline {
  return after(now, leftMs === undefined ? NO_DEADLINE_MS : leftMs - ANSWER_EARLIER_MS);
}

const NO_DEADLINE_MS = 35_000;
const ANSWER_EARLIER_MS = 50;
