import { describe, expect, test } from "vitest";
import type { UsageWindow } from "../../src/domain/outcome.ts";
import { after } from "../../src/domain/time.ts";
import { observed } from "../../src/domain/usage.ts";
import { noted } from "../../src/domain/usage-history.ts";
import { FIXED_NOW as NOW, profileWith } from "../support/arbitrary.ts";
import { limit } from "../support/situation.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ALWAYS = Number.POSITIVE_INFINITY;
const reading = (part: Partial<UsageWindow> = {}): UsageWindow => ({
  name: "5h",
  windowMinutes: 300,
  usedPercent: 40,
  resetAtMs: NOW.wallMs + HOUR,
  observedAtMs: NOW.wallMs,
  ...part,
});
const without = (name: "usedPercent" | "resetAtMs") => {
  const { [name]: _, ...rest } = reading();
  return rest;
};
const SOON = after(NOW, 1_000);
const soon = { observedAtMs: SOON.wallMs };

describe("a reading a moment after another", () => {
  const known = (old: UsageWindow, cooldowns = [limit(0)]) => profileWith({ usageWindows: [old], cooldowns });
  const isKept = (old: UsageWindow, next: UsageWindow, cooldowns = [limit(0)]) =>
    observed(known(old, cooldowns), [next], ALWAYS, SOON).usageWindows.some(
      (w) => w.observedAtMs === SOON.wallMs,
    );

  test.each<[string, boolean, UsageWindow, UsageWindow]>([
    ["that tells the same", false, reading(), reading(soon)],
    [
      "that crosses the limit by a little",
      true,
      reading({ usedPercent: 99.5 }),
      reading({ ...soon, usedPercent: 100 }),
    ],
    [
      "that shows a reset a minute later",
      true,
      reading(),
      reading({ ...soon, resetAtMs: NOW.wallMs + HOUR + MINUTE }),
    ],
    [
      "that shows one less than that",
      false,
      reading(),
      reading({ ...soon, resetAtMs: NOW.wallMs + HOUR + MINUTE - 1 }),
    ],
    ["without a share, as before", false, without("usedPercent"), { ...without("usedPercent"), ...soon }],
    [
      "of a window that has started anew",
      true,
      reading({ usedPercent: 100 }),
      reading({ ...soon, usedPercent: 100, resetAtMs: SOON.wallMs }),
    ],
  ])("%s is kept: %s", (_what, expected, old, next) => {
    expect(isKept(old, next)).toBe(expected);
  });

  test("is kept while a plan limit runs, which it may refute, and for no other limit", () => {
    expect(isKept(reading(), reading(soon), [limit(HOUR)])).toBe(true);
    expect(isKept(reading(), reading(soon), [limit(HOUR, { outcome: "BILLING" })])).toBe(false);
    expect(isKept(reading(), reading(soon), [limit(0)])).toBe(false);
  });
});

test("a window without a name is none, and of two readings of one moment the last counts", () => {
  const twice = [reading({ usedPercent: 1 }), reading({ usedPercent: 2 }), reading({ name: "" })];
  expect(observed(profileWith(), twice, ALWAYS, NOW).usageWindows).toEqual([twice[1]]);
  const older = reading({ usedPercent: 3, observedAtMs: NOW.wallMs - 1 });
  expect(observed(profileWith(), [reading(), older], ALWAYS, NOW).usageWindows).toEqual([reading()]);
});

describe("a plan limit", () => {
  const left = (known: UsageWindow[], fresh: UsageWindow[]) =>
    observed(
      profileWith({ usageWindows: known, cooldowns: [limit(HOUR, { setAtMs: NOW.wallMs - MINUTE })] }),
      fresh,
      ALWAYS,
      NOW,
    ).cooldowns.length;
  const old = reading({ name: "7d", observedAtMs: NOW.wallMs - HOUR });

  test("ends by one young reading that shows room, if the older ones do, too", () => {
    expect(left([old], [reading()])).toBe(0);
    expect(left([{ ...old, usedPercent: 100 }], [reading()])).toBe(1);
  });

  test("does not end by a reading that does not tell the share", () => {
    expect(left([], [without("usedPercent")])).toBe(1);
  });

  test("ends by a window that has started anew, whatever it showed", () => {
    expect(left([], [reading({ usedPercent: 100, resetAtMs: NOW.wallMs })])).toBe(0);
  });
});

describe("the history", () => {
  const percents = (...usageWindows: UsageWindow[]) =>
    noted(undefined, profileWith({ usageWindows }), NOW).samples.map((s) => [s.name, s.usedPercent]);

  test("has a row for each window, and none for one that does not tell its share", () => {
    expect(percents(reading(), reading({ name: "7d", usedPercent: 5 }))).toEqual([
      ["5h", 40],
      ["7d", 5],
    ]);
    expect(percents(without("usedPercent"))).toEqual([]);
  });

  test("keeps one of two readings that tell the same in one hour: the last", () => {
    const hour = NOW.wallMs - (NOW.wallMs % HOUR);
    const at = (minute: number) =>
      profileWith({ usageWindows: [reading({ observedAtMs: hour + minute * MINUTE })] });
    const later = after(NOW, HOUR);
    expect(noted(noted(undefined, at(1), later), at(9), later).samples.map((s) => s.atMs - hour)).toEqual([
      9 * MINUTE,
    ]);
  });
});
