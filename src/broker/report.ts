import { isPlausible, runningFor } from "../domain/cooldown.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { defaultScope, type Outcome, type Reading, type Scope, type UsageWindow } from "../domain/outcome.ts";
import type { Profile } from "../domain/profile.ts";
import { isAuthOutcome, type Report } from "../domain/reporting.ts";
import { type Now, wallOf } from "../domain/time.ts";
import { transition } from "../domain/transition.ts";
import type { ProviderResponse } from "../provider/provider.ts";
import { StoreError } from "../store/store.ts";
import type { Patience } from "./acquire.ts";
import { type Advice, adviceFor } from "./advice.ts";
import type { Caller, Context } from "./context.ts";
import { endTrialInSilence } from "./handout.ts";
import { REPORTABLE_MS, type ReadLease } from "./lease.ts";
import { type Next, nextFor } from "./next.ts";
import { storeFailure } from "./store-failure.ts";

/** What a caller saw: an outcome that it read itself, or the raw answer. */
export interface Seen {
  readonly leaseId: string;
  readonly outcome?: Outcome;
  readonly response?: ProviderResponse;
  /** Empty: as in the acquire. */
  readonly model: string;
  readonly retryAtMs?: number;
  readonly responseStarted: boolean;
  readonly usageWindows: readonly UsageWindow[];
  readonly acquireNext: boolean;
}

export type IgnoredReason = "STALE_GENERATION" | "DUPLICATE" | "OTHER_ACCOUNT" | "PROFILE_GONE";

export interface ReportAnswer {
  readonly applied: boolean;
  readonly ignoredReason?: IgnoredReason;
  readonly outcome: Outcome;
  readonly scope: Scope;
  readonly advice?: Advice;
  /** The profile after the report; absent when it is gone. */
  readonly profile?: Profile;
  readonly retryAtMs?: number;
  readonly next?: Next;
}

/** Takes a report. Rejects with `BrokerFailure`: an unknown lease, or a store that does not write. */
export async function report(
  ctx: Context,
  seen: Seen,
  caller: Caller,
  patience: Patience,
): Promise<ReportAnswer> {
  const lease = leaseOf(ctx, seen.leaseId, caller);
  const model = seen.model === "" ? lease.request.model : seen.model;
  const read = await readingOf(ctx, seen, lease, model);
  const applied = await apply(ctx, seen, lease, read, model);
  const reading = placed(read, applied.after, model, ctx.clock.now());
  closeTrial(ctx, lease, applied.after);
  const providerDelayMs = ctx.troubles.note(lease.request.provider, reading.outcome, ctx.clock.now());
  const retryAtMs = retryMoment(ctx, applied.after, reading, model, providerDelayMs);
  const situation = { lease, reading, model, isApplied: applied.ignored === undefined, caller };
  const advice = adviceFor(ctx, situation, seen.responseStarted, providerDelayMs);
  const next = seen.acquireNext ? await nextFor(ctx, situation, patience) : undefined;
  const profile = ctx.ledger.get(lease.profile);
  return {
    applied: applied.ignored === undefined,
    ...(applied.ignored === undefined ? {} : { ignoredReason: applied.ignored }),
    outcome: reading.outcome,
    scope: reading.scope,
    ...(advice === undefined ? {} : { advice }),
    ...(profile === undefined ? {} : { profile }),
    ...(retryAtMs === undefined ? {} : { retryAtMs }),
    ...(next === undefined ? {} : { next }),
  };
}

/** Gives a lease back. Ends its trial; anything else about it ends by time. A watch gives its place back as it ends. */
export function release(ctx: Context, leaseId: string, caller: Caller): void {
  const lease = leaseOf(ctx, leaseId, caller);
  if (lease.channel !== "watch") caller.leases?.closed(lease.tag);
  closeTrial(ctx, lease, ctx.ledger.get(lease.profile));
}

function leaseOf(ctx: Context, leaseId: string, caller: Caller): ReadLease {
  const lease = ctx.leases.read(leaseId);
  const isHis = lease?.endpoint === caller.endpoint && lease.uid === caller.uid;
  if (lease === undefined || !isHis || ctx.clock.now().wallMs >= lease.expiresAtMs + REPORTABLE_MS) {
    throw new BrokerFailure({ kind: "lease_unknown" });
  }
  return lease;
}

async function readingOf(ctx: Context, seen: Seen, lease: ReadLease, model: string): Promise<Reading> {
  if (seen.response !== undefined) {
    const provider = ctx.providerOf(lease.request.provider);
    const { longestWindowMs } = ctx.settings.cooldown;
    return provider.classify({ ...seen.response, model }, { longestWindowMs });
  }
  const outcome = seen.outcome ?? "UNRECOGNIZED";
  return {
    outcome,
    scope: defaultScope(outcome, model),
    ...(seen.retryAtMs === undefined ? {} : { retryAtMs: seen.retryAtMs }),
    windows: [],
    rule: "caller",
  };
}

/** A timeout says nothing about a profile, until so many in a row have made it cool down. */
function placed(reading: Reading, profile: Profile | undefined, model: string, now: Now): Reading {
  if (reading.outcome !== "TIMEOUT" || profile === undefined) return reading;
  const isCooling = runningFor(profile, model, now).some((c) => c.outcome === "TIMEOUT");
  return isCooling ? { ...reading, scope: model === "" ? "PROFILE" : "PROFILE_MODEL" } : reading;
}

interface Applied {
  readonly ignored?: IgnoredReason;
  readonly after: Profile | undefined;
}

async function apply(
  ctx: Context,
  seen: Seen,
  lease: ReadLease,
  reading: Reading,
  model: string,
): Promise<Applied> {
  const profile = ctx.ledger.get(lease.profile);
  if (profile === undefined) return { ignored: "PROFILE_GONE", after: undefined };
  if (profile.accountEpoch !== lease.accountEpoch) return { ignored: "OTHER_ACCOUNT", after: profile };
  if (isAuthOutcome(reading.outcome)) {
    const refused = reading.outcome === "AUTH_PERMANENT";
    const isStale =
      profile.generation !== lease.generation ||
      (await ctx.shared.adoptNewer(profile, { refused }).catch(() => false));
    if (isStale) return { ignored: "STALE_GENERATION", after: ctx.ledger.get(lease.profile) };
  }
  const unbraked = reading.ban === true ? await brake(ctx, profile) : undefined;
  const applied = await commit(ctx, lease, reportOf(seen, lease, reading, model), profile);
  if (unbraked !== undefined) throw unbraked;
  return applied;
}

async function commit(ctx: Context, lease: ReadLease, report: Report, first: Profile): Promise<Applied> {
  let ignored: IgnoredReason | undefined;
  let after = first;
  try {
    await ctx.ledger.commit(
      lease.profile,
      (profile) => {
        if (profile === undefined)
          throw new BrokerFailure({ kind: "profile_unknown", profile: lease.profile });
        const now = ctx.clock.now();
        after = transition(profile, { type: "reported", report }, now, ctx.settings);
        if (isAuthOutcome(report.outcome) && profile.generation !== report.generation)
          ignored = "STALE_GENERATION";
        else if (after === profile && isRepeated(profile, report, now)) ignored = "DUPLICATE";
        return after;
      },
      { keep: true },
    );
  } catch (error) {
    if (error instanceof StoreError) throw new BrokerFailure(storeFailure(error), { cause: error });
    if (error instanceof BrokerFailure) return { ignored: "PROFILE_GONE", after: undefined };
    throw error;
  }
  return { ...(ignored === undefined ? {} : { ignored }), after };
}

function reportOf(seen: Seen, lease: ReadLease, reading: Reading, model: string): Report {
  const source = seen.response?.source ?? "MODEL_API";
  const own = seen.usageWindows.length > 0 || seen.response?.source === "USAGE_API";
  return {
    outcome: reading.outcome,
    scope: reading.scope,
    model,
    ...(reading.retryAtMs === undefined ? {} : { retryAtMs: reading.retryAtMs }),
    ban: reading.ban === true,
    windows: [...reading.windows.map((w) => ({ ...w, source })), ...seen.usageWindows],
    // Headers of a slow answer may be older than a refusal that came in meanwhile; a reading of its own is not.
    windowsSinceMs: own ? Number.POSITIVE_INFINITY : lease.issuedAtMs,
    generation: lease.generation,
    leaseIssuedAtMs: lease.issuedAtMs,
    leaseTag: lease.tag,
  };
}

/** True if this very lease already said the same and the profile shows it. */
function isRepeated(profile: Profile, report: Report, now: ReturnType<Context["clock"]["now"]>): boolean {
  if (report.outcome === "AUTH_INVALID_TOKEN") return profile.refusedGeneration === profile.generation;
  if (report.outcome === "AUTH_PERMANENT") return profile.loginNeeded !== undefined;
  if (report.outcome === "FORBIDDEN" && report.scope === "PROFILE") return profile.block !== undefined;
  return runningFor(profile, report.model, now).some(
    (c) => c.outcome === report.outcome && c.leaseTag === report.leaseTag,
  );
}

/**
 * A ban also holds the provider's other subscriptions; noted first, so that a crash cannot lose it. Gives
 * the failure if that holds in memory only, for now.
 */
async function brake(ctx: Context, profile: Profile): Promise<BrokerFailure | undefined> {
  if (!ctx.settings.cooldown.banBrake || ctx.ledger.provider(profile.provider).ban !== undefined) return;
  // Known already: who tells of it once more, late or on purpose, does not undo the acknowledgement.
  if (profile.block?.ban === true) return;
  const ban = { profile: profile.id, setAtMs: ctx.clock.now().wallMs };
  ctx.log.error(
    { profile: profile.id },
    "the provider banned this account; its other subscriptions are held",
  );
  try {
    await ctx.ledger.changeProvider(profile.provider, (state) => ({ ban, ...state }), { keep: true });
    return;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return new BrokerFailure(storeFailure(error), { cause: error });
  }
}

/** A report or release ends the lease's trial; if nothing was decided by it, the limit counts as over. */
function closeTrial(ctx: Context, lease: ReadLease, profile: Profile | undefined): void {
  if (!lease.trial) return;
  const ended = ctx.trials.end(lease.profile, lease.request.model, lease.channel, lease.issuedAtMs);
  if (profile === undefined) return;
  for (const model of ended) endTrialInSilence(ctx, lease.profile, model);
}

/** The moment that was read or guessed, whatever the scope. */
function retryMoment(
  ctx: Context,
  profile: Profile | undefined,
  reading: Reading,
  model: string,
  providerDelayMs: number | undefined,
): number | undefined {
  const now = ctx.clock.now();
  const own =
    profile === undefined ? [] : runningFor(profile, model, now).filter((c) => c.outcome === reading.outcome);
  const ends = own.map((c) => wallOf(c.until, now));
  if (ends.length > 0) return Math.max(...ends);
  if (reading.outcome === "OK") return undefined;
  if (isPlausible(reading.retryAtMs, now, ctx.settings.cooldown.longestWindowMs)) return reading.retryAtMs;
  return providerDelayMs === undefined ? undefined : now.wallMs + providerDelayMs;
}
