import { describe, expect, test } from "vitest";
import {
  awaitingTrial,
  cleared,
  decidingFor,
  isPlausible,
  runningFor,
  succeeded,
  trialEnded,
} from "../../src/domain/cooldown.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after } from "../../src/domain/time.ts";
import { FIXED_NOW as NOW, profileWith } from "../support/arbitrary.ts";
import { limit, of, strikes } from "../support/cooldowns.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe("what keeps a model away", () => {
  const own = limit(MINUTE, { model: "m" });
  const other = limit(HOUR, { model: "n" });
  const whole = limit(30 * MINUTE, { outcome: "RATE_LIMIT" });

  test("is its own cooldown and the account's; the latest end decides", () => {
    expect(runningFor(of(own, other, whole), "m", NOW)).toEqual([own, whole]);
    expect(decidingFor(of(own, other, whole), "m", NOW)).toBe(whole);
    expect(decidingFor(of(whole, own, other), "m", NOW)).toBe(whole);
    expect(decidingFor(of(own, other, whole), "n", NOW)).toBe(other);
    expect(decidingFor(of(own, other), "", NOW)).toBeUndefined();
  });

  test("ends at its moment, not a millisecond before", () => {
    const [before, then] = [after(NOW, MINUTE - 1), after(NOW, MINUTE)];
    expect([runningFor(of(own), "m", before), runningFor(of(own), "m", then)]).toEqual([[own], []]);
    expect([decidingFor(of(own), "m", before), decidingFor(of(own), "m", then)]).toEqual([own, undefined]);
    expect([awaitingTrial(of(own), "m", before), awaitingTrial(of(own), "m", then)]).toEqual([[], [own]]);
  });

  test("wants a trial after its end only where it was half-open, and only for whom it concerns", () => {
    const closed = limit(0, { halfOpen: false });
    const [account, model] = [limit(0), limit(0, { model: "m" })];
    expect(awaitingTrial(of(closed, account, model), "m", NOW)).toEqual([account, model]);
    expect(awaitingTrial(of(closed, account, model), "", NOW)).toEqual([account]);
  });
});

describe("an OK", () => {
  const ok = (profile: Profile, model = "m", leaseAgoMs = 0) =>
    succeeded(profile, model, NOW.wallMs - leaseAgoMs, NOW);

  test("ends guesses of the account and of its model, with their rows; another model's stay", () => {
    const [account, own, other] = [limit(HOUR), limit(HOUR, { model: "m" }), limit(HOUR, { model: "n" })];
    const rows = ["", "m", "n"].map((model) => strikes("USAGE_LIMIT", 2, { model }));
    const next = ok(profileWith({ cooldowns: [account, own, other], strikes: rows }));
    expect([next.cooldowns, next.strikes]).toEqual([[other], [rows[2]]]);
  });

  test.each([
    ["a stated one", limit(HOUR, { source: "PROVIDER" }), 0],
    ["one that is younger than the lease", limit(HOUR), 1],
  ])("leaves %s, and its row", (_what, cooldown, leaseAgoMs) => {
    const before = profileWith({ cooldowns: [cooldown], strikes: [strikes("USAGE_LIMIT", 2)] });
    expect(ok(before, "m", leaseAgoMs)).toBe(before);
  });

  test("ends what is over, though stated or younger: it needs no trial any more", () => {
    expect(ok(of(limit(0, { source: "PROVIDER" }), limit(0, { model: "m" })), "m", 1).cooldowns).toEqual([]);
  });

  test("ends a row without a cooldown, such as two timeouts", () => {
    const rows = [strikes("TIMEOUT", 2, { model: "m" }), strikes("TIMEOUT", 2, { model: "n" })];
    expect(ok(profileWith({ strikes: rows })).strikes).toEqual([rows[1]]);
  });

  test("of a profile in good order changes nothing", () => {
    const fine = profileWith();
    expect(ok(fine)).toBe(fine);
    const other = of(limit(HOUR, { model: "n" }));
    expect(ok(other)).toBe(other);
  });
});

test("an operator's clear ends all cooldowns and rows, or those of one model", () => {
  const both = profileWith({
    cooldowns: [limit(HOUR), limit(HOUR, { model: "m" })],
    strikes: [strikes("USAGE_LIMIT", 1), strikes("USAGE_LIMIT", 1, { model: "m" })],
  });
  expect(cleared(both, "")).toMatchObject({ cooldowns: [], strikes: [] });
  const one = cleared(both, "m");
  expect([one.cooldowns, one.strikes]).toEqual([[both.cooldowns[0]], [both.strikes[0]]]);
});

test("a trial that ends in silence ends what was tried, and keeps the strikes", () => {
  const before = profileWith({
    cooldowns: [limit(0), limit(0, { model: "n" }), limit(HOUR, { model: "m" })],
    strikes: [strikes("USAGE_LIMIT", 3)],
  });
  const next = trialEnded(before, "m", NOW);
  expect([next.cooldowns, next.strikes]).toEqual([before.cooldowns.slice(1), before.strikes]);
  const running = of(limit(HOUR));
  expect(trialEnded(running, "", NOW)).toBe(running);
});

test.each([
  ["nothing", undefined, false],
  ["no number", Number.NaN, false],
  ["no end", Number.POSITIVE_INFINITY, false],
  ["now", NOW.wallMs, false],
  ["a moment from now", NOW.wallMs + 1, true],
  ["the longest window", NOW.wallMs + 8 * DAY, true],
  ["beyond it", NOW.wallMs + 8 * DAY + 1, false],
])("%s can be believed as a reset: %s", (_what, atMs, isBelieved) => {
  expect(isPlausible(atMs, NOW, DEFAULT_SETTINGS.cooldown.longestWindowMs)).toBe(isBelieved);
});
