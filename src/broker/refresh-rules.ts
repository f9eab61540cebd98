import { isOtherAccount } from "../domain/account.ts";
import { isRenewable } from "../domain/grant.ts";
import type { Profile } from "../domain/profile.ts";
import { NO_ANSWER } from "../domain/refreshing.ts";
import type { Secret } from "../domain/secret.ts";
import type { Now } from "../domain/time.ts";
import { refreshPermission } from "../domain/token.ts";
import type { Event } from "../domain/transition.ts";
import type { OAuthClient, RefreshAnswer } from "../provider/provider.ts";

/** The lane that a client's refreshes share. */
export function clientKey(client: OAuthClient): string {
  return `${client.tokenUrl ?? client.issuer} ${client.clientId}`;
}

/** True for answers whose `Retry-After` speaks to the whole client. */
export function isThrottle(httpStatus: number): boolean {
  return httpStatus === 429 || httpStatus === 503;
}

/** Which sending the rules allow now, if any. */
export function allowedReplay(profile: Profile, now: Now): 0 | 1 | undefined {
  const permission = refreshPermission(profile, now);
  return permission.kind === "now" ? permission.replay : undefined;
}

/** An operator may send what the rules hold back, but never what the server has called dead. */
export function orderedReplay(profile: Profile): 0 | 1 | undefined {
  if (!isRenewable(profile.grant)) return undefined;
  const { refreshDead } = profile;
  if (refreshDead !== undefined && refreshDead.code !== NO_ANSWER) return undefined;
  return profile.intent?.phase === "lost" || refreshDead !== undefined ? 1 : 0;
}

/** What the answer to a refresh does to the profile. */
export function eventOf(profile: Profile, spent: Secret | undefined, answer: RefreshAnswer): Event {
  const from = profile.generation;
  switch (answer.kind) {
    case "granted":
      if (isOtherAccount(profile.account, answer.account)) {
        return { type: "refresh_rejected", from, code: "other_account" };
      }
      return {
        type: "refresh_granted",
        from,
        ...(spent === undefined ? {} : { spent }),
        grant: answer.grant,
        account: answer.account,
      };
    case "terminal":
      return { type: "refresh_rejected", from, code: answer.code };
    case "not_now":
      return {
        type: "refresh_not_now",
        from,
        ...(answer.retryAtMs === undefined ? {} : { retryAtMs: answer.retryAtMs }),
      };
    case "unsent":
      return { type: "refresh_unsent", from };
    case "lost":
      return { type: "refresh_lost", from };
  }
}
