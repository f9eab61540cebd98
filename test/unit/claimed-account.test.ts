import { describe, expect, test } from "vitest";
import { claimedAccount, isName, knownParts } from "../../src/domain/claimed-account.ts";

describe("whose a login is", () => {
  const AUTH = "https://api.openai.com/auth";
  const mail = { "https://api.openai.com/profile": { email: "b@x.test" } };
  const auth = {
    chatgpt_account_id: "acct",
    chatgpt_user_id: "user-1",
    user_id: "user-2",
    chatgpt_plan_type: "pro",
  };

  test.each([
    ["nothing", undefined, undefined, {}],
    [
      "the access token before the id token",
      { sub: "a" },
      { sub: "b", email: "e@x.test" },
      { userId: "a", email: "e@x.test" },
    ],
    [
      "OpenAI's claims",
      { [AUTH]: auth, ...mail },
      undefined,
      { accountId: "acct", userId: "user-1", email: "b@x.test", planType: "pro" },
    ],
    [
      "OpenAI's older name of a user",
      { [AUTH]: { user_id: "user-2" }, sub: "s" },
      undefined,
      { userId: "user-2" },
    ],
    [
      "a subject beside OpenAI's claims is none of its users",
      { [AUTH]: { chatgpt_account_id: "a" }, sub: "s" },
      undefined,
      { accountId: "a" },
    ],
    ["the standard e-mail before OpenAI's", { email: "a@x.test", ...mail }, undefined, { email: "a@x.test" }],
  ])("is told by %s", (_what, access, id, account) => {
    expect(claimedAccount(access, id)).toEqual(account);
  });

  test("is told by names only", () => {
    expect(knownParts({ accountId: "a", userId: undefined, email: "x\u0000", planType: "p" })).toEqual({
      accountId: "a",
      planType: "p",
    });
    expect([isName("a".repeat(256)), isName("a".repeat(257)), isName(undefined)]).toEqual([
      true,
      false,
      false,
    ]);
    for (const odd of ["\u202e", "\u200b", "\ud800", "\n"]) expect(isName(`a${odd}b`)).toBe(false);
    expect(knownParts({ userId: "u", email: "e" })).toEqual({ userId: "u", email: "e" });
  });
});
