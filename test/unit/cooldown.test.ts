import { describe, expect, test } from "vitest";
import { observed, struck } from "../../src/domain/cooldown.ts";
import type { UsageWindow } from "../../src/domain/outcome.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { FIXED_NOW, profileWith } from "../support/arbitrary.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const reading = (usedPercent: number, laterMs = 0): UsageWindow => ({
  name: "primary",
  usedPercent,
  resetAtMs: FIXED_NOW.wallMs + 3_600_000,
  observedAtMs: FIXED_NOW.wallMs + laterMs,
});
const known = observed(profileWith(), [reading(40)], ALWAYS, FIXED_NOW);

describe("a reading of a usage window", () => {
  test("that tells nearly the same a moment later changes nothing, so that it costs no write", () => {
    expect(observed(known, [reading(40.4, 5_000)], ALWAYS, FIXED_NOW)).toBe(known);
  });

  test.each([
    ["moved by a percent", reading(41, 5_000)],
    ["is a minute younger", reading(40, 60_000)],
    ["crosses the limit", { ...reading(100, 5_000) }],
    ["shows another reset", { ...reading(40, 5_000), resetAtMs: FIXED_NOW.wallMs + 7_200_000 }],
    ["is of another window", { ...reading(40, 5_000), name: "secondary" }],
  ])("that %s is kept", (_what, window) => {
    expect(observed(known, [window], ALWAYS, FIXED_NOW).usageWindows).toContain(window);
  });

  test("older than what is known is left out", () => {
    expect(observed(known, [reading(90, -1)], ALWAYS, FIXED_NOW)).toBe(known);
  });

  test("newer than a refusal that shows room ends it, however little it moved", () => {
    const failing = { outcome: "USAGE_LIMIT", model: "", leaseTag: "t" } as const;
    const refused = struck(known, failing, FIXED_NOW, DEFAULT_SETTINGS);
    expect(refused.cooldowns).toHaveLength(1);
    expect(observed(refused, [reading(40, 5_000)], ALWAYS, FIXED_NOW).cooldowns).toEqual([]);
    expect(observed(refused, [reading(100, 5_000)], ALWAYS, FIXED_NOW).cooldowns).toHaveLength(1);
    expect(observed(refused, [reading(40, 0)], ALWAYS, FIXED_NOW).cooldowns).toHaveLength(1);
    expect(observed(refused, [reading(40, 5_000)], FIXED_NOW.wallMs, FIXED_NOW).cooldowns).toHaveLength(1);
  });
});
