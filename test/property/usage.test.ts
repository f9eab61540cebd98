import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Request, Verdict } from "../../src/domain/candidate.ts";
import { gathered, noticesOf } from "../../src/domain/notice.ts";
import { arrange, type Strategy } from "../../src/domain/pool.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { type Scene, select } from "../../src/domain/selection.ts";
import { LIMITED_LOOK_MS } from "../../src/domain/settings.ts";
import { stateOf } from "../../src/domain/state.ts";
import { preferred } from "../../src/domain/strategy.ts";
import { remainingMs } from "../../src/domain/time.ts";
import { lastReadAtMs, soonestReset } from "../../src/domain/usage.ts";
import { canBeLookedAt, lookDueAt, planLimits } from "../../src/domain/usage-due.ts";
import { noted, type UsageHistory } from "../../src/domain/usage-history.ts";
import { arbitraryProfile, FIXED_NOW as NOW, profileWith } from "../support/arbitrary.ts";

const RUNS = fc.readConfigureGlobal().numRuns ?? 1_000;
const INTERVAL = 600_000;
const READY: Verdict = { kind: "ready", trialModels: [], refreshDue: false };

/** Equally usable profiles in some order, each with what it shows and how much it serves. */
const tiers = fc
  .uniqueArray(fc.tuple(arbitraryProfile(), fc.nat(3)), {
    minLength: 1,
    maxLength: 6,
    selector: ([p]) => p.label,
  })
  .map((entries) => {
    const profiles = entries.map(([p]) => ({ ...p, provider: "x", id: `x:${p.label}` }));
    const load = new Map(profiles.map((p, i) => [p.id, entries[i]?.[1] ?? 0]));
    const tier = profiles.map((profile, i) => ({
      seat: { profile, place: i + 1, isUnwantedMetered: false, isHeld: false },
      verdict: READY,
    }));
    return { profiles, tier, load: (id: string) => load.get(id) ?? 0 };
  });

const resetOf = (profile: Profile) => soonestReset(profile.usageWindows, NOW) ?? Number.POSITIVE_INFINITY;

describe("strategies", () => {
  const picked = (strategy: Strategy, { tier, load }: { tier: never; load: (id: string) => number }) =>
    preferred(strategy, tier, { lastPlace: 0, load }, NOW).pick.seat;

  test("least_loaded gives one of those with the fewest sessions and watches, the first in the order", () => {
    fc.assert(
      fc.property(tiers, ({ profiles, tier, load }) => {
        const { profile } = picked("least_loaded", { tier: tier as never, load });
        const least = Math.min(...profiles.map((p) => load(p.id)));
        expect(profile.id).toBe(profiles.find((p) => load(p.id) === least)?.id);
      }),
      { numRuns: RUNS },
    );
  });

  test("earliest_reset gives what is reset soonest of that which has something left, the first in the order", () => {
    fc.assert(
      fc.property(tiers, ({ profiles, tier, load }) => {
        const { profile } = picked("earliest_reset", { tier: tier as never, load });
        const soonest = Math.min(...profiles.map(resetOf));
        expect(profile.id).toBe(profiles.find((p) => resetOf(p) === soonest)?.id);
      }),
      { numRuns: RUNS },
    );
  });

  test("a conversation stays, whatever strategy would prefer another", () => {
    const request: Request = {
      provider: "openai-codex",
      model: "",
      sessionId: "s",
      pool: "",
      kinds: [],
      minValidForMs: 0,
      profile: "",
      excludeProfiles: [],
    };
    fc.assert(
      fc.property(
        fc.constantFrom<Strategy>("least_loaded", "earliest_reset", "round_robin"),
        fc.constantFrom("a", "b", "c"),
        fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }),
        (strategy, home, loads) => {
          const ids = ["a", "b", "c"].map((label) => `openai-codex:${label}`);
          const rules = { id: "openai-codex", strategy, failover: "auto" as const, meteredFallback: false };
          const profiles = ids.map((id) => profileWith({ id }));
          const scene: Scene = {
            allows: () => true,
            trialUntil: () => undefined,
            isImpatient: false,
            turns: { lastPlace: 1, load: (id) => loads[ids.indexOf(id)] ?? 0 },
            session: { home: `openai-codex:${home}` },
          };
          const choice = select(arrange(rules, profiles, undefined, undefined), request, scene, 300_000, NOW);
          expect(choice.kind === "use" && choice.profile.label).toBe(home);
        },
      ),
    );
  });
});

describe("the pace of looking", () => {
  const cases = fc.record({
    profile: arbitraryProfile(),
    spread: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    lookedMs: fc.option(fc.nat(90 * 60_000), { nil: undefined }),
    isWanted: fc.boolean(),
  });
  const due = (c: { profile: Profile; spread: number; lookedMs: number | undefined; isWanted: boolean }) =>
    lookDueAt(
      c.profile,
      {
        sinceMonoMs: 0,
        spread: c.spread,
        ...(c.lookedMs === undefined ? {} : { lastMonoMs: NOW.monoMs - c.lookedMs }),
      },
      c.isWanted,
      INTERVAL,
      NOW,
    );

  test("nobody is looked at who needs it not, cannot be, or comes back before", () => {
    fc.assert(
      fc.property(cases, (c) => {
        const at = due(c);
        if (at === undefined) return;
        expect(canBeLookedAt(c.profile, NOW)).toBe(true);
        const limits = planLimits(c.profile, NOW);
        expect(c.isWanted || limits.length > 0).toBe(true);
        if (limits.length > 0) {
          const left = Math.max(...limits.map((l) => remainingMs(l.until, NOW)));
          expect(remainingMs(at, NOW)).toBeLessThan(left);
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("two looks, and a look after a refusal, are at least 30 minutes apart while a limit runs; else 8 after a reading", () => {
    fc.assert(
      fc.property(cases, (c) => {
        const at = due(c);
        if (at === undefined) return;
        const limits = planLimits(c.profile, NOW);
        const inMs = remainingMs(at, NOW);
        const gapMs = limits.length > 0 ? LIMITED_LOOK_MS : 0.8 * INTERVAL;
        if (c.lookedMs !== undefined) expect(inMs + c.lookedMs).toBeGreaterThanOrEqual(gapMs);
        const since =
          limits.length > 0
            ? Math.min(...limits.map((l) => NOW.wallMs - l.setAtMs))
            : NOW.wallMs - (lastReadAtMs(c.profile.usageWindows) ?? 0);
        expect(inMs + since).toBeGreaterThanOrEqual(gapMs);
      }),
      { numRuns: RUNS },
    );
  });
});

test("no notice carries anything of a token, and many become few", () => {
  fc.assert(
    fc.property(fc.array(arbitraryProfile(), { maxLength: 8 }), (profiles) => {
      const standings = profiles.map((profile) => ({
        profile,
        state: stateOf(profile, { held: false, trialRunning: false }, NOW),
        counts: true,
      }));
      const notices = [...noticesOf("x", standings, undefined, NOW).values()];
      const text = JSON.stringify(notices).replaceAll(/[^\x20-\x7e]/g, "");
      expect(text).not.toMatch(/(at|rt|id|sk|sk-ant)-FAKE-/);
      const kinds = gathered(notices).map((n) => n.kind);
      for (const kind of kinds) expect(kinds.filter((k) => k === kind).length).toBeLessThanOrEqual(3);
    }),
    { numRuns: Math.min(RUNS, 300) },
  );
});

test("the history of a window in constant use is one sample an hour for 30 days", () => {
  let history: UsageHistory | undefined;
  const MINUTES = 40 * 24 * 60;
  for (let minute = 0; minute < MINUTES; minute += 20) {
    const atMs = NOW.wallMs + minute * 60_000;
    const usageWindows = [
      { name: "primary", windowMinutes: 10_080, usedPercent: (minute / MINUTES) * 100, observedAtMs: atMs },
    ];
    history = noted(history, profileWith({ usageWindows }), { wallMs: atMs, monoMs: atMs });
  }
  expect(history?.samples.length).toBe(30 * 24);
});
