import type { Request } from "../domain/candidate.ts";
import { isPlausible } from "../domain/cooldown.ts";
import type { Unavailability } from "../domain/failure.ts";
import { type Choice, select } from "../domain/selection.ts";
import { unavailable } from "../domain/unavailability.ts";
import { type Context, poolFor, resolved, sceneOf } from "./context.ts";
import { aftermathOf, type Situation } from "./next.ts";

export const ADVICE_ACTIONS = ["RETRY_SAME", "RETRY_NEXT", "WAIT", "LOGIN", "GIVE_UP"] as const;
export type AdviceAction = (typeof ADVICE_ACTIONS)[number];

export interface Advice {
  readonly action: AdviceAction;
  readonly delayMs: number;
}

/** A broken connection deserves a breath before the next try. */
const NETWORK_DELAY_MS = 1_000;

/**
 * What a client should do now. No advice after an OK. Once a response has started no retry is safe,
 * because the user has seen part of it.
 */
export function adviceFor(
  ctx: Context,
  situation: Situation,
  responseStarted: boolean,
  providerDelayMs: number | undefined,
): Advice | undefined {
  const { outcome } = situation.reading;
  if (outcome === "OK") return undefined;
  const advice = unstarted(ctx, situation, providerDelayMs);
  const isRetry = advice.action === "RETRY_SAME" || advice.action === "RETRY_NEXT";
  return responseStarted && isRetry ? { action: "GIVE_UP", delayMs: 0 } : advice;
}

function unstarted(ctx: Context, situation: Situation, providerDelayMs: number | undefined): Advice {
  const { outcome, scope } = situation.reading;
  if (outcome === "BAD_REQUEST") return { action: "GIVE_UP", delayMs: 0 };
  if (outcome === "NETWORK") return { action: "RETRY_SAME", delayMs: NETWORK_DELAY_MS };
  if (scope === "PROVIDER") {
    const delayMs = statedDelayMs(ctx, situation) ?? providerDelayMs ?? NETWORK_DELAY_MS;
    return { action: "RETRY_SAME", delayMs };
  }
  return fromChoice(ctx, situation, scene(ctx, situation));
}

function statedDelayMs(ctx: Context, { reading: { retryAtMs } }: Situation): number | undefined {
  const now = ctx.clock.now();
  const { longestWindowMs } = ctx.settings.cooldown;
  return isPlausible(retryAtMs, now, longestWindowMs) ? retryAtMs - now.wallMs : undefined;
}

/** What an acquire for the same request would find now. */
function scene(ctx: Context, situation: Situation): { choice: Choice; request: Request } | undefined {
  const { lease, caller } = situation;
  const now = ctx.clock.now();
  const known = ctx.ledger.get(lease.profile) !== undefined;
  const profile = known ? lease.request.profile : "";
  const request = resolved(ctx, { ...lease.request, model: situation.model, profile }, caller);
  const pool = poolFor(ctx, request.provider, caller);
  const around = sceneOf(ctx, request, caller, "acquire", now, aftermathOf(ctx, situation));
  return { choice: select(pool, request, around, ctx.settings.session.homeWithinMs, now), request };
}

function fromChoice(ctx: Context, situation: Situation, found: ReturnType<typeof scene>): Advice {
  if (found === undefined) return { action: "GIVE_UP", delayMs: 0 };
  const { choice, request } = found;
  const { lease, caller, reading } = situation;
  if (choice.kind !== "none") {
    const isSame = choice.profile.id === lease.profile;
    return { action: isSame ? "RETRY_SAME" : "RETRY_NEXT", delayMs: 0 };
  }
  if (reading.outcome === "UNRECOGNIZED") return { action: "GIVE_UP", delayMs: 0 };
  const pool = poolFor(ctx, request.provider, caller);
  const failure = unavailable(pool, request, choice.ranked, choice.stayed);
  if (failure.kind !== "unavailable") return { action: "GIVE_UP", delayMs: 0 };
  const { reason, retryAtMs } = failure.unavailability;
  if (retryAtMs !== undefined) {
    return { action: "WAIT", delayMs: Math.max(0, retryAtMs - ctx.clock.now().wallMs) };
  }
  return { action: LOGIN_HELPS.includes(reason) ? "LOGIN" : "GIVE_UP", delayMs: 0 };
}

const LOGIN_HELPS: readonly Unavailability["reason"][] = ["LOGIN_REQUIRED", "REFRESH_IN_DOUBT"];
