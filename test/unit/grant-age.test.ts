import { expect, test } from "vitest";
import { expiryOf, type Grant, isOlder, isRenewable } from "../../src/domain/grant.ts";
import { Secret } from "../../src/domain/secret.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith } from "../support/arbitrary.ts";

const grant = (issued: number | undefined, ends: number | undefined, access = "at-FAKE-1"): Grant => {
  const { issuedAtMs: _i, expires: _e, ...rest } = oauthGrantWith({ accessToken: new Secret(access) });
  return {
    ...rest,
    ...(issued === undefined ? {} : { issuedAtMs: issued }),
    ...(ends === undefined ? {} : { expires: after(NOW, ends) }),
  };
};
const setupToken = (ends: number): Grant => ({
  kind: "token",
  token: new Secret("tok-FAKE"),
  expires: after(NOW, ends),
});

test.each([
  ["was issued earlier, although it ends later", grant(1, 9), grant(2, 5), true],
  ["was issued in the same moment", grant(2, 5), grant(2, 9), false],
  ["was issued later", grant(3, 5), grant(2, 9), false],
  ["ends earlier", grant(undefined, 5), grant(undefined, 9), true],
  ["ends in the same moment", grant(undefined, 9), grant(undefined, 9), false],
  ["ends earlier, where only the other tells when it was issued", grant(undefined, 5), grant(2, 9), true],
  ["ends later, where only the other tells when it was issued", grant(undefined, 9), grant(2, 5), false],
  [
    "does not end, where only the other tells when it was issued",
    grant(1, undefined),
    grant(undefined, 5),
    false,
  ],
  [
    "ends in the same moment, where only the other tells when it was issued",
    grant(undefined, 9),
    grant(2, 9),
    false,
  ],
  ["ends, where the other one does not", grant(undefined, 5), grant(2, undefined), false],
  ["tells nothing", grant(undefined, undefined), grant(2, 9), false],
  ["is compared with one that tells nothing", grant(1, 5), grant(undefined, undefined), false],
  ["has yet to be fetched", grant(1, 5, ""), grant(2, 9), false],
  ["is a token that ends earlier", setupToken(5), setupToken(9), true],
  ["is a key", apiKeyGrantWith(), grant(2, 9), false],
  ["is compared with a key", grant(1, 5), apiKeyGrantWith(), false],
])("a grant is older than another, or not: it %s", (_what, candidate, current, isIt) => {
  expect(isOlder(candidate, current)).toBe(isIt);
});

test("a key has no end", () => {
  expect(expiryOf(apiKeyGrantWith())).toBeUndefined();
  expect(expiryOf(setupToken(5))).toEqual(after(NOW, 5));
});

test("a new token can be had with a refresh token or by the client's own secret, and for a login only", () => {
  const { refreshToken: _, ...alone } = oauthGrantWith();
  const client = { ...alone, renewal: "client" } as const;
  const grants = [oauthGrantWith(), client, alone, setupToken(5), apiKeyGrantWith()];
  expect(grants.map(isRenewable)).toEqual([true, true, false, false, false]);
});
