import { describe, expect, test } from "vitest";
import type { Profile } from "../../src/domain/profile.ts";
import { after } from "../../src/domain/time.ts";
import { canBeLookedAt, type Looks, lookDueAt, planLimits } from "../../src/domain/usage-due.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { limit } from "../support/situation.ts";

const MINUTE = 60_000;
const INTERVAL = 10 * MINUTE;

/** In how many minutes the next look is due; undefined: none is. */
function due(part: Partial<Profile>, looks: Partial<Looks> = {}, isWanted = true) {
  const known = { sinceMonoMs: NOW.monoMs - 60 * MINUTE, spread: 0, ...looks };
  const at = lookDueAt(profileWith(part), known, isWanted, INTERVAL, NOW);
  return at === undefined ? undefined : (at.monoMs - NOW.monoMs) / MINUTE;
}
const ago = (minutes: number) => NOW.monoMs - minutes * MINUTE;
const read = (minutes: number) => ({
  usageWindows: [{ name: "w", observedAtMs: NOW.wallMs - minutes * MINUTE }],
});
const limited = (endsIn: number, setAgo: number, part = {}) =>
  limit(endsIn * MINUTE, { setAtMs: NOW.wallMs - setAgo * MINUTE, ...part });

describe("while somebody wants to know, a look is due", () => {
  test.each<[string, Parameters<typeof due>, number | undefined]>([
    ["at once, if there was none", [{}], 0],
    ["8 minutes after a reading, whoever brought it", [read(3)], 5],
    ["up to 12 minutes after it, by the draw", [read(3), { spread: 0.5 }], 7],
    ["8 minutes after a look that brought nothing", [{}, { lastMonoMs: ago(2) }], 6],
    ["after the younger of the two", [read(3), { lastMonoMs: ago(2) }], 6],
    ["at once, if the last is long past", [read(60)], 0],
    ["as after a reading of now, if it is from the future", [read(-60)], 8],
    [
      "not in the first moment of a process, by the draw",
      [{}, { sinceMonoMs: NOW.monoMs, spread: 0.5 }],
      2.5,
    ],
    ["never, if nobody does", [{}, {}, false], undefined],
  ])("%s", (_what, args, minutes) => {
    expect(due(...args)).toBe(minutes);
  });
});

describe("while a plan limit runs, a look is due", () => {
  const two = [limited(500, 25), limited(50, 10, { model: "m" })];
  test.each<[string, Parameters<typeof due>, number | undefined]>([
    [
      "30 minutes after the refusal, though nobody wants to know",
      [{ cooldowns: [limited(50, 10)] }, {}, false],
      20,
    ],
    ["up to 60 minutes after it, by the draw", [{ cooldowns: [limited(50, 10)] }, { spread: 0.5 }], 35],
    ["30 minutes after the last look", [{ cooldowns: [limited(50, 40)] }, { lastMonoMs: ago(5) }], 25],
    ["after the youngest of several refusals, before the last end", [{ cooldowns: two }], 20],
    [
      "though one of several ends before",
      [{ cooldowns: [limited(500, 10), limited(9, 10, { model: "m" })] }],
      20,
    ],
    ["never, if the limit ends before", [{ cooldowns: [limited(20, 10)] }], undefined],
    ["a moment before it ends", [{ cooldowns: [limited(20.001, 10)] }], 20],
    ["as ever, if it is another limit", [{ cooldowns: [limited(50, 10, { outcome: "RATE_LIMIT" })] }], 0],
    ["as ever, once it is over", [{ cooldowns: [limited(0, 10)] }], 0],
  ])("%s", (_what, args, minutes) => {
    expect(due(...args)).toBe(minutes);
  });

  test("and only plan limits that run are such", () => {
    const cooldowns = [...two, limited(0, 10), limited(9, 1, { outcome: "BILLING" })];
    expect(planLimits(profileWith({ cooldowns }), NOW)).toEqual(two);
  });
});

test.each<[string, Partial<Profile>, boolean]>([
  ["a login", {}, true],
  ["what is switched off", { enabled: false }, false],
  ["what is blocked", { block: { outcome: "FORBIDDEN", ban: false, setAtMs: 0 } }, false],
  ["what needs a login", { loginNeeded: { reason: "refused", setAtMs: 0 } }, false],
  ["a key", { grant: apiKeyGrantWith() }, false],
  ["a token that is over", { grant: oauthGrantWith({ expires: after(NOW, 0) }) }, false],
])("%s may be looked at, or not", (_what, part, isIt) => {
  expect(canBeLookedAt(profileWith(part), NOW)).toBe(isIt);
  expect(due(part)).toBe(isIt ? 0 : undefined);
});
