import { describe, expect, test } from "vitest";
import type { Outcome, Scope } from "../../src/domain/outcome.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { isAuthOutcome, type Report, reported } from "../../src/domain/reporting.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const tell = (profile: Profile, outcome: Outcome, part: Partial<Report> = {}) =>
  reported(
    profile,
    {
      outcome,
      scope: "PROFILE",
      model: "m",
      ban: false,
      windows: [],
      windowsSinceMs: Number.POSITIVE_INFINITY,
      generation: profile.generation,
      leaseIssuedAtMs: NOW.wallMs,
      leaseTag: "t",
      ...part,
    },
    NOW,
    DEFAULT_SETTINGS,
  );
const forced = (agoMs: number, part: Partial<Profile> = {}) =>
  profileWith({ generation: 2, origin: "forced", obtainedAtMs: NOW.wallMs - agoMs, ...part });
const { refreshToken: _, ...alone } = oauthGrantWith();

test("two outcomes speak about a token, the others about the account", () => {
  const all = ["OK", "AUTH_INVALID_TOKEN", "AUTH_PERMANENT", "FORBIDDEN", "USAGE_LIMIT"] as const;
  expect(all.filter(isAuthOutcome)).toEqual(["AUTH_INVALID_TOKEN", "AUTH_PERMANENT"]);
});

describe("a refused token", () => {
  test("is refused for good; a refresh may help, so no login is needed yet", () => {
    const next = tell(profileWith({ generation: 3 }), "AUTH_INVALID_TOKEN");
    expect(next).toMatchObject({ refusedGeneration: 3, generation: 3 });
    expect(next.loginNeeded).toBeUndefined();
  });

  test.each<[string, Profile]>([
    ["an API key", profileWith({ grant: apiKeyGrantWith() })],
    ["a login without a refresh token", profileWith({ grant: alone })],
    ["what a forced refresh brought within 10 min", forced(10 * MINUTE - 1)],
  ])("of %s needs a login at once", (_what, profile) => {
    const next = tell(profile, "AUTH_INVALID_TOKEN");
    expect(next).toMatchObject({
      refusedGeneration: profile.generation,
      loginNeeded: { reason: "refused", setAtMs: NOW.wallMs },
    });
  });

  test.each<[string, Profile]>([
    ["10 min after a forced refresh", forced(10 * MINUTE)],
    ["with an OK since the forced refresh", forced(MINUTE, { proven: true })],
    ["after an ordinary refresh", forced(MINUTE, { origin: "refresh" })],
  ])("%s is worth another refresh", (_what, profile) => {
    expect(tell(profile, "AUTH_INVALID_TOKEN").loginNeeded).toBeUndefined();
  });

  test("told twice changes nothing the second time", () => {
    const once = tell(forced(MINUTE), "AUTH_INVALID_TOKEN");
    expect(tell(once, "AUTH_INVALID_TOKEN")).toBe(once);
  });
});

test("what the provider says is for good needs a login, whatever was needed before", () => {
  const once = tell(profileWith(), "AUTH_PERMANENT");
  expect(once.loginNeeded).toEqual({ reason: "permanent", setAtMs: NOW.wallMs });
  expect(once.refusedGeneration).toBeUndefined();
  expect(tell(once, "AUTH_PERMANENT")).toBe(once);
  const refused = profileWith({ loginNeeded: { reason: "refused", setAtMs: 0 } });
  expect(tell(refused, "AUTH_PERMANENT").loginNeeded?.reason).toBe("permanent");
});

test.each(["AUTH_INVALID_TOKEN", "AUTH_PERMANENT"] as const)(
  "%s of another generation is void",
  (outcome) => {
    const profile = profileWith({ generation: 3 });
    for (const generation of [2, 4]) expect(tell(profile, outcome, { generation })).toBe(profile);
  },
);

test("a reading comes with any report, that of an old generation too", () => {
  const windows = [{ name: "primary", usedPercent: 40, observedAtMs: NOW.wallMs }];
  const profile = profileWith({ generation: 3 });
  for (const outcome of ["OK", "AUTH_INVALID_TOKEN", "NETWORK"] as const)
    expect(tell(profile, outcome, { windows, generation: 2 }).usageWindows).toEqual(windows);
});

describe("an OK", () => {
  test("proves a token that a forced refresh brought, and no other", () => {
    expect(tell(forced(MINUTE), "OK").proven).toBe(true);
    const old = forced(MINUTE);
    expect(tell(old, "OK", { generation: 1 })).toBe(old);
    const ordinary = profileWith();
    expect(tell(ordinary, "OK")).toBe(ordinary);
    const known = forced(MINUTE, { proven: true });
    expect(tell(known, "OK")).toBe(known);
  });

  test("ends guesses", () => {
    expect(tell(tell(profileWith(), "USAGE_LIMIT"), "OK").cooldowns).toEqual([]);
  });
});

describe("a refusal of the account", () => {
  test("blocks it, with a ban or without", () => {
    const forbidden = tell(profileWith(), "FORBIDDEN");
    expect(forbidden.block).toEqual({ outcome: "FORBIDDEN", ban: false, setAtMs: NOW.wallMs });
    expect(tell(forbidden, "FORBIDDEN")).toBe(forbidden);
    expect(tell(forbidden, "FORBIDDEN", { ban: true }).block?.ban).toBe(true);
    expect(forbidden.cooldowns).toEqual([]);
  });

  test("for one model keeps that model away for 12 h", () => {
    const next = tell(profileWith(), "FORBIDDEN", { scope: "PROFILE_MODEL" });
    expect(next.block).toBeUndefined();
    expect(next.cooldowns).toMatchObject([{ model: "m", until: after(NOW, 12 * HOUR) }]);
  });
});

test.each<[Outcome, Scope, string | undefined]>([
  ["USAGE_LIMIT", "PROFILE", ""],
  ["USAGE_LIMIT", "PROFILE_MODEL", "m"],
  ["RATE_LIMIT", "PROFILE_MODEL", "m"],
  ["BILLING", "PROFILE", ""],
  ["MODEL_NOT_FOUND", "PROFILE_MODEL", "m"],
  ["OVERLOADED", "PROFILE_MODEL", "m"],
  ["SERVER_ERROR", "PROFILE", ""],
  ["OVERLOADED", "PROVIDER", undefined],
  ["SERVER_ERROR", "NONE", undefined],
  ["FORBIDDEN", "PROVIDER", undefined],
  ["MODEL_NOT_FOUND", "NONE", undefined],
  ["BAD_REQUEST", "PROFILE", undefined],
  ["UNRECOGNIZED", "PROFILE", undefined],
  ["NETWORK", "PROFILE", undefined],
])("%s for %s keeps away: %j", (outcome, scope, model) => {
  const profile = profileWith();
  const next = tell(profile, outcome, { scope });
  if (model === undefined) expect(next).toBe(profile);
  else expect(next.cooldowns).toMatchObject([{ outcome, model, leaseTag: "t", source: "GUESS" }]);
});

test("the third timeout in a row on a model keeps that model away, whatever scope was named", () => {
  let profile = profileWith();
  for (let i = 0; i < 3; i += 1) profile = tell(profile, "TIMEOUT", { scope: "NONE" });
  expect(profile.cooldowns).toMatchObject([{ outcome: "TIMEOUT", model: "m" }]);
});

test("a stated moment is taken if it can be believed, else a guess is made", () => {
  const told = (ms: number) =>
    tell(profileWith(), "USAGE_LIMIT", { retryAtMs: NOW.wallMs + ms }).cooldowns[0];
  expect(told(3 * HOUR)).toMatchObject({ source: "PROVIDER", until: after(NOW, 3 * HOUR) });
  for (const ms of [0, -HOUR, 9 * 24 * HOUR, Number.NaN])
    expect(told(ms)).toMatchObject({ source: "GUESS", until: after(NOW, 15 * MINUTE) });
});
