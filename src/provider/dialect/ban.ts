import { both, either, hasCode, isVouched, not, type Rule, rule, says } from "./rule.ts";

const CODES = [
  "tos_violation",
  "account_suspended",
  "account_banned",
  "account_terminated",
  "user_banned",
  "user_suspended",
  "organization_disabled",
  "organization_banned",
  "access_terminated",
  "consumer_suspended",
];

/** Sentences that need no reason beside them. */
const CLOSED = says(
  ...["organization", "organisation", "account"].flatMap((who) =>
    ["has been", "was", "is"].flatMap((verb) =>
      ["disabled", "suspended", "banned", "terminated"].map((what) => `${who} ${verb} ${what}`),
    ),
  ),
);

const SHUT = says("disabled", "suspended", "banned", "terminated", "deactivated", "blocked", "closed");
const WHOSE = says("account", "organization", "organisation", "your access", "access to");
const WHY = says(
  "violation of",
  "violating",
  "violated",
  "violates",
  "policy violation",
  "fraud",
  "abuse of",
  "abusive",
);
/** An unpaid bill closes accounts too; paying opens them again. */
const MONEY = says(
  "billing",
  "payment",
  "balance",
  "overdue",
  "past due",
  "unpaid",
  "invoice",
  "credit",
  "recharge",
  "top up",
  "arrear",
);

/**
 * The provider closed the account. Not a word about a single request ("your prompt violates"), nor
 * the link to the terms that other refusals carry.
 */
export const BANNED: Rule = rule(
  "banned",
  either(hasCode(...CODES), both(isVouched, not(MONEY), either(CLOSED, both(SHUT, WHOSE, WHY)))),
  "FORBIDDEN",
  "PROFILE",
  { ban: true },
);
