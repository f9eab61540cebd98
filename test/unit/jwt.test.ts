import { describe, expect, test } from "vitest";
import { claimedAccount } from "../../src/domain/claimed-account.ts";
import { jwtClaims, jwtTimes } from "../../src/domain/jwt.ts";
import { fakeJwt } from "../support/jwt.ts";

describe("claims of a JWT", () => {
  test("are read without a signature check, letters beyond ASCII included", () => {
    expect(jwtClaims(fakeJwt({ name: "Zoë ✓", n: 1 }))).toEqual({ name: "Zoë ✓", n: 1 });
  });

  test.each([
    "",
    "opaque",
    "a.b",
    "a.e30",
    "a",
    "a.b.c",
    "a.e30.c.d",
    "a.W10.c",
    "a.MQ.c",
    "a.bnVsbA.c",
    "..",
    "a.%%%.c",
  ])("%j is no JWT and has none", (token) => {
    expect(jwtClaims(token)).toBeUndefined();
  });

  test("are written in the letters of addresses", () => {
    const claims = { name: "\u00fb\u00ef\u00be\u00ff>>>???~~~" };
    expect(fakeJwt(claims)).toMatch(/\..*-.*\./);
    expect(fakeJwt(claims)).toMatch(/\..*_.*\./);
    expect(jwtClaims(fakeJwt(claims))).toEqual(claims);
  });

  test("times are milliseconds, of those that are told", () => {
    expect(Object.keys(jwtTimes(undefined))).toEqual([]);
    expect(Object.keys(jwtTimes({ exp: 1 }))).toEqual(["expiresAtMs"]);
    expect(Object.keys(jwtTimes({ iat: 1 }))).toEqual(["issuedAtMs"]);
    expect(jwtTimes({ exp: 253_402_300_799 })).toEqual({ expiresAtMs: 253_402_300_799_000 });
    expect(jwtTimes({ iat: 1_000, exp: 1_000.5 })).toEqual({ issuedAtMs: 1_000_000, expiresAtMs: 1_000_500 });
    expect(jwtTimes({ exp: 0 })).toEqual({ expiresAtMs: 0 });
  });

  test.each(["1000", -1, Number.NaN, Number.POSITIVE_INFINITY, 1e15, null, {}])("%j is no time", (exp) => {
    expect(jwtTimes({ exp })).toEqual({});
  });
});

describe("the account that tokens claim", () => {
  const auth = "https://api.openai.com/auth";

  test("joins both tokens, and the access token wins", () => {
    const access = { [auth]: { chatgpt_account_id: "acct-1", chatgpt_plan_type: "pro" } };
    const id = { email: "a@example.test", [auth]: { chatgpt_user_id: "u-1", chatgpt_plan_type: "free" } };
    expect(claimedAccount(access, id)).toEqual({
      accountId: "acct-1",
      userId: "u-1",
      email: "a@example.test",
      planType: "pro",
    });
  });

  test("takes the subject as the user only where no OpenAI claims stand", () => {
    expect(claimedAccount({ sub: "s-1", [auth]: { chatgpt_account_id: "a" } }, undefined)).toEqual({
      accountId: "a",
    });
    expect(claimedAccount(undefined, { sub: "s-1" })).toEqual({ userId: "s-1" });
  });

  test("is told without the blanks around it", () => {
    expect(claimedAccount({ sub: " s-1\t" }, undefined)).toEqual({ userId: "s-1" });
  });

  test("leaves out what is no text", () => {
    expect(claimedAccount({ email: 5, [auth]: [] }, { email: " ", [auth]: { user_id: null } })).toEqual({});
  });
});
