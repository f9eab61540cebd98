import type { Request } from "../domain/candidate.ts";
import { BrokerFailure } from "../domain/failure.ts";
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
 * The next usable credential for a request. Rejects with `BrokerFailure`: at once when nothing is
 * usable, after `maxWaitMs` if the caller wants to wait, and before the caller's deadline in any case.
 */
export async function acquire(
  ctx: Context,
  asked: Request,
  caller: Caller,
  patience: Patience,
  aftermath: Aftermath = {},
): Promise<Handout> {
  const request = resolved(ctx, asked, caller);
  const waitUntil = after(ctx.clock.now(), patience.maxWaitMs);
  const turns = new Map<string, number>();
  let isImpatient = false;
  for (;;) {
    const now = ctx.clock.now();
    const pool = poolFor(ctx, request.provider, caller);
    const scene = sceneOf(ctx, request, caller, "acquire", now, { isImpatient, ...aftermath });
    const choice = select(pool, request, scene, ctx.settings.session.homeWithinMs, now);
    if (choice.kind === "use") return handOut(ctx, choice, request, caller, "acquire", now);
    if (choice.kind === "refresh") {
      takeTurn(turns, choice, now);
      if (await awaitRefresh(ctx, choice, patience)) isImpatient = true;
      continue;
    }
    const failure = unavailable(pool, request, choice.ranked, choice.stayed);
    const canWait = !reached(waitUntil, now) && !reached(patience.deadline, now) && !patience.signal.aborted;
    if (!canWait || failure.kind !== "unavailable") throw new BrokerFailure(failure);
    const { retryAtMs } = failure.unavailability;
    await awaitChange(ctx, request.provider, retryAtMs, [waitUntil, patience.deadline], patience.signal, now);
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
  const winner = await firstOf(ctx.alarm, [flight.outcome], [...short, patience.deadline], patience.signal);
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

/** Waits until something of the provider changes, a reason ends by itself, or patience does. */
async function awaitChange(
  ctx: Context,
  provider: string,
  retryAtMs: number | undefined,
  limits: readonly Deadline[],
  signal: AbortSignal,
  now: Now,
): Promise<void> {
  const own = retryAtMs === undefined ? [] : [at(now, retryAtMs)];
  let unsubscribe = () => {};
  const changed = new Promise<void>((resolve) => {
    unsubscribe = ctx.latest.on(provider, resolve);
  });
  try {
    await firstOf(ctx.alarm, [changed], [...own, ...limits], signal);
  } finally {
    unsubscribe();
  }
}

/** The caller's end, with time left to answer. `leftMs`: what the caller allows; undefined: it said nothing. */
export function answerBy(now: Now, leftMs: number | undefined): Deadline {
  return after(now, leftMs === undefined ? NO_DEADLINE_MS : leftMs - ANSWER_EARLIER_MS);
}

const NO_DEADLINE_MS = 35_000;
const ANSWER_EARLIER_MS = 50;
