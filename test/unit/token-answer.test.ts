import { describe, expect, test } from "vitest";
import type { OAuthGrant } from "../../src/domain/grant.ts";
import { Secret } from "../../src/domain/secret.ts";
import { after } from "../../src/domain/time.ts";
import { readTokenAnswer } from "../../src/provider/token-answer.ts";
import { fakeJwt } from "../support/jwt.ts";

const HOUR = 3_600_000;
const sentAt = { wallMs: Date.UTC(2030, 0, 1), monoMs: 5_000 };
const nowSeconds = sentAt.wallMs / 1000;

const previous: OAuthGrant = {
  kind: "oauth",
  accessToken: new Secret("at-FAKE-1"),
  refreshToken: new Secret("rt-FAKE-1"),
  idToken: new Secret("id-FAKE-1"),
  tokenType: "Bearer",
  scopes: ["a"],
  expires: after(sentAt, -1),
  lifetimeMs: 2 * HOUR,
};

interface Given {
  readonly previous?: OAuthGrant;
  readonly random?: number;
}

/** What is made of an answer, half of the jitter's range being none at all. */
function read(answer: Record<string, unknown>, given: Given = { previous }) {
  return readTokenAnswer(answer, {
    ...(given.previous === undefined ? {} : { previous: given.previous }),
    sentAt,
    refreshAt: 0.8,
    random: () => given.random ?? 0.5,
  });
}

function leftMs(answer: Record<string, unknown>, given?: Given) {
  const grant = read({ access_token: "at-FAKE-2", ...answer }, given);
  expect(grant?.expires?.monoMs).toBe(sentAt.monoMs + (grant?.expires?.wallMs ?? 0) - sentAt.wallMs);
  return (grant?.expires?.wallMs ?? Number.NaN) - sentAt.wallMs;
}

describe("tokens", () => {
  test("new ones replace the old ones", () => {
    const grant = read({
      access_token: "at-FAKE-2",
      refresh_token: "rt-FAKE-2",
      id_token: "id-FAKE-2",
      token_type: "Bearer",
      scope: "a b",
      expires_in: 60,
    });
    expect(grant?.accessToken.reveal()).toBe("at-FAKE-2");
    expect(grant?.refreshToken?.reveal()).toBe("rt-FAKE-2");
    expect(grant?.idToken?.reveal()).toBe("id-FAKE-2");
    expect(grant?.scopes).toEqual(["a", "b"]);
  });

  test.each([undefined, null, "", 7, {}])("refresh and id token %j keep the old ones", (value) => {
    const grant = read({ access_token: "at-FAKE-2", refresh_token: value, id_token: value });
    expect(grant?.refreshToken?.reveal()).toBe("rt-FAKE-1");
    expect(grant?.idToken?.reveal()).toBe("id-FAKE-1");
    expect(grant?.scopes).toEqual(["a"]);
  });

  test("a login without a refresh token has none, never an empty one", () => {
    expect(read({ access_token: "at-FAKE-2", refresh_token: "" }, {})).not.toHaveProperty("refreshToken");
  });

  test.each([undefined, null, "", 7, ["x"], "line\nbreak", "ümlaut"])(
    "access token %j is no grant",
    (value) => {
      expect(read({ access_token: value, refresh_token: "rt-FAKE-2" })).toBeUndefined();
    },
  );

  test.each([
    [undefined, "Bearer"],
    ["bearer", "Bearer"],
    ["BEARER", "Bearer"],
    ["DPoP", "DPoP"],
    ["Bearer\r\nx: y", "Bearer"],
    [5, "Bearer"],
  ])("token type %j is %s", (given, type) => {
    expect(read({ access_token: "at-FAKE-2", token_type: given })?.tokenType).toBe(type);
  });
});

describe("the end of the access token", () => {
  test.each([
    [3600, HOUR],
    ["3600", HOUR],
    [" 3600 ", HOUR],
    [1.5, 1_500],
    [0, 0],
    ["0", 0],
  ])("expires_in %j", (value, ms) => {
    expect(leftMs({ expires_in: value })).toBe(ms);
  });

  test.each([
    ["GitHub's moment in seconds", { expires_at: nowSeconds + 1_500 }, 1_500_000],
    ["MiniMax's in milliseconds", { expired_in: (nowSeconds + 7_200) * 1_000 }, 2 * HOUR],
    ["a small number as seconds from now", { expired_in: 3_600 }, HOUR],
    ["a moment that is over", { expires_at: nowSeconds - 5 }, 0],
    ["no plausible moment: the last known lifetime", { expires_at: "soon" }, 2 * HOUR],
    ["expires_in before any moment", { expires_in: 60, expires_at: nowSeconds + 9 }, 60_000],
  ])("%s", (_, answer, ms) => {
    expect(leftMs(answer)).toBe(ms);
  });

  test("what a client's own secret renews has no refresh token, even if one is given", () => {
    const { refreshToken: _, ...client } = previous;
    const answer = { access_token: "at-FAKE-2", refresh_token: "rt-FAKE-needless" };
    const grant = read(answer, { previous: { ...client, renewal: "client" } });
    expect(grant).toMatchObject({ renewal: "client" });
    expect(grant).not.toHaveProperty("refreshToken");
  });

  const garbage = [undefined, null, "", "soon", "-5", -5, Number.NaN, Infinity, 1e18, "1e3", true, {}];

  test.each(garbage)("expires_in %j: the JWT's own end", (value) => {
    const access_token = fakeJwt({ exp: nowSeconds + 1800 });
    expect(leftMs({ access_token, expires_in: value })).toBe(HOUR / 2);
  });

  test.each(garbage)("expires_in %j, no JWT: the last known lifetime", (value) => {
    expect(leftMs({ expires_in: value })).toBe(2 * HOUR);
  });

  test.each(garbage)("expires_in %j, nothing known: one hour", (value) => {
    expect(leftMs({ expires_in: value }, {})).toBe(HOUR);
  });

  test("a known lifetime of zero is no guide for the next token", () => {
    expect(leftMs({}, { previous: { ...previous, lifetimeMs: 0 } })).toBe(HOUR);
  });

  test("what the server states comes before the JWT's own end", () => {
    const access_token = fakeJwt({ exp: nowSeconds + 1800 });
    expect(leftMs({ access_token, expires_in: 60 })).toBe(60_000);
  });

  test("a clock that is behind the server's does not make a JWT last longer than its whole life", () => {
    const access_token = fakeJwt({ iat: nowSeconds + 86_400, exp: nowSeconds + 90_000 });
    expect(leftMs({ access_token })).toBe(HOUR);
  });

  test("a JWT that has ended has ended", () => {
    const access_token = fakeJwt({ iat: nowSeconds - 7200, exp: nowSeconds - 3600 });
    expect(leftMs({ access_token })).toBe(0);
  });
});

describe("the whole life of the token", () => {
  test("is what the server states", () => {
    expect(read({ access_token: "at-FAKE-2", expires_in: 60 })).toMatchObject({ lifetimeMs: 60_000 });
  });

  test("or the span of the JWT, which also tells when it was issued", () => {
    const access_token = fakeJwt({ iat: nowSeconds - 600, exp: nowSeconds + 3000 });
    expect(read({ access_token })).toMatchObject({ lifetimeMs: HOUR, issuedAtMs: sentAt.wallMs - 600_000 });
  });

  test("or the last one known", () => {
    expect(read({ access_token: "at-FAKE-2" })).toMatchObject({ lifetimeMs: 2 * HOUR });
  });

  test("or unknown, even where an end was assumed", () => {
    expect(read({ access_token: "at-FAKE-2" }, {})).not.toHaveProperty("lifetimeMs");
  });
});

describe("the next refresh", () => {
  const dueMs = (random: number, expires_in: number) => {
    const due = read({ access_token: "at-FAKE-2", expires_in }, { previous, random })?.refreshDue;
    return (due?.wallMs ?? Number.NaN) - sentAt.wallMs;
  };

  test("is due at a fraction of the life, five per cent earlier or later", () => {
    expect(dueMs(0.5, 3600)).toBe(0.8 * HOUR);
    expect(dueMs(0, 3600)).toBe(0.76 * HOUR);
    expect(dueMs(0.999999999, 3600)).toBeCloseTo(0.84 * HOUR, -1);
  });

  test("is never due after the token's end", () => {
    const answer = { access_token: "at-FAKE-2", expires_in: 3600 };
    const grant = readTokenAnswer(answer, { sentAt, refreshAt: 0.99, random: () => 0.999 });
    expect(grant?.refreshDue).toEqual(grant?.expires);
  });

  test("is due at once for a token that has ended", () => {
    expect(dueMs(0.5, 0)).toBe(0);
  });
});

describe("an answer that shows a refresh token where callers would see it gives nothing", () => {
  const old = "rt-FAKE-1-of-the-account";
  const mine = { ...previous, refreshToken: new Secret(old) };
  const fresh = "rt-FAKE-2-of-the-account";
  const jwtWith = (claim: string) => fakeJwt({ email: claim });

  test.each([
    ["as the access token", { access_token: old }],
    ["as a part of the access token", { access_token: `x${old}y` }],
    ["as the id token", { access_token: "at-FAKE-2", id_token: old }],
    ["in a claim of the access token", { access_token: jwtWith(old) }],
    ["in a claim of the id token", { access_token: "at-FAKE-2", id_token: jwtWith(`${old}@example.test`) }],
    ["as the token's type", { access_token: "at-FAKE-2", token_type: old }],
    ["the new one", { access_token: fresh, refresh_token: fresh }],
    ["the new one in a claim", { access_token: jwtWith(fresh), refresh_token: fresh }],
    ["in the account", { access_token: "at-FAKE-2", account: { email_address: old } }],
    ["in the organization", { access_token: "at-FAKE-2", organization: { uuid: old } }],
  ])("%s", (_where, answer) => {
    expect(read(answer, { previous: mine })).toBeUndefined();
  });

  test("a short one occurs by chance, unless it is the whole", () => {
    const short = { ...previous, refreshToken: new Secret("a") };
    expect(read({ access_token: "at-FAKE-2" }, { previous: short })).toBeDefined();
    expect(read({ access_token: "a" }, { previous: short })).toBeUndefined();
  });
});
