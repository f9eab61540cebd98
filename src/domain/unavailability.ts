import type { Ranked, Request, Verdict } from "./candidate.ts";
import type { Failure, ProfileReason, Unavailability, UnavailableReason } from "./failure.ts";
import { noProfile } from "./no-profile.ts";
import { isCorrupt, type Pool } from "./pool.ts";

/** Precedence of what is left when nothing comes back by itself; the first that occurs is the reason. */
const STUCK: readonly { readonly reasons: readonly string[]; readonly answer: UnavailableReason }[] = [
  { reasons: ["LOGIN_REQUIRED"], answer: "LOGIN_REQUIRED" },
  { reasons: ["REFRESH_IN_DOUBT"], answer: "REFRESH_IN_DOUBT" },
  { reasons: ["BLOCKED", "HELD_AFTER_BAN", "STORE_CORRUPT"], answer: "PROFILE_BLOCKED" },
  { reasons: ["VALIDITY_UNREACHABLE"], answer: "VALIDITY_UNREACHABLE" },
  { reasons: ["METERED_NOT_ALLOWED"], answer: "METERED_NOT_ALLOWED" },
];

/** Turns the verdicts of a selection that found nothing into the one answer for the caller. */
export function unavailable(
  pool: Pool,
  request: Request,
  ranked: readonly Ranked[],
  stayed?: string,
): Failure {
  const corrupt = allCorrupt(ranked);
  if (corrupt !== undefined) {
    return { kind: "store_corrupt", path: corrupt, mend: "repair the file or put the profile anew" };
  }
  const { reason, what, retryAtMs, help = moveHelp(request, stayed) } = answerOf(pool, request, ranked);
  const unavailability: Unavailability = {
    reason,
    message: messageOf(what ?? MESSAGES[reason], request, stayed),
    ...(retryAtMs === undefined ? {} : { retryAtMs }),
    ...(help === undefined ? {} : { help }),
    profiles: ranked
      .filter(isShown)
      .map(reasonOf)
      .filter((r) => r !== undefined),
  };
  return { kind: "unavailable", unavailability };
}

/** A refresh that a caller can't or won't wait for: it goes on, and the caller may come back. */
export function refreshPending(
  provider: string,
  profile: string,
  retryAtMs: number,
): Extract<Failure, { kind: "unavailable" }> {
  return {
    kind: "unavailable",
    unavailability: {
      reason: "UPSTREAM_UNAVAILABLE",
      message: `the login of "${profile}" (${provider}) is being refreshed; try again in a moment`,
      retryAtMs,
      profiles: [{ profile, reason: "REFRESHING", untilMs: retryAtMs }],
    },
  };
}

function answerOf(
  pool: Pool,
  request: Request,
  ranked: readonly Ranked[],
): { reason: UnavailableReason; what?: string; retryAtMs?: number; help?: string } {
  const soonest = soonestOf(ranked);
  if (soonest !== undefined) {
    const isUpstream = soonest.reason === "UPSTREAM_UNAVAILABLE" || soonest.reason === "REFRESHING";
    return { reason: isUpstream ? "UPSTREAM_UNAVAILABLE" : "ALL_COOLING_DOWN", retryAtMs: soonest.untilMs };
  }
  for (const { reasons, answer } of STUCK) {
    const hit = ranked.find((r) => r.verdict.kind === "stuck" && reasons.includes(r.verdict.reason));
    if (hit !== undefined) return { reason: answer, ...helpFor(answer, hit, request) };
  }
  const { message, help } = noProfile(pool, request, ranked.filter(isShown));
  return { reason: "NO_PROFILE", ...(message !== undefined && { what: message }), help };
}

function soonestOf(ranked: readonly Ranked[]): Extract<Verdict, { kind: "wait" }> | undefined {
  let soonest: Extract<Verdict, { kind: "wait" }> | undefined;
  for (const { verdict } of ranked) {
    if (verdict.kind === "wait" && (soonest === undefined || verdict.untilMs < soonest.untilMs))
      soonest = verdict;
  }
  return soonest;
}

function helpFor(answer: UnavailableReason, hit: Ranked, request: Request): { help?: string } {
  const { id } = hit.seat.profile;
  const label = id.slice(id.indexOf(":") + 1);
  switch (answer) {
    case "LOGIN_REQUIRED":
      return { help: `auth-broker login ${request.provider} --label ${label}` };
    case "REFRESH_IN_DOUBT":
      return { help: `auth-broker profiles refresh ${id}` };
    case "PROFILE_BLOCKED":
      return { help: blockHelp(hit, request) };
    case "VALIDITY_UNREACHABLE":
      return { help: `auth-broker acquire ${request.provider} --min-valid-for 0s` };
    case "METERED_NOT_ALLOWED":
      return { help: `auth-broker acquire ${request.provider} --profile ${id}` };
    default:
      return {};
  }
}

function blockHelp(hit: Ranked, request: Request): string {
  const { id } = hit.seat.profile;
  const reason = hit.verdict.kind === "stuck" ? hit.verdict.reason : "";
  if (reason === "HELD_AFTER_BAN") return `auth-broker profiles acknowledge ${request.provider}`;
  if (reason === "STORE_CORRUPT") return `auth-broker profiles add ${id}`;
  return `auth-broker profiles enable ${id}`;
}

function messageOf(what: string, request: Request, stayed: string | undefined): string {
  const { provider } = request;
  if (stayed === undefined) return `${provider}: ${what}`;
  return (
    `${provider}: ${what}; work stays on "${stayed}" because this provider's terms bind it to one account. ` +
    `To go on with another: ${moveHelp(request, stayed)}`
  );
}

/** The command that moves work which the broker may not move by itself. */
function moveHelp({ provider, sessionId }: Request, stayed: string | undefined): string | undefined {
  if (stayed === undefined) return undefined;
  const session = sessionId === "" ? "" : ` --session ${sessionId}`;
  return `auth-broker acquire ${provider} --profile P${session}`;
}

const MESSAGES: Readonly<Record<UnavailableReason, string>> = {
  NO_PROFILE: "no profile matches this request",
  ALL_COOLING_DOWN: "every profile that could serve is cooling down",
  UPSTREAM_UNAVAILABLE: "the provider's token endpoint does not answer usefully right now",
  LOGIN_REQUIRED: "a new login is needed",
  REFRESH_IN_DOUBT: "the answer to a refresh was lost and another program may hold the newer login",
  PROFILE_BLOCKED: "the account is blocked",
  VALIDITY_UNREACHABLE: "no token can be had that stays valid for as long as asked",
  METERED_NOT_ALLOWED: "only metered keys are left, and nobody allowed them",
};

/** Profiles that this endpoint may not know of are not named. */
function isShown(ranked: Ranked): boolean {
  return !(ranked.verdict.kind === "out" && ranked.verdict.reason === "NOT_ALLOWED");
}

/** Why a profile was not given, from its verdict; undefined when it could have been. */
export function reasonOf({ seat, verdict }: Ranked): ProfileReason | undefined {
  const profile = seat.profile.id;
  switch (verdict.kind) {
    case "ready":
      return undefined;
    case "refresh":
      return { profile, reason: "REFRESHING" };
    case "wait":
      return { profile, reason: verdict.reason, untilMs: verdict.untilMs };
    case "stuck":
    case "out":
      return { profile, reason: verdict.reason };
  }
}

function allCorrupt(ranked: readonly Ranked[]): string | undefined {
  const candidates = ranked.filter((r) => r.verdict.kind !== "out");
  const [first] = candidates;
  if (first === undefined || !isCorrupt(first.seat.profile)) return undefined;
  return candidates.every((r) => isCorrupt(r.seat.profile)) ? first.seat.profile.path : undefined;
}
