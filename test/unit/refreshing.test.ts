import { describe, expect, test } from "vitest";
import type { OAuthGrant } from "../../src/domain/grant.ts";
import type { Profile } from "../../src/domain/profile.ts";
import {
  granted,
  lost,
  NO_ANSWER,
  notNow,
  overtaken,
  rejected,
  started,
  unsent,
} from "../../src/domain/refreshing.ts";
import { Secret } from "../../src/domain/secret.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
const GRACE = 30 * SECOND;

const begun = (rotation: "none" | "grace" | "strict", replay: 0 | 1 = 0, part: Partial<Profile> = {}) =>
  started(profileWith(part), { rotation, graceMs: GRACE, replay }, NOW, DEFAULT_SETTINGS);
const withoutRefresh = ({ refreshToken: _, ...rest }: OAuthGrant) => rest;
const given = oauthGrantWith({ accessToken: new Secret("at-FAKE-2"), refreshToken: new Secret("rt-FAKE-2") });

describe("an intent", () => {
  test("says what is sent, how often it was, and spaces the next request", () => {
    const { intent, lastAttempt } = begun("strict", 1, { generation: 4 });
    expect(intent).toEqual({
      generation: 4,
      rotation: "strict",
      setAtMs: NOW.wallMs,
      replay: 1,
      phase: "open",
    });
    expect(lastAttempt).toEqual(after(NOW, MINUTE));
  });

  test("keeps the end of the grace that the first sending began", () => {
    const first = begun("grace");
    expect(first.intent?.graceUntil).toEqual(after(NOW, GRACE));
    const soon = after(NOW, 10 * SECOND);
    const request = { rotation: "grace", graceMs: GRACE, replay: 1 } as const;
    expect(started(first, request, soon, DEFAULT_SETTINGS).intent).toMatchObject({
      graceUntil: after(NOW, GRACE),
      setAtMs: soon.wallMs,
    });
    expect(begun("none").intent).not.toHaveProperty("graceUntil");
  });
});

describe("a new grant", () => {
  const before = profileWith({
    generation: 3,
    refusedGeneration: 3,
    loginNeeded: { reason: "refused", setAtMs: 0 },
    refreshDead: { cause: "lost", code: NO_ANSWER, setAtMs: 0 },
    intent: { generation: 3, rotation: "strict", setAtMs: 0, replay: 1, phase: "open" },
    backoff: { until: after(NOW, 5), setAtMs: 0, strikes: 2 },
    block: { outcome: "FORBIDDEN", ban: false, setAtMs: 0 },
    lastAttempt: after(NOW, MINUTE),
    proven: true,
    restored: true,
  });

  test("ends every doubt about the old one; blocks and the interval stay", () => {
    const next = granted(before, given, { planType: "pro" }, NOW);
    for (const gone of ["loginNeeded", "refreshDead", "intent", "backoff"])
      expect(next).not.toHaveProperty(gone);
    expect(next).toMatchObject({
      grant: given,
      account: { accountId: "acct-a", planType: "pro" },
      generation: 4,
      origin: "forced",
      obtainedAtMs: NOW.wallMs,
      lastRefreshAtMs: NOW.wallMs,
      proven: false,
      restored: false,
      block: before.block,
      lastAttempt: before.lastAttempt,
    });
  });

  test("is an ordinary one if no refusal of this generation forced it", () => {
    expect(granted({ ...before, refusedGeneration: 2 }, given, {}, NOW).origin).toBe("refresh");
  });
});

describe("a refresh that was overtaken by a put", () => {
  const spent = new Secret("rt-FAKE-1");
  const again = profileWith({ generation: 2 });
  const withNone = profileWith({ grant: withoutRefresh(oauthGrantWith()) });

  test("gives its refresh token to the same login put again, and nothing else", () => {
    const next = overtaken(again, spent, given);
    expect(next).toEqual({ ...again, grant: { ...again.grant, refreshToken: given.refreshToken } });
    expect("refreshToken" in next.grant && next.grant.refreshToken?.reveal()).toBe("rt-FAKE-2");
  });

  test.each([
    ["another login", again, new Secret("rt-FAKE-other"), given],
    ["a key", profileWith({ grant: apiKeyGrantWith() }), spent, given],
    ["a server that does not rotate", again, spent, oauthGrantWith()],
    ["an answer without a refresh token", again, spent, withoutRefresh(given)],
    ["a login that sent none, as with client credentials", withNone, undefined, given],
  ])("changes nothing of %s", (_what, profile, token, grant) => {
    expect(overtaken(profile, token, grant)).toBe(profile);
  });
});

describe("an answer that is no grant", () => {
  test("of death ends the refresh token; after a replay it was lost in flight", () => {
    const first = rejected({ ...begun("strict"), backoff: { until: NOW, setAtMs: 0, strikes: 1 } }, "x", NOW);
    expect(first.refreshDead).toEqual({ cause: "terminal", code: "x", setAtMs: NOW.wallMs });
    expect(first).not.toHaveProperty("intent");
    expect(first).not.toHaveProperty("backoff");
    expect(rejected(begun("strict", 1), "x", NOW).refreshDead?.cause).toBe("lost");
    expect(rejected(profileWith(), "x", NOW).refreshDead?.cause).toBe("terminal");
  });

  test("of not now waits as long as the server said, if that is a moment to believe", () => {
    const wait = (ms: number | undefined) =>
      notNow(begun("strict"), ms === undefined ? undefined : NOW.wallMs + ms, NOW, DEFAULT_SETTINGS);
    expect(wait(5 * MINUTE).backoff).toEqual({
      until: after(NOW, 5 * MINUTE),
      setAtMs: NOW.wallMs,
      strikes: 1,
    });
    expect(wait(8 * DAY).backoff?.until).toEqual(after(NOW, 8 * DAY));
    for (const unbelievable of [undefined, 0, -5, 8 * DAY + 1])
      expect(wait(unbelievable).backoff?.until).toEqual(after(NOW, 30 * SECOND));
    expect(wait(1)).not.toHaveProperty("intent");
    expect(wait(1).lastAttempt).toEqual(after(NOW, MINUTE));
  });

  test("counts: each one doubles the wait", () => {
    let profile = begun("strict");
    for (const [n, seconds] of [30, 60, 120].entries()) {
      profile = notNow(profile, undefined, NOW, DEFAULT_SETTINGS);
      expect(profile.backoff).toMatchObject({ until: after(NOW, seconds * SECOND), strikes: n + 1 });
    }
  });

  test("to a replay leaves the replay to be made: nothing was heard of it", () => {
    expect(notNow(begun("strict", 1), undefined, NOW, DEFAULT_SETTINGS).intent).toMatchObject({
      phase: "lost",
      replay: 0,
    });
  });
});

test("a request that never left waits shortly, and does not count for the interval", () => {
  const next = unsent(begun("strict"), NOW);
  expect(next.backoff?.until).toEqual(after(NOW, 2 * SECOND));
  expect(next).not.toHaveProperty("lastAttempt");
  expect(next).not.toHaveProperty("intent");
});

describe("a lost answer", () => {
  test("of a server that does not rotate is no more than a wait", () => {
    const next = lost(begun("none"), NOW);
    expect(next.backoff?.until).toEqual(after(NOW, 30 * SECOND));
    expect(next).not.toHaveProperty("intent");
  });

  test.each(["grace", "strict"] as const)(
    "of one that rotates (%s) leaves the one replay open",
    (rotation) => {
      expect(lost(begun(rotation), NOW)).toEqual({
        ...begun(rotation),
        intent: { ...begun(rotation).intent, phase: "lost" },
      });
    },
  );

  test("of the replay is the end of the refresh token", () => {
    const next = lost(begun("strict", 1), NOW);
    expect(next.refreshDead).toEqual({ cause: "lost", code: "lost_in_flight", setAtMs: NOW.wallMs });
    expect(next).not.toHaveProperty("intent");
  });

  test("of a request that nobody knows of changes nothing", () => {
    const profile = profileWith();
    expect(lost(profile, NOW)).toBe(profile);
  });
});
