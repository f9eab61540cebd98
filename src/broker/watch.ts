import type { Request } from "../domain/candidate.ts";
import { BrokerFailure, type Unavailability } from "../domain/failure.ts";
import { type Choice, select } from "../domain/selection.ts";
import { after, at, type Deadline, type Now, reached, wallOf } from "../domain/time.ts";
import { refreshPending, unavailable } from "../domain/unavailability.ts";
import { Bell } from "./bell.ts";
import { type Caller, type Context, poolFor, resolved, sceneOf, sessionKey } from "./context.ts";
import { type Handout, handOut } from "./handout.ts";
import { tagOf } from "./lease.ts";
import { type Next, unavailabilityOf } from "./next.ts";

/** What was sent last, to tell whether there is news. */
interface Shown {
  readonly signature: string;
  /** When the same state must be sent again: the lease or the token's usefulness ends. */
  readonly until?: Deadline;
  readonly profile?: string;
  readonly leaseId?: string;
}

/**
 * The newest state of a request, whenever it changed since the last pull. The state is computed when
 * it is asked for, so a slow reader skips states and costs no memory. Ends with `signal`. Rejects
 * with `BrokerFailure` for requests that no state can answer.
 */
export async function* watch(
  ctx: Context,
  asked: Request,
  caller: Caller,
  signal: AbortSignal,
): AsyncGenerator<Next, void, undefined> {
  let shown: Shown | undefined;
  // What cannot be judged while the records are locked is judged afterwards, as a state of the watch.
  if (ctx.ledger.lockFailure === undefined) resolved(ctx, asked, caller);
  await caller.confirm?.(asked, { signal });
  const bell = new Bell(ctx.alarm);
  const stop = ctx.latest.on(asked.provider, bell.ring);
  signal.addEventListener("abort", bell.ring);
  try {
    while (!signal.aborted) {
      bell.quiet();
      const look = lookAt(ctx, asked, caller, shown, ctx.clock.now());
      if (look.message !== undefined) {
        countWatch(ctx, shown?.profile, look.shown.profile);
        if (shown?.leaseId !== look.shown.leaseId) closeLease(caller, shown);
        shown = look.shown;
        yield look.message;
      }
      await bell.rung(look.wake);
    }
  } finally {
    stop();
    signal.removeEventListener("abort", bell.ring);
    countWatch(ctx, shown?.profile, undefined);
    closeLease(caller, shown);
  }
}

/** Whoever watches holds the lease of what was shown last, and no other. */
function closeLease(caller: Caller, shown: Shown | undefined): void {
  if (shown?.leaseId !== undefined) caller.leases?.closed(tagOf(shown.leaseId));
}

/** `wake`: when to look again if nothing changes before. */
type Look =
  | { readonly message: Next; readonly shown: Shown; readonly wake: Deadline | undefined }
  | { readonly message?: undefined; readonly wake: Deadline | undefined };

/** Compares the state now with what was shown; a message if there is news. */
function lookAt(ctx: Context, asked: Request, caller: Caller, shown: Shown | undefined, now: Now): Look {
  try {
    return looked(ctx, resolved(ctx, asked, caller), caller, shown, now);
  } catch (error) {
    // What was there when the watch began has been removed: a state of the watch, not its end.
    const gone = error instanceof BrokerFailure ? unavailabilityOf(error.failure) : undefined;
    if (gone === undefined) throw error;
    return toldUnavailable(gone, shown, now);
  }
}

function looked(ctx: Context, request: Request, caller: Caller, shown: Shown | undefined, now: Now): Look {
  const pool = poolFor(ctx, request.provider, caller);
  const home = stickiness(ctx, request, caller, shown);
  const scene = sceneOf(ctx, request, caller, "watch", now, home === undefined ? {} : { held: { home } });
  const choice = select(pool, request, withOwnTrial(scene, shown), ctx.settings.session.homeWithinMs, now);
  if (choice.kind === "use") return toldGranted(ctx, choice, request, caller, shown, now);
  if (choice.kind === "none") {
    throw new BrokerFailure(unavailable(pool, request, choice.ranked, choice.stayed));
  }
  ctx.refreshes.join(choice.profile, { urgent: true });
  const soon = after(now, REFRESH_SOON_MS);
  const pending = refreshPending(request.provider, choice.profile.id, soon.wallMs);
  // A refresh that cannot begin changes nothing that would wake the watch, so it looks again by itself.
  return toldUnavailable(pending.unavailability, shown, now, soon);
}

const REFRESH_SOON_MS = 1_000;

/** Without a session a watch keeps what it has under strategies that would move with every look. */
function stickiness(
  ctx: Context,
  request: Request,
  caller: Caller,
  shown: Shown | undefined,
): string | undefined {
  if (shown?.profile === undefined || sessionKey(request, caller) !== undefined) return undefined;
  return ctx.ledger.pool(request.provider).rules.strategy === "ordered" ? undefined : shown.profile;
}

/** The trial that this very watch holds does not keep it away. */
function withOwnTrial<
  T extends { readonly trialUntil: (profile: string, model: string) => number | undefined },
>(scene: T, shown: Shown | undefined): T {
  if (shown?.profile === undefined) return scene;
  const { trialUntil } = scene;
  return {
    ...scene,
    trialUntil: (profile: string, model: string) =>
      profile === shown.profile ? undefined : trialUntil(profile, model),
  };
}

function toldGranted(
  ctx: Context,
  choice: Extract<Choice, { kind: "use" }>,
  request: Request,
  caller: Caller,
  shown: Shown | undefined,
  now: Now,
): Look {
  const { profile } = choice;
  const signature = `${profile.id} ${profile.generation} ${profile.accountEpoch} ${profile.baseUrl}`;
  const isOver = shown?.until !== undefined && reached(shown.until, now);
  if (shown?.signature === signature && !isOver) return { wake: shown.until };
  caller.countAcquire();
  // The new lease takes the old one's place.
  closeLease(caller, shown);
  const handout: Handout = handOut(ctx, choice, request, caller, "watch", now);
  const until = at(now, usefulUntilMs(handout, request, now));
  const message = { kind: "granted", handout } as const;
  return { message, shown: { signature, until, profile: profile.id, leaseId: handout.leaseId }, wake: until };
}

/** The lease's end, or the moment at which the token no longer stays valid for as long as asked. */
function usefulUntilMs(handout: Handout, request: Request, now: Now): number {
  const { expires } = handout.given.credential;
  if (expires === undefined) return handout.expiresAtMs;
  const endMs = wallOf(expires, now) - request.minValidForMs + 1;
  return Math.max(now.wallMs + 1, Math.min(handout.expiresAtMs, endMs));
}

/** `again`: when to look again although nothing says when the state ends; its time is no news then. */
function toldUnavailable(state: Unavailability, shown: Shown | undefined, now: Now, again?: Deadline): Look {
  const isTimed = again === undefined;
  const profiles = state.profiles.map((p) => [p.profile, p.reason, isTimed ? p.untilMs : 0]);
  const signature = JSON.stringify([state.reason, isTimed ? state.retryAtMs : 0, profiles]);
  const until = again ?? (state.retryAtMs === undefined ? undefined : at(now, state.retryAtMs));
  if (shown?.signature === signature) return { wake: until };
  const message = { kind: "unavailable", unavailability: state } as const;
  return { message, shown: { signature, ...(until === undefined ? {} : { until }) }, wake: until };
}

function countWatch(ctx: Context, from: string | undefined, to: string | undefined): void {
  if (from === to) return;
  if (from !== undefined) {
    const left = (ctx.watches.get(from) ?? 1) - 1;
    if (left > 0) ctx.watches.set(from, left);
    else ctx.watches.delete(from);
  }
  if (to !== undefined) ctx.watches.set(to, (ctx.watches.get(to) ?? 0) + 1);
}
