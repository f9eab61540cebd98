import { describe, expect, test } from "vitest";
import type { UsageFacts, UsageWindow } from "../../src/domain/outcome.ts";
import type { Cooldown, Profile } from "../../src/domain/profile.ts";
import { after } from "../../src/domain/time.ts";
import {
  isOver,
  isPlanWindow,
  lastReadAtMs,
  observed,
  readOut,
  soonestReset,
} from "../../src/domain/usage.ts";
import { HISTORY_MS, noted, type UsageHistory } from "../../src/domain/usage-history.ts";
import { FIXED_NOW as NOW, profileWith } from "../support/arbitrary.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function window(name: string, usedPercent: number, part: Partial<UsageWindow> = {}): UsageWindow {
  return { name, usedPercent, resetAtMs: NOW.wallMs + 5 * HOUR, observedAtMs: NOW.wallMs, ...part };
}
const limit = (part: Partial<Cooldown> = {}): Cooldown => ({
  model: "",
  outcome: "USAGE_LIMIT",
  source: "PROVIDER",
  setAtMs: NOW.wallMs - HOUR,
  until: after(NOW, 3 * DAY),
  halfOpen: false,
  ...part,
});

describe("a reading that shows room", () => {
  const left = (cooldown: Cooldown, windows: readonly UsageWindow[], sinceMs = NOW.wallMs) =>
    observed(profileWith({ cooldowns: [cooldown] }), windows, sinceMs, NOW).cooldowns.length;

  test("ends the account's plan limit, however far away its stated end is", () => {
    expect(left(limit(), [window("primary", 40), window("secondary", 99)])).toBe(0);
    expect(left(limit(), [window("primary", 40), window("secondary", 100)])).toBe(1);
  });

  test("ends no other kind of cooldown, and none that is younger than the request", () => {
    expect(left(limit({ outcome: "BILLING" }), [window("primary", 0)])).toBe(1);
    expect(left(limit({ outcome: "RATE_LIMIT" }), [window("primary", 0)])).toBe(1);
    expect(left(limit({ setAtMs: NOW.wallMs - 1 }), [window("primary", 0)], NOW.wallMs - 2)).toBe(1);
  });

  test("of the account counts although one of its families is used up, and the other way round not", () => {
    const family = window("7d_opus", 100, { isPartial: true });
    expect(left(limit(), [window("5h", 10), family])).toBe(0);
    expect(left(limit(), [window("5h", 100), { ...family, usedPercent: 1 }])).toBe(1);
  });

  test("of a model's own window ends the limit of that model alone", () => {
    const cooldown = limit({ model: "gemini-3-pro" });
    expect(left(cooldown, [window("gemini-3-pro", 10), window("gemini-3-flash", 100)])).toBe(0);
    expect(left(cooldown, [window("gemini-3-pro", 100), window("gemini-3-flash", 10)])).toBe(1);
  });
});

test("a window that the provider's read-out does not show any more is gone; what agents saw elsewhere stays", () => {
  const usageWindows = [
    window("secondary", 100, { source: "USAGE_API" }),
    window("bengalfox-primary", 100, { source: "MODEL_API", isPartial: true }),
  ];
  const profile = profileWith({ usageWindows, cooldowns: [limit()] });
  const read = { windows: [window("primary", 20, { source: "USAGE_API" })], facts: {} };
  const after = readOut(profile, read, NOW.wallMs, NOW);
  expect(after.usageWindows.map((w) => w.name)).toEqual(["bengalfox-primary", "primary"]);
  expect(after.cooldowns).toEqual([]);
  expect(readOut(after, read, NOW.wallMs, NOW)).toBe(after);
});

describe("a read-out that names another plan", () => {
  const seen = window("secondary", 100, { source: "MODEL_API" });
  const plus = profileWith({ account: { planType: "plus" }, usageWindows: [seen], cooldowns: [limit()] });
  const windows = [window("primary", 20, { source: "USAGE_API" })];
  const read = (planType?: string, profile = plus) =>
    readOut(profile, { windows, facts: planType === undefined ? {} : { planType } }, NOW.wallMs, NOW);

  test("leaves nothing of the former one, whoever saw it: its limit is over", () => {
    const after = read("pro");
    expect(after.usageWindows).toEqual(windows);
    expect(after.cooldowns).toEqual([]);
    expect(after.account.planType).toBe("pro");
  });

  test.each([undefined, "plus", "Plus"])("is none that names %s", (planType) => {
    const after = read(planType);
    expect(after.usageWindows).toEqual([seen, ...windows]);
    expect(after.cooldowns).toHaveLength(1);
    expect(after.account).toEqual({ planType: planType ?? "plus" });
    const unlimited = { ...after, cooldowns: [] };
    expect(read(planType, unlimited)).toBe(unlimited);
  });

  test("tells the plan where none was known", () => {
    const after = read("pro", { ...plus, account: {} });
    expect([after.account.planType, after.usageWindows.length]).toEqual(["pro", 2]);
  });
});

test("stored resets are those of the last read-out", () => {
  const read = (profile: Profile, facts: UsageFacts) =>
    readOut(profile, { windows: [], facts }, NOW.wallMs, NOW);
  const two = read(profileWith(), { storedResets: 2 });
  expect(two.storedResets).toBe(2);
  expect(read(two, { storedResets: 2 })).toBe(two);
  expect(read(two, {})).not.toHaveProperty("storedResets");
});

describe("the reset at which something would be lost", () => {
  const soonest = (...windows: readonly UsageWindow[]) => soonestReset(windows, NOW);
  const at = (ms: number, part: Partial<UsageWindow> = {}) =>
    window(`w${ms}`, 20, { resetAtMs: NOW.wallMs + ms, ...part });

  test("is the earliest of the windows that run", () => {
    expect(soonest(at(5 * HOUR), at(2 * HOUR), at(-HOUR))).toBe(NOW.wallMs + 2 * HOUR);
    expect(soonest(at(-HOUR))).toBeUndefined();
    expect(soonest(window("unopened", 0, { resetAtMs: undefined } as never))).toBeUndefined();
    expect(soonest()).toBeUndefined();
  });

  test("throttles of a minute and windows of some models do not count beside the plan's", () => {
    expect(soonest(at(30_000), at(2 * HOUR, { windowMinutes: 300 }))).toBe(NOW.wallMs + 2 * HOUR);
    expect(soonest(at(HOUR, { isPartial: true }), at(5 * HOUR))).toBe(NOW.wallMs + 5 * HOUR);
    expect(soonest(at(30_000))).toBe(NOW.wallMs + 30_000);
  });

  test("is none where a window is used up: nothing is left to lose", () => {
    expect(soonest(at(2 * HOUR, { usedPercent: 100 }), at(5 * HOUR))).toBeUndefined();
  });
});

describe("the history", () => {
  const showing = (usedPercent: number, observedAtMs: number, part: Partial<UsageWindow> = {}) =>
    profileWith({
      usageWindows: [window("primary", usedPercent, { observedAtMs, windowMinutes: 300, ...part })],
    });
  const percents = (history: UsageHistory) => history.samples.map((s) => s.usedPercent);
  const start = NOW.wallMs - (NOW.wallMs % HOUR);

  test("keeps the last reading of each hour, and the one before a window started anew", () => {
    let history = noted(undefined, showing(10, start), NOW);
    for (const [percent, minute] of [
      [20, 10],
      [30, 50],
      [40, 70],
      [2, 80],
      [3, 90],
    ] as const) {
      history = noted(history, showing(percent, start + minute * MINUTE), NOW);
    }
    expect(percents(history)).toEqual([30, 40, 3]);
  });

  test("is the very same when nothing is new, and begins anew with another account", () => {
    const history = noted(undefined, showing(10, start), NOW);
    expect(noted(history, showing(10, start), NOW)).toBe(history);
    expect(noted(history, showing(99, start - 1), NOW)).toBe(history);
    const other = { ...showing(5, start + 1), accountEpoch: "epoch-2" };
    expect(percents(noted(history, other, NOW))).toEqual([5]);
  });

  test("ends after 30 days, and knows no throttles of a minute", () => {
    const history = noted(undefined, showing(10, start), NOW);
    const later = { wallMs: start + HISTORY_MS, monoMs: NOW.monoMs + HISTORY_MS };
    expect(percents(noted(history, showing(20, later.wallMs), later))).toEqual([20]);
    expect(noted(undefined, showing(10, start, { windowMinutes: 1 }), NOW).samples).toEqual([]);
  });
});

test("usage was last read when its youngest window was", () => {
  const at = (...ms: number[]) => lastReadAtMs(ms.map((observedAtMs) => ({ name: "w", observedAtMs })));
  expect([at(), at(3), at(3, 5, 4)]).toEqual([undefined, 3, 5]);
});

test.each<[string, Partial<UsageWindow>, boolean]>([
  ["of an hour", { windowMinutes: 60 }, true],
  ["of less", { windowMinutes: 59 }, false],
  ["of unknown length that is reset in an hour", { resetAtMs: 3_600_000 }, true],
  ["of unknown length that is reset sooner", { resetAtMs: 3_599_999 }, false],
  ["of which nothing is known", {}, false],
])("a window %s is a plan's: %s", (_what, part, isIt) => {
  expect(isPlanWindow({ name: "w", observedAtMs: 0, ...part })).toBe(isIt);
});

test("a window is over at its reset, not a moment before; one without a reset never is", () => {
  const over = (resetAtMs?: number) =>
    isOver({ name: "w", observedAtMs: 0, ...(resetAtMs && { resetAtMs }) }, NOW);
  expect([over(NOW.wallMs), over(NOW.wallMs + 1), over()]).toEqual([true, false, false]);
});
