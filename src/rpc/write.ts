import type { Given, Handout } from "../broker/handout.ts";
import type { Next } from "../broker/next.ts";
import type { ReportAnswer } from "../broker/report.ts";
import type { CorruptView, ProfileView, ProviderSummary } from "../broker/status.ts";
import type { Credential } from "../domain/credential.ts";
import type { Explanation } from "../domain/explain.ts";
import { expiryOf } from "../domain/grant.ts";
import type { UsageWindow } from "../domain/outcome.ts";
import type { Profile } from "../domain/profile.ts";
import { splitProfileId } from "../domain/profile.ts";
import { reached, wallOf } from "../domain/time.ts";
import { refreshDueAt } from "../domain/token.ts";
import { durationOf, timestampOf } from "./instants.ts";
import type { Message } from "./schema.ts";
import { writeUnavailable } from "./status.ts";

/** A hand-out on the wire. */
export function writeHandout(handout: Handout): Message {
  return {
    lease: {
      leaseId: handout.leaseId,
      provider: handout.provider,
      profile: handout.profile,
      generation: handout.generation,
      sessionId: handout.sessionId,
      issueTime: timestampOf(handout.issuedAtMs),
      expireTime: timestampOf(handout.expiresAtMs),
      trial: handout.trial,
      costClass: `COST_CLASS_${handout.costClass}`,
    },
    credential: writeGiven(handout.given),
  };
}

/** Most hand-outs give what the one before gave. */
const WRITTEN = new WeakMap<Given, Message>();

function writeGiven(given: Given): Message {
  const written = WRITTEN.get(given);
  if (written !== undefined) return written;
  const { credential, headers } = given;
  const message = {
    ...writeSecret(credential),
    baseUrl: credential.baseUrl,
    headers: headers(),
    attributes: credential.attributes,
  };
  WRITTEN.set(given, message);
  return message;
}

/** With the store's record encoder the only place that opens an access token. */
function writeSecret({ secret, expires }: Credential): Message {
  if (secret.kind === "api_key") return { apiKey: { key: secret.key.reveal() } };
  return {
    oauth: {
      accessToken: secret.accessToken.reveal(),
      tokenType: secret.tokenType,
      ...(expires === undefined ? {} : { expireTime: timestampOf(expires.wallMs) }),
      idToken: secret.idToken?.reveal() ?? "",
      accountId: secret.accountId,
      planType: secret.planType,
    },
  };
}

/** The message of a watch, and the `next` of a report. */
export function writeNext(next: Next): Message {
  if (next.kind === "granted") return { granted: writeHandout(next.handout) };
  return { unavailable: writeUnavailable(next.unavailability) };
}

export function writeReport(answer: ReportAnswer, state: string | undefined): Message {
  const { advice, ignoredReason, retryAtMs, next } = answer;
  return {
    applied: answer.applied,
    ...(ignoredReason === undefined ? {} : { ignoredReason: `IGNORED_REASON_${ignoredReason}` }),
    outcome: `OUTCOME_${answer.outcome}`,
    scope: `SCOPE_${answer.scope}`,
    ...(advice === undefined
      ? {}
      : { advice: { action: `ADVICE_ACTION_${advice.action}`, delay: durationOf(advice.delayMs) } }),
    ...(state === undefined ? {} : { profileState: `PROFILE_STATE_${state}` }),
    ...(retryAtMs === undefined ? {} : { retryTime: timestampOf(retryAtMs) }),
    ...(next === undefined ? {} : { next: writeNext(next) }),
  };
}

export function writeExplanation(candidates: readonly Explanation[]): Message {
  return {
    candidates: candidates.map(({ untilMs, ...rest }) => ({
      ...rest,
      ...(untilMs === undefined ? {} : { untilTime: timestampOf(untilMs) }),
    })),
  };
}

export function writeSummary({ nextUsableAtMs, ...numbers }: ProviderSummary): Message {
  return {
    ...numbers,
    ...(nextUsableAtMs === undefined ? {} : { nextUsableTime: timestampOf(nextUsableAtMs) }),
  };
}

export function writeProfile(view: ProfileView | CorruptView): Message {
  return "corrupt" in view ? writeCorrupt(view) : writeReadable(view);
}

/** A profile whose record cannot be read, as far as its id tells. */
function writeCorrupt(view: CorruptView): Message {
  const parts = splitProfileId(view.id);
  return {
    profile: view.id,
    provider: parts?.provider ?? "",
    label: parts?.label ?? "",
    state: "PROFILE_STATE_BLOCKED",
    stateReason: "STORE_CORRUPT",
    order: view.order,
    enabled: true,
  };
}

function writeReadable(view: ProfileView): Message {
  const { profile, state } = view;
  return {
    profile: profile.id,
    provider: profile.provider,
    label: profile.title === undefined || profile.title === "" ? profile.label : profile.title,
    kind: `PROFILE_KIND_${profile.grant.kind.toUpperCase()}`,
    accountHint: hintOf(profile),
    planType: profile.account.planType ?? "",
    pools: profile.pools,
    costClass: `COST_CLASS_${profile.costClass}`,
    ownership: `OWNERSHIP_${profile.ownership}`,
    state: `PROFILE_STATE_${state.state}`,
    stateReason: state.reason,
    order: view.order,
    isOrderExplicit: view.isOrderExplicit,
    enabled: profile.enabled,
    generation: profile.generation,
    hasRefreshToken: profile.grant.kind === "oauth" && profile.grant.refreshToken !== undefined,
    cooldowns: writeCooldowns(view),
    usageWindows: profile.usageWindows.map(writeWindow),
    sessionCount: view.sessionCount,
    tokenFingerprint: view.fingerprint,
    sourcePath: profile.sourcePath,
    ...writeTimes(view),
  };
}

function writeTimes({ profile, now }: ProfileView): Message {
  const expires = expiryOf(profile.grant);
  const due = refreshDueAt(profile, now);
  const { lastRefreshAtMs } = profile;
  return {
    ...(expires === undefined ? {} : { accessTokenExpireTime: timestampOf(expires.wallMs) }),
    ...(due === undefined ? {} : { refreshTime: timestampOf(due.wallMs) }),
    ...(lastRefreshAtMs === undefined ? {} : { lastRefreshTime: timestampOf(lastRefreshAtMs) }),
  };
}

/** Only those that hold now; the others are memory for the strikes. */
function writeCooldowns({ profile, now }: ProfileView): readonly Message[] {
  return profile.cooldowns
    .filter((c) => !reached(c.until, now))
    .map((c) => ({
      model: c.model,
      outcome: `OUTCOME_${c.outcome}`,
      source: `COOLDOWN_SOURCE_${c.source}`,
      setTime: timestampOf(c.setAtMs),
      untilTime: timestampOf(wallOf(c.until, now)),
      strikes: profile.strikes.find((s) => s.outcome === c.outcome && s.model === c.model)?.count ?? 0,
    }));
}

export function writeWindow(w: UsageWindow): Message {
  return {
    name: w.name,
    ...(w.windowMinutes === undefined ? {} : { windowMinutes: w.windowMinutes }),
    ...(w.usedPercent === undefined ? {} : { usedPercent: w.usedPercent }),
    ...(w.resetAtMs === undefined ? {} : { resetTime: timestampOf(w.resetAtMs) }),
    observeTime: timestampOf(w.observedAtMs),
  };
}

/** Enough of the account to recognise it, and no more. */
function hintOf({ account }: Profile): string {
  const { email, accountId } = account;
  if (email !== undefined) {
    const sign = email.lastIndexOf("@");
    return sign > 0 ? `${email.slice(0, 1)}…${email.slice(sign)}` : `${email.slice(0, 1)}…`;
  }
  return accountId === undefined ? "" : `${accountId.slice(0, 6)}…`;
}
