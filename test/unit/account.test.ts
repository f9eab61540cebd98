import { expect, test } from "vitest";
import { isOtherAccount, isSameIdentity, mergeAccounts } from "../../src/domain/account.ts";
import type { Account } from "../../src/domain/grant.ts";

const seat = (accountId?: string, userId?: string, email?: string): Account => ({
  ...(accountId === undefined ? {} : { accountId }),
  ...(userId === undefined ? {} : { userId }),
  ...(email === undefined ? {} : { email }),
});

// Between the two lies what nobody can tell.
test.each([
  ["the same in all parts", seat("a", "u", "x@y"), seat("a", "u", "x@y"), true, false],
  ["the same user of the same account", seat("a", "u"), seat("a", "u", "x@y"), true, false],
  ["another user, whatever the e-mail", seat("a", "u", "x@y"), seat("a", "v", "x@y"), false, true],
  ["the same user, whatever the e-mail", seat("a", "u", "x@y"), seat("a", "u", "z@y"), true, false],
  [
    "the same e-mail where one user is unknown",
    seat("a", "u", "X@y"),
    seat("a", undefined, "x@Y"),
    true,
    false,
  ],
  [
    "another e-mail where one user is unknown",
    seat("a", "u", "x@y"),
    seat("a", undefined, "z@y"),
    false,
    true,
  ],
  [
    "the same e-mail where the other user is unknown",
    seat("a", undefined, "x@y"),
    seat("a", "u", "x@y"),
    true,
    false,
  ],
  ["an account id alone", seat("a"), seat("a"), false, false],
  ["an account id beside an e-mail", seat("a"), seat("a", undefined, "x@y"), false, false],
  ["an e-mail beside an account id", seat("a", undefined, "x@y"), seat("a"), false, false],
  [
    "another account of the same e-mail",
    seat("a", undefined, "x@y"),
    seat("b", undefined, "x@y"),
    false,
    true,
  ],
  [
    "the same e-mail alone",
    seat(undefined, undefined, "x@y"),
    seat(undefined, undefined, "x@y"),
    false,
    false,
  ],
  ["nothing known", seat(), seat(), false, false],
  ["nothing known of one", seat(), seat("a", "u", "x@y"), false, false],
  ["nothing known of the other", seat("a", "u", "x@y"), seat(), false, false],
])("%s", (_what, a, b, isSame, isOther) => {
  expect(isSameIdentity(a, b)).toBe(isSame);
  expect(isOtherAccount(a, b)).toBe(isOther);
});

test("what was known is never forgotten, and newer parts win", () => {
  expect(mergeAccounts(seat("a", "u"), seat(undefined, "v", "x@y"))).toEqual(seat("a", "v", "x@y"));
});
