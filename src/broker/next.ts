import { BrokerFailure, describe, type Failure, type Unavailability } from "../domain/failure.ts";
import type { Reading } from "../domain/outcome.ts";
import { isBound } from "../domain/pool.ts";
import { type Aftermath, acquire, type Patience } from "./acquire.ts";
import type { Caller, Context } from "./context.ts";
import type { Handout } from "./handout.ts";
import type { ReadLease } from "./lease.ts";

/** What a watch or a report answers with: a credential, or why there is none. */
export type Next =
  | { readonly kind: "granted"; readonly handout: Handout }
  | { readonly kind: "unavailable"; readonly unavailability: Unavailability };

/** A report that was taken, as its consequences need it. */
export interface Situation {
  readonly lease: ReadLease;
  readonly reading: Reading;
  readonly model: string;
  readonly isApplied: boolean;
  readonly caller: Caller;
}

/** The next credential for the request of the lease, or why there is none. */
export async function nextFor(ctx: Context, situation: Situation, patience: Patience): Promise<Next> {
  const { lease, caller } = situation;
  const request = { ...lease.request, model: situation.model };
  try {
    await caller.confirm?.(request, patience);
    const handout = await acquire(ctx, request, caller, patience, aftermathOf(ctx, situation));
    return { kind: "granted", handout };
  } catch (error) {
    const unavailability = error instanceof BrokerFailure ? unavailabilityOf(error.failure) : undefined;
    if (unavailability === undefined) throw error;
    return { kind: "unavailable", unavailability };
  }
}

/** Failures that a watch or a report answers with in its own message instead of ending the call. */
export function unavailabilityOf(failure: Failure): Unavailability | undefined {
  switch (failure.kind) {
    case "unavailable":
      return failure.unavailability;
    case "profile_unknown":
    case "provider_unknown":
      return { reason: "NO_PROFILE", message: describe(failure), profiles: [] };
    case "endpoint_limit":
      return {
        reason: "ENDPOINT_LIMIT",
        message: describe(failure),
        retryAtMs: failure.retryAtMs,
        profiles: [],
      };
    case "client_forbidden":
      return { reason: "CLIENT_FORBIDDEN", message: describe(failure), profiles: [] };
    case "store_unavailable":
      return { reason: "STORE_UNAVAILABLE", message: describe(failure), help: failure.mend, profiles: [] };
    case "store_corrupt":
      return { reason: "PROFILE_BLOCKED", message: describe(failure), profiles: [] };
    default:
      return undefined;
  }
}

/**
 * What `next` may not do: give the reported profile again after an outcome that speaks against it,
 * or leave its account where the provider's terms forbid fail-over.
 */
export function aftermathOf(ctx: Context, situation: Situation): Aftermath {
  const { lease, isApplied } = situation;
  const { outcome, scope } = situation.reading;
  const speaksAgainst = scope === "PROFILE" || scope === "PROFILE_MODEL" || outcome === "UNRECOGNIZED";
  const isRefreshable = outcome === "AUTH_INVALID_TOKEN";
  const profile = ctx.ledger.get(lease.profile);
  const stays = profile !== undefined && isBound(ctx.ledger.pool(profile.provider).rules, profile);
  return {
    ...(isApplied && speaksAgainst && !isRefreshable && outcome !== "OK" ? { avoid: lease.profile } : {}),
    ...(stays ? { stayWith: lease.profile } : {}),
  };
}
