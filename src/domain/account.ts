import type { Account } from "./grant.ts";

/**
 * True if both are certainly the same seat: the same account id, and the same user id or, where that
 * is not known of both, the same e-mail. Unknown parts match nothing. One account id alone proves
 * nothing: the seats of a team share it.
 */
export function isSameIdentity(a: Account, b: Account): boolean {
  if (a.accountId === undefined || a.accountId !== b.accountId) return false;
  if (a.userId !== undefined && b.userId !== undefined) return a.userId === b.userId;
  return a.email !== undefined && sameEmail(a.email, b.email);
}

/** True if the two certainly belong to different seats: a part that both know differs. */
export function isOtherAccount(a: Account, b: Account): boolean {
  if (differs(a.accountId, b.accountId)) return true;
  if (a.userId !== undefined && b.userId !== undefined) return a.userId !== b.userId;
  return a.email !== undefined && b.email !== undefined && !sameEmail(a.email, b.email);
}

/** What is known after learning more: newer parts win, known parts are never lost. */
export function mergeAccounts(known: Account, learned: Account): Account {
  return { ...known, ...learned };
}

function differs(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

function sameEmail(a: string, b: string | undefined): boolean {
  return a.toLowerCase() === b?.toLowerCase();
}
