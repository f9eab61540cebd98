import type { Request } from "../domain/candidate.ts";
import { BrokerFailure } from "../domain/failure.ts";
import type { Grant } from "../domain/grant.ts";
import { nearest } from "../domain/nearest.ts";
import type { Pool } from "../domain/pool.ts";
import { BUILT_IN_PROVIDERS } from "../domain/provider-ids.ts";
import type { Scene, Session } from "../domain/selection.ts";
import type { Settings } from "../domain/settings.ts";
import type { Deadline, Now } from "../domain/time.ts";
import type { Provider } from "../provider/provider.ts";
import type { Alarm } from "./alarm.ts";
import type { Actor, Audit } from "./audit.ts";
import type { Clock } from "./clock.ts";
import type { Latest } from "./latest.ts";
import type { LeaseIds } from "./lease.ts";
import type { Channel } from "./lease-text.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { Refreshes } from "./refresh.ts";
import { Sessions } from "./sessions.ts";
import type { SharedSources } from "./shared.ts";
import type { Trials } from "./trials.ts";
import type { Troubles } from "./troubles.ts";
import type { UsageHistories } from "./usage-history.ts";
import type { UsagePoll } from "./usage-poll.ts";

/** Who asks, as the endpoint judged it. */
export interface Caller {
  readonly endpoint: string;
  readonly uid: number;
  /** False on endpoints that are limited to some providers or profiles. */
  readonly seesAll: boolean;
  readonly allowsProvider: (provider: string) => boolean;
  readonly allowsProfile: (profileId: string) => boolean;
  /** Who that is, for the audit. */
  readonly actor: Actor;
  /** Counts one more acquire. Throws `BrokerFailure` once the endpoint's rate is used up. */
  readonly countAcquire: () => void;
  /** The leases of an endpoint that may have so many only. */
  readonly leases?: LeaseLimit;
  /** Resolves when a person has said yes. Rejects with `BrokerFailure`. Absent: nobody is asked. */
  readonly confirm?: (request: Request, patience: Waiting) => Promise<void>;
  /** False: nobody may ask in order to print the bare token. */
  readonly mayPrint: boolean;
}

/** How many leases an endpoint has open. */
export interface LeaseLimit {
  /** Throws `BrokerFailure` if there is no room for one more. */
  readonly refuseFull: (now: Now) => void;
  /** One more, until its moment (wall clock) or until it is given back. */
  readonly opened: (tag: string, untilMs: number) => void;
  readonly closed: (tag: string) => void;
}

/** How long somebody waits for an answer. */
export interface Waiting {
  /** Absent: as long as it takes. */
  readonly deadline?: Deadline;
  /** The caller went away. */
  readonly signal: AbortSignal;
}

/** What the broker's operations share. */
export interface Context {
  readonly ledger: Ledger;
  readonly latest: Latest;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly log: Log;
  readonly leases: LeaseIds;
  readonly sessions: Sessions;
  readonly trials: Trials;
  readonly troubles: Troubles;
  readonly refreshes: Refreshes;
  readonly shared: SharedSources;
  readonly usage: UsagePoll;
  readonly histories: UsageHistories;
  /** Live watches by the profile that they hold. */
  readonly watches: Map<string, number>;
  /** Place in the order of what was handed out last, by provider. */
  readonly lastPlace: Map<string, number>;
  /** A provider by id: built in, configured, or plain for ids that only own profiles. */
  readonly providerOf: (id: string) => Provider;
  /** Built in or in the configuration. */
  readonly isKnown: (id: string) => boolean;
  /** Providers to show: in the configuration, or owning a profile. */
  readonly listedProviders: () => readonly string[];
  readonly fingerprintOf: (grant: Grant) => string;
  readonly audit: Audit;
  /** How to sign another program out of the login that stands in a file of it; for a person. */
  readonly signOutHint: (sourcePath: string) => string;
  /** Looks again at when something about a profile is due. */
  readonly plan: (profileId: string) => void;
  /** Runs one after the other what must not overlap. */
  readonly oneByOne: <T>(run: () => Promise<T>) => Promise<T>;
  readonly heldUntilMs: (provider: string) => number | undefined;
  /** Aborts when the broker stops: nobody waits any longer for anything but a refresh that is under way. */
  readonly ending: AbortSignal;
}

/** Refuses a request for a provider that nobody knows, and one for profiles that this caller may not know of. */
export function poolFor(ctx: Context, provider: string, caller: Caller): Pool {
  const pool = ctx.ledger.pool(provider);
  refuseUnknown(ctx, provider, caller.seesAll);
  return caller.allowsProvider(provider) ? pool : { ...pool, seats: [] };
}

/**
 * Refuses a provider that is neither built in nor configured and owns no profile. The operator's own
 * names are suggested only to callers who may see all.
 */
export function refuseUnknown(ctx: Context, provider: string, seesAll = true): void {
  if (ctx.ledger.pool(provider).seats.length > 0 || ctx.isKnown(provider)) return;
  throw unknownProvider(ctx, provider, seesAll);
}

/** The refusal of a provider that nobody knows, with the one that was probably meant. */
export function unknownProvider(ctx: Context, provider: string, seesAll = true): BrokerFailure {
  const near = nearest(provider, [...BUILT_IN_PROVIDERS, ...(seesAll ? ctx.listedProviders() : [])]);
  return new BrokerFailure({
    kind: "provider_unknown",
    provider,
    ...(near === undefined ? {} : { nearest: near }),
  });
}

/** Ids as they are now; refuses an unknown provider, and a pin that names no profile of it. */
export function resolved(ctx: Context, request: Request, caller: Caller): Request {
  refuseUnknown(ctx, request.provider, caller.seesAll);
  if (request.profile === "" && request.excludeProfiles.length === 0) return request;
  const profile = request.profile === "" ? "" : ctx.ledger.resolve(request.profile);
  if (profile !== "" && caller.allowsProfile(profile)) {
    if (ctx.ledger.get(profile) === undefined && ctx.ledger.corrupt(profile) === undefined) {
      throw new BrokerFailure({ kind: "profile_unknown", profile: request.profile });
    }
    if (!profile.startsWith(`${request.provider}:`)) {
      const description = `"${profile}" is not a profile of ${request.provider}`;
      throw new BrokerFailure({ kind: "field_invalid", violations: [{ field: "profile", description }] });
    }
  }
  return {
    ...request,
    profile,
    excludeProfiles: request.excludeProfiles.map((id) => ctx.ledger.resolve(id)),
  };
}

/** What stands around a request at this moment. */
export function sceneOf(
  ctx: Context,
  request: Request,
  caller: Caller,
  channel: Channel,
  now: Now,
  extra: {
    readonly isImpatient?: boolean;
    readonly avoid?: string;
    readonly stayWith?: string;
    readonly held?: Session;
  } = {},
): Scene {
  const session = extra.held ?? sessionOf(ctx, request, caller, now);
  const upstreamHeldUntilMs = ctx.heldUntilMs(request.provider);
  // Field by field: to spread what is mostly absent would make objects for nothing at every acquire.
  const scene: { -readonly [K in keyof Scene]: Scene[K] } = {
    allows: caller.allowsProfile,
    trialUntil: (profile, model) => ctx.trials.untilMs(profile, model, channel, now),
    isImpatient: extra.isImpatient === true,
    turns: {
      lastPlace: ctx.lastPlace.get(request.provider) ?? 0,
      load: (profile) => ctx.sessions.count(profile, now) + (ctx.watches.get(profile) ?? 0),
    },
  };
  if (upstreamHeldUntilMs !== undefined) scene.upstreamHeldUntilMs = upstreamHeldUntilMs;
  if (session !== undefined) scene.session = session;
  if (extra.avoid !== undefined) scene.avoid = extra.avoid;
  if (extra.stayWith !== undefined) scene.stayWith = extra.stayWith;
  return scene;
}

/** The key of the request's conversation, or undefined if nothing sticks. */
export function sessionKey(request: Request, caller: Caller): string | undefined {
  if (request.sessionId === "") return undefined;
  return Sessions.key(caller.endpoint, request.provider, request.sessionId);
}

function sessionOf(ctx: Context, request: Request, caller: Caller, now: Now): Session | undefined {
  const key = sessionKey(request, caller);
  return key === undefined ? undefined : ctx.sessions.find(key, now);
}
