import { isRenewable } from "./grant.ts";
import type { Profile } from "./profile.ts";

/** True if the token that a refresh had just brought was refused too. */
export function isRefusedAfresh({ origin, loginNeeded }: Profile): boolean {
  return origin === "forced" && loginNeeded?.reason === "refused";
}

/**
 * True if that became of all logins of a provider, two at least: it may have ended what it offered, and
 * then no login mends it.
 */
export function isOfferEnded(profiles: readonly Profile[]): boolean {
  const logins = profiles.filter((profile) => profile.enabled && isRenewable(profile.grant));
  return logins.length > 1 && logins.every(isRefusedAfresh);
}

/** The same as a sentence for the operator. */
export function endedText(provider: string): string {
  return `${provider} refuses the tokens of all its logins right after a refresh: it may have ended this kind of login; try one before the others`;
}
