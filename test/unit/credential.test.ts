import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { credentialOf } from "../../src/domain/credential.ts";
import { Secret } from "../../src/domain/secret.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

describe("what leaves the broker", () => {
  const account = { accountId: "acct", planType: "plus", email: "ann@example.test" };

  test("of a login is its access token, whose it is and until when, and no refresh token", () => {
    const grant = oauthGrantWith({ idToken: new Secret("id-FAKE"), tokenType: "DPoP" });
    const credential = credentialOf(
      profileWith({ grant, account, attributes: { project: "p" } }),
      "https://x",
    );
    expect(credential).toEqual({
      secret: {
        kind: "oauth",
        accessToken: grant.accessToken,
        tokenType: "DPoP",
        idToken: grant.idToken,
        accountId: "acct",
        planType: "plus",
      },
      expires: grant.expires,
      baseUrl: "https://x",
      attributes: { project: "p", email: "ann@example.test" },
    });
  });

  test("without an id token, a known account or an end has no such field", () => {
    const { expires: _, ...grant } = oauthGrantWith();
    const credential = credentialOf(profileWith({ grant, account: {} }), "");
    expect(credential.secret).toMatchObject({ accountId: "", planType: "" });
    expect(credential.secret).not.toHaveProperty("idToken");
    expect(credential).not.toHaveProperty("expires");
    expect(Object.keys(credential.attributes)).toEqual([]);
  });

  test("of a bare token is a bearer token with its end", () => {
    const grant = { kind: "token", token: new Secret("tok-FAKE"), expires: after(NOW, 5) } as const;
    const { secret, expires } = credentialOf(profileWith({ grant, account }), "");
    expect(secret).toEqual({
      kind: "oauth",
      accessToken: grant.token,
      tokenType: "Bearer",
      accountId: "acct",
      planType: "plus",
    });
    expect(expires).toEqual(after(NOW, 5));
  });

  test("of a key is the key", () => {
    const grant = apiKeyGrantWith();
    const credential = credentialOf(profileWith({ grant, baseUrl: "https://mine" }), "https://theirs");
    expect(credential.secret).toEqual({ kind: "api_key", key: grant.key });
    expect(credential.baseUrl).toBe("https://mine");
  });

  test("an attribute that the operator set goes before what the token tells", () => {
    const attributes = { email: "other@example.test" };
    expect(credentialOf(profileWith({ account, attributes }), "").attributes).toEqual(attributes);
  });
});

describe("a secret", () => {
  const secret = new Secret("rt-FAKE-secret");

  test("shows nothing, however it is printed", () => {
    for (const shown of [`${secret}`, String(secret), JSON.stringify({ secret }), inspect({ secret })]) {
      expect(shown).toContain("[redacted]");
      expect(shown).not.toContain("rt-FAKE");
    }
    expect(secret.reveal()).toBe("rt-FAKE-secret");
  });

  test("is the same as another of the same text", () => {
    expect(secret.equals(new Secret("rt-FAKE-secret"))).toBe(true);
    expect(secret.equals(new Secret("rt-FAKE"))).toBe(false);
    expect(secret.equals(undefined)).toBe(false);
  });

  test("is found in a text that holds it; a short one only where it is the text", () => {
    expect(secret.isShownIn("bad token rt-FAKE-secret given")).toBe(true);
    expect(secret.isShownIn("bad token rt-FAKE given")).toBe(false);
    expect(new Secret("123456789012").isShownIn("x123456789012")).toBe(true);
    expect(new Secret("12345678901").isShownIn("x12345678901")).toBe(false);
    expect(new Secret("12345678901").isShownIn("12345678901")).toBe(true);
  });
});
