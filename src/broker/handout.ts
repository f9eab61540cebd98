import type { Request } from "../domain/candidate.ts";
import { type Credential, credentialOf } from "../domain/credential.ts";
import { expiryOf } from "../domain/grant.ts";
import { seatOf } from "../domain/pool.ts";
import type { CostClass, Profile } from "../domain/profile.ts";
import type { Choice } from "../domain/selection.ts";
import { type Now, wallOf } from "../domain/time.ts";
import { refreshPermission } from "../domain/token.ts";
import { transition } from "../domain/transition.ts";
import type { Provider } from "../provider/provider.ts";
import type { Actor, Deed } from "./audit.ts";
import { type Caller, type Context, sessionKey } from "./context.ts";
import { LEASE_MS, tagOf } from "./lease.ts";
import type { Channel } from "./lease-text.ts";

/** What a caller gets: a lease and the credential that it stands for. */
export interface Handout {
  readonly leaseId: string;
  readonly provider: string;
  readonly profile: string;
  readonly generation: number;
  readonly sessionId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly trial: boolean;
  readonly costClass: CostClass;
  /** The same object for every hand-out of the profile until that changes. */
  readonly given: Given;
}

/** What a hand-out gives, whoever asks. */
export interface Given {
  readonly credential: Credential;
  /** Ready-to-send headers; made when the answer is encoded. */
  readonly headers: () => Readonly<Record<string, string>>;
}

const GIVEN = new WeakMap<Profile, Given>();

function givenOf(profile: Profile, provider: Provider): Given {
  const known = GIVEN.get(profile);
  if (known !== undefined) return known;
  const given = {
    credential: credentialOf(profile, provider.baseUrl || (provider.baseUrlOf?.(profile.grant) ?? "")),
    headers: () => provider.headers(profile.grant, profile.account),
  };
  GIVEN.set(profile, given);
  return given;
}

/** Hands out what was chosen: binds the session, opens a trial, writes the lease, starts a refresh that is due. */
export function handOut(
  ctx: Context,
  choice: Extract<Choice, { kind: "use" }>,
  request: Request,
  caller: Caller,
  channel: Channel,
  now: Now,
): Handout {
  const { profile } = choice;
  caller.leases?.refuseFull(now);
  const key = sessionKey(request, caller);
  if (key !== undefined && choice.session !== undefined) ctx.sessions.bind(key, choice.session, now);
  const pool = ctx.ledger.pool(profile.provider);
  if (pool.rules.strategy === "round_robin") {
    ctx.lastPlace.set(profile.provider, seatOf(pool, profile.id)?.place ?? 0);
  }
  for (const model of choice.trialModels) {
    ctx.trials.begin(profile.id, model, channel, now, () => endTrialInSilence(ctx, profile.id, model));
  }
  if (choice.refreshDue && refreshPermission(profile, now).kind === "now") ctx.refreshes.ahead(profile);
  ctx.usage.used(profile, now);
  return leased(ctx, choice, request, caller, channel, now);
}

function leased(
  ctx: Context,
  choice: Extract<Choice, { kind: "use" }>,
  request: Request,
  caller: Caller,
  channel: Channel,
  now: Now,
): Handout {
  const { profile } = choice;
  const provider = ctx.providerOf(profile.provider);
  const expires = expiryOf(profile.grant);
  const longestMs = now.wallMs + LEASE_MS;
  const expiresAtMs = expires === undefined ? longestMs : Math.min(longestMs, wallOf(expires, now));
  const trial = choice.trialModels.length > 0;
  ctx.audit.note(deedOf(ctx, caller.actor, profile, channel), now.wallMs);
  const leaseId = ctx.leases.write({
    profile: profile.id,
    generation: profile.generation,
    accountEpoch: profile.accountEpoch,
    request,
    endpoint: caller.endpoint,
    uid: caller.uid,
    issuedAtMs: now.wallMs,
    expiresAtMs,
    trial,
    channel,
  });
  caller.leases?.opened(tagOf(leaseId), expiresAtMs);
  return {
    leaseId,
    provider: profile.provider,
    profile: profile.id,
    generation: profile.generation,
    sessionId: request.sessionId,
    issuedAtMs: now.wallMs,
    expiresAtMs,
    trial,
    costClass: profile.costClass,
    given: givenOf(profile, provider),
  };
}

const DEEDS: Record<Channel, WeakMap<Actor, WeakMap<Profile, Deed>>> = {
  acquire: new WeakMap(),
  watch: new WeakMap(),
};

/** The same object for the same actor and profile: the audit counts those without comparing them (measured: 15 µs a call). */
function deedOf(ctx: Context, actor: Actor, profile: Profile, action: Channel): Deed {
  let own = DEEDS[action].get(actor);
  if (own === undefined) {
    own = new WeakMap();
    DEEDS[action].set(actor, own);
  }
  let deed = own.get(profile);
  if (deed === undefined) {
    const { id, provider, generation, grant } = profile;
    const about = { provider, profile: id, generation, fingerprint: ctx.fingerprintOf(grant) };
    deed = { actor, action, outcome: "GRANTED", ...about };
    own.set(profile, deed);
  }
  return deed;
}

/** A trial that nobody spoke about: the limit counts as over, the failures in a row are remembered. */
export function endTrialInSilence(ctx: Context, profileId: string, model: string): void {
  const change = (profile: Profile | undefined): Profile => {
    if (profile === undefined) throw new RangeError("the profile is gone");
    return transition(profile, { type: "trial_ended", model }, ctx.clock.now(), ctx.settings);
  };
  ctx.ledger.commit(profileId, change, { keep: true }).catch(() => {});
}
