import { describe, expect, test } from "vitest";
import { type Failing, struck } from "../../src/domain/cooldown.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after, type Now } from "../../src/domain/time.ts";
import { FIXED_NOW as NOW, profileWith } from "../support/arbitrary.ts";
import { limit, of, strikes } from "../support/cooldowns.ts";

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

describe("room for models", () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => `m${i}`);
  const full = (n: number) => profileWith({ cooldowns: many(n).map((model) => limit(HOUR, { model })) });
  const rows = (n: number) =>
    profileWith({ strikes: many(n).map((model) => strikes("TIMEOUT", 1, { model })) });

  test.each([
    ["cooldowns", full],
    ["rows of failures", rows],
  ])("is for 128 %s", (_what, having) => {
    const [last, none] = [having(127), having(128)];
    expect(hit(last, "RATE_LIMIT", { model: "new" }).cooldowns.some((c) => c.model === "new")).toBe(true);
    expect(hit(none, "RATE_LIMIT", { model: "new" })).toBe(none);
  });
});
