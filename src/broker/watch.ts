import type { Request } from "../domain/candidate.ts";
import type { Unavailability } from "../domain/failure.ts";
import { type Choice, select } from "../domain/selection.ts";
import { at, type Deadline, type Now, reached } from "../domain/time.ts";
import { refreshPending, unavailable } from "../domain/unavailability.ts";
import { type Caller, type Context, poolFor, resolved, sceneOf, sessionKey } from "./context.ts";
import { type Handout, handOut } from "./handout.ts";
import { type Next, unavailabilityOf } from "./next.ts";
import { firstOf } from "./waiting.ts";

/** What was sent last, to tell whether there is news. */
interface Shown {
  readonly signature: string;
  /** When the same state must be sent again: the lease or the token's usefulness ends. */
  readonly until?: Deadline;
  readonly profile?: string;
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
  resolved(ctx, asked, caller);
  try {
    while (!signal.aborted) {
      const news = nextSignal(ctx, asked.provider);
      try {
        const now = ctx.clock.now();
        const look = lookAt(ctx, asked, caller, shown, now);
        if (look.message !== undefined) {
          countWatch(ctx, shown?.profile, look.shown.profile);
          shown = look.shown;
          yield look.message;
        } else {
          const wake = look.wake === undefined ? [] : [look.wake];
          await firstOf(ctx.alarm, [news.changed], wake, signal);
        }
      } finally {
        news.stop();
      }
    }
  } finally {
    countWatch(ctx, shown?.profile, undefined);
  }
}

function nextSignal(
  ctx: Context,
  provider: string,
): { readonly changed: Promise<void>; readonly stop: () => void } {
  let stop = () => {};
  const changed = new Promise<void>((resolve) => {
    stop = ctx.latest.on(provider, resolve);
  });
  return { changed, stop };
}

type Look =
  | { readonly message: Next; readonly shown: Shown }
  | { readonly message?: undefined; readonly wake?: Deadline };

/** Compares the state now with what was shown; a message if there is news, else when to look again. */
function lookAt(ctx: Context, asked: Request, caller: Caller, shown: Shown | undefined, now: Now): Look {
  const request = resolvedOrGone(ctx, asked, caller);
  if ("reason" in request) return toldUnavailable(request, shown, now);
  const pool = poolFor(ctx, request.provider, caller);
  const home = stickiness(ctx, request, caller, shown);
  const scene = sceneOf(ctx, request, caller, "watch", now, home === undefined ? {} : { held: { home } });
  const choice = select(pool, request, withOwnTrial(scene, shown), ctx.settings.session.homeWithinMs, now);
  if (choice.kind === "use") return toldGranted(ctx, choice, request, caller, shown, now);
  if (choice.kind === "refresh") {
    ctx.refreshes.join(choice.profile, { urgent: true }).outcome.catch(() => {});
    const pending = refreshPending(request.provider, choice.profile.id, now.wallMs + REFRESH_SOON_MS);
    return toldUnavailable(unavailabilityOf(pending), shown, now, false);
  }
  return toldUnavailable(
    unavailabilityOf(unavailable(pool, request, choice.ranked, choice.stayed)),
    shown,
    now,
  );
}

const REFRESH_SOON_MS = 1_000;

/** A pinned profile that was removed is a state of the watch, not its end. */
function resolvedOrGone(ctx: Context, asked: Request, caller: Caller): Request | Unavailability {
  const id = asked.profile === "" ? "" : ctx.ledger.resolve(asked.profile);
  const isGone = id !== "" && ctx.ledger.get(id) === undefined && ctx.ledger.corrupt(id) === undefined;
  if (!isGone) return resolved(ctx, asked, caller);
  return { reason: "NO_PROFILE", message: `profile "${id}" was removed`, profiles: [] };
}

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
  if (shown?.signature === signature && !isOver) {
    return shown.until === undefined ? {} : { wake: shown.until };
  }
  const handout: Handout = handOut(ctx, choice, request, caller, "watch", now);
  const until = at(now, usefulUntilMs(handout, request, now));
  return { message: { kind: "granted", handout }, shown: { signature, until, profile: profile.id } };
}

/** The lease's end, or the moment at which the token no longer stays valid for as long as asked. */
function usefulUntilMs(handout: Handout, request: Request, now: Now): number {
  const { expires } = handout.credential;
  if (expires === undefined) return handout.expiresAtMs;
  return Math.max(now.wallMs + 1, Math.min(handout.expiresAtMs, expires.wallMs - request.minValidForMs + 1));
}

function toldUnavailable(
  unavailability: Unavailability | undefined,
  shown: Shown | undefined,
  now: Now,
  isTimed = true,
): Look {
  const state = unavailability ?? { reason: "NO_PROFILE", message: "", profiles: [] };
  const profiles = state.profiles.map((p) => [p.profile, p.reason, isTimed ? p.untilMs : 0]);
  const signature = JSON.stringify([state.reason, isTimed ? state.retryAtMs : 0, profiles]);
  const until = isTimed && state.retryAtMs !== undefined ? at(now, state.retryAtMs) : undefined;
  if (shown?.signature === signature) return until === undefined ? {} : { wake: until };
  return {
    message: { kind: "unavailable", unavailability: state },
    shown: { signature, ...(until === undefined ? {} : { until }) },
  };
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
