import { describe, expect, test } from "vitest";
import {
  awaitingTrial,
  cleared,
  decidingFor,
  type Failing,
  isPlausible,
  runningFor,
  struck,
  succeeded,
  trialEnded,
} from "../../src/domain/cooldown.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import type { Cooldown, Profile } from "../../src/domain/profile.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after, type Now } from "../../src/domain/time.ts";
import { FIXED_NOW as NOW, profileWith } from "../support/arbitrary.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const failing = (outcome: Outcome, part: Partial<Failing> = {}): Failing => ({
  outcome,
  model: "",
  leaseTag: "t",
  ...part,
});
const hit = (profile: Profile, outcome: Outcome, part: Partial<Failing> = {}, now: Now = NOW) =>
  struck(profile, failing(outcome, part), now, DEFAULT_SETTINGS);
const limit = (ms: number, part: Partial<Cooldown> = {}): Cooldown => ({
  model: "",
  outcome: "USAGE_LIMIT",
  source: "GUESS",
  setAtMs: NOW.wallMs,
  until: after(NOW, ms),
  halfOpen: true,
  ...part,
});
const strikes = (outcome: Outcome, count: number, part: { model?: string; lastAtMs?: number } = {}) => ({
  model: "",
  outcome,
  count,
  lastAtMs: NOW.wallMs - HOUR,
  ...part,
});
const of = (...cooldowns: Cooldown[]) => profileWith({ cooldowns });

describe("a guess", () => {
  test.each<[Outcome, number, number, boolean]>([
    ["RATE_LIMIT", 1, 30 * SECOND, false],
    ["RATE_LIMIT", 2, MINUTE, false],
    ["RATE_LIMIT", 9, 15 * MINUTE, false],
    ["USAGE_LIMIT", 1, 15 * MINUTE, true],
    ["USAGE_LIMIT", 3, HOUR, true],
    ["USAGE_LIMIT", 9, 6 * HOUR, true],
    ["BILLING", 1, 10 * MINUTE, true],
    ["BILLING", 9, 6 * HOUR, true],
    ["TIMEOUT", 3, 30 * SECOND, false],
    ["TIMEOUT", 4, MINUTE, false],
    ["TIMEOUT", 9, 5 * MINUTE, false],
    ["MODEL_NOT_FOUND", 1, 12 * HOUR, false],
    ["MODEL_NOT_FOUND", 5, 12 * HOUR, false],
    ["FORBIDDEN", 1, 12 * HOUR, false],
  ])("after %s, time %d in a row, is %d ms; a trial follows: %s", (outcome, nth, ms, halfOpen) => {
    const before = profileWith({ strikes: nth === 1 ? [] : [strikes(outcome, nth - 1)] });
    const after1 = hit(before, outcome);
    expect(after1.cooldowns).toEqual([
      {
        model: "",
        outcome,
        source: "GUESS",
        setAtMs: NOW.wallMs,
        until: after(NOW, ms),
        halfOpen,
        leaseTag: "t",
      },
    ]);
    expect(after1.strikes).toEqual([strikes(outcome, nth, { lastAtMs: NOW.wallMs })]);
  });

  test.each([1, 2])("after a TIMEOUT, time %d in a row, is none, but it is counted", (nth) => {
    const next = hit(profileWith({ strikes: nth === 1 ? [] : [strikes("TIMEOUT", 1)] }), "TIMEOUT");
    expect(next.cooldowns).toEqual([]);
    expect(next.strikes[0]?.count).toBe(nth);
  });
});

test("the row of failures is forgotten 24 h after the last, not before", () => {
  const row = (agoMs: number) =>
    hit(profileWith({ strikes: [strikes("RATE_LIMIT", 4, { lastAtMs: NOW.wallMs - agoMs })] }), "RATE_LIMIT")
      .strikes[0]?.count;
  expect([row(DAY - 1), row(DAY)]).toEqual([5, 1]);
});

test("rows of another outcome or another model count for themselves, and stay", () => {
  const others = [strikes("BILLING", 3), strikes("RATE_LIMIT", 2, { model: "m" })];
  expect(hit(profileWith({ strikes: others }), "RATE_LIMIT").strikes).toEqual([
    ...others,
    strikes("RATE_LIMIT", 1, { lastAtMs: NOW.wallMs }),
  ]);
});

describe("a failure inside a running cooldown of its own kind", () => {
  const stated = (ms: number) => limit(ms, { source: "PROVIDER", halfOpen: false });
  const at = (ms: number) => ({ statedAtMs: NOW.wallMs + ms, leaseTag: "u" });

  test("is no new strike, and a guess changes nothing", () => {
    const cooling = of(limit(HOUR));
    expect(hit(cooling, "USAGE_LIMIT")).toBe(cooling);
  });

  test.each([
    ["a guess by an earlier moment", limit(HOUR), 5 * MINUTE],
    ["a guess by a later one", limit(HOUR), 2 * HOUR],
    ["a stated moment by a later one", stated(HOUR), 2 * HOUR],
  ])("a stated moment replaces %s, without a trial, and without a strike", (_what, running, ms) => {
    const next = hit(of(limit(HOUR, { model: "m" }), running), "USAGE_LIMIT", at(ms));
    const replaced = {
      ...running,
      source: "PROVIDER",
      until: after(NOW, ms),
      halfOpen: false,
      leaseTag: "u",
    };
    expect(next.cooldowns).toEqual([limit(HOUR, { model: "m" }), replaced]);
    expect(next.strikes).toEqual([]);
  });

  test.each([30 * MINUTE, HOUR])("a stated moment that is no later than the stated one is void", (ms) => {
    const cooling = of(stated(HOUR));
    expect(hit(cooling, "USAGE_LIMIT", at(ms))).toBe(cooling);
  });

  test("when it was set counts from the last statement", () => {
    const later = after(NOW, MINUTE);
    const next = hit(of(limit(HOUR)), "USAGE_LIMIT", at(HOUR), later);
    expect(next.cooldowns[0]?.setAtMs).toBe(later.wallMs);
  });
});

test("a stated moment begins a cooldown without a trial", () => {
  const next = hit(profileWith(), "USAGE_LIMIT", { statedAtMs: NOW.wallMs + HOUR });
  expect(next.cooldowns).toMatchObject([{ source: "PROVIDER", until: after(NOW, HOUR), halfOpen: false }]);
});

test("a new cooldown takes the place of its own that is over, and sweeps out what nobody waits for", () => {
  const over = limit(0);
  const spent = limit(0, { outcome: "RATE_LIMIT", halfOpen: false });
  const tried = limit(0, { model: "m" });
  const running = limit(HOUR, { outcome: "RATE_LIMIT", model: "m", halfOpen: false });
  const next = hit(of(over, spent, tried, running), "USAGE_LIMIT");
  expect(next.cooldowns.slice(0, 2)).toEqual([tried, running]);
  expect(next.cooldowns).toHaveLength(3);
});

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
