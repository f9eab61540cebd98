import { describe, expect, test } from "vitest";
import { struck } from "../../src/domain/cooldown.ts";
import type { UsageWindow } from "../../src/domain/outcome.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after } from "../../src/domain/time.ts";
import { observed } from "../../src/domain/usage.ts";
import { FIXED_NOW, profileWith } from "../support/arbitrary.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const reading = (usedPercent: number, laterMs = 0): UsageWindow => ({
  name: "primary",
  usedPercent,
  resetAtMs: FIXED_NOW.wallMs + 3_600_000,
  observedAtMs: FIXED_NOW.wallMs + laterMs,
});
/** When a reading that is a little younger arrives. */
const SOON = after(FIXED_NOW, 60_000);
const known = observed(profileWith(), [reading(40)], ALWAYS, FIXED_NOW);

describe("a reading of a usage window", () => {
  test("that tells nearly the same a moment later changes nothing, so that it costs no write", () => {
    expect(observed(known, [reading(40.4, 5_000)], ALWAYS, SOON)).toBe(known);
  });

  test.each([
    ["moved by a percent", reading(41, 5_000)],
    ["is a minute younger", reading(40, 60_000)],
    ["crosses the limit", { ...reading(100, 5_000) }],
    ["shows another reset", { ...reading(40, 5_000), resetAtMs: FIXED_NOW.wallMs + 7_200_000 }],
    ["is of another window", { ...reading(40, 5_000), name: "secondary" }],
  ])("that %s is kept", (_what, window) => {
    expect(observed(known, [window], ALWAYS, SOON).usageWindows).toContainEqual(window);
  });

  test("older than what is known is left out", () => {
    expect(observed(known, [reading(90, -1)], ALWAYS, SOON)).toBe(known);
  });

  test("from the future counts as one of now, so that no later one is kept out by it", () => {
    const lying = { ...reading(100), observedAtMs: Date.UTC(9999, 0) };
    const fooled = observed(known, [lying], ALWAYS, SOON);
    expect(fooled.usageWindows).toEqual([{ ...lying, observedAtMs: SOON.wallMs }]);
    const honest = reading(5, 60_001);
    expect(observed(fooled, [honest], ALWAYS, after(SOON, 1)).usageWindows).toEqual([honest]);
  });

  test("is taken although the wall clock was set back since the last one", () => {
    const before = after(FIXED_NOW, -86_400_000);
    const early = reading(90, -86_400_000);
    expect(observed(known, [early], ALWAYS, before).usageWindows).toEqual([early]);
  });

  test("of a window that is named twice counts once: the younger", () => {
    const twice = [reading(80, 10_000), reading(70, 5_000)];
    expect(observed(known, twice, ALWAYS, SOON).usageWindows).toEqual([reading(80, 10_000)]);
  });

  test("of windows without end pushes out those read longest ago", () => {
    let profile = known;
    for (let i = 0; i < 300; i += 1) {
      profile = observed(profile, [{ ...reading(1), name: `w${i}` }], ALWAYS, FIXED_NOW);
    }
    expect(profile.usageWindows.map((w) => w.name)).toEqual(
      Array.from({ length: 32 }, (_, i) => `w${268 + i}`),
    );
  });

  test("newer than a refusal that shows room ends it, however little it moved", () => {
    const failing = { outcome: "USAGE_LIMIT", model: "", leaseTag: "t" } as const;
    const refused = struck(known, failing, FIXED_NOW, DEFAULT_SETTINGS);
    expect(refused.cooldowns).toHaveLength(1);
    expect(observed(refused, [reading(40, 5_000)], ALWAYS, SOON).cooldowns).toEqual([]);
    expect(observed(refused, [reading(100, 5_000)], ALWAYS, SOON).cooldowns).toHaveLength(1);
    expect(observed(refused, [reading(40, 0)], ALWAYS, SOON).cooldowns).toHaveLength(1);
    expect(observed(refused, [reading(40, 5_000)], FIXED_NOW.wallMs, SOON).cooldowns).toHaveLength(1);
  });
});

describe("failures of models without end", () => {
  const failing = (model: string) => ({ outcome: "RATE_LIMIT", model, leaseTag: "t" }) as const;
  const struckBy = (count: number, now = FIXED_NOW) => {
    let profile = profileWith();
    for (let i = 0; i < count; i += 1) profile = struck(profile, failing(`m${i}`), now, DEFAULT_SETTINGS);
    return profile;
  };

  test("fill a profile to a bound, and none that runs ends for another", () => {
    const full = struckBy(400);
    expect(full.cooldowns.map((c) => c.model)).toEqual(Array.from({ length: 128 }, (_, i) => `m${i}`));
    expect(full.strikes).toHaveLength(128);
  });

  test("keep none of the profile as a whole away, and none of a model that is known", () => {
    const full = struckBy(400);
    expect(struck(full, failing(""), FIXED_NOW, DEFAULT_SETTINGS).cooldowns).toHaveLength(129);
    const later = after(FIXED_NOW, 3_600_000);
    const again = struck(full, failing("m7"), later, DEFAULT_SETTINGS);
    expect(again.strikes.find((s) => s.model === "m7")?.count).toBe(2);
  });

  test("are forgotten after a day", () => {
    const tomorrow = after(FIXED_NOW, 24 * 3_600_000);
    const next = struck(struckBy(400), failing("new"), tomorrow, DEFAULT_SETTINGS);
    expect(next.strikes.map((s) => s.model)).toEqual(["new"]);
    expect(next.cooldowns.map((c) => c.model)).toEqual(["new"]);
  });
});
