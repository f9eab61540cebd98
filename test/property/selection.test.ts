import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judge, type Request } from "../../src/domain/candidate.ts";
import { decidingFor } from "../../src/domain/cooldown.ts";
import { explain } from "../../src/domain/explain.ts";
import { arrange, isCorrupt, type Pool, reseated, STRATEGIES } from "../../src/domain/pool.ts";
import { type Scene, select } from "../../src/domain/selection.ts";
import type { Now } from "../../src/domain/time.ts";
import { isGoodFor } from "../../src/domain/token.ts";
import { unavailable } from "../../src/domain/unavailability.ts";
import { arbitraryProfile, FIXED_NOW, profileWith } from "../support/arbitrary.ts";

const HOME_WITHIN_MS = 300_000;
const RUNS = fc.readConfigureGlobal().numRuns ?? 1_000;

/** Whole situations: a provider's profiles in some order, a request, what stands around it, and a time. */
const situations = fc
  .record({
    profiles: fc.uniqueArray(arbitraryProfile(), { maxLength: 6, selector: (p) => p.label }),
    orderSize: fc.option(fc.nat(6), { nil: undefined }),
    strategy: fc.constantFrom(...STRATEGIES),
    failover: fc.constantFrom("auto" as const, "manual" as const),
    meteredFallback: fc.boolean(),
    banned: fc.boolean(),
    model: fc.constantFrom("", "gpt-5.4", "claude-x"),
    minValidForMs: fc.constantFrom(0, 60_000, 3_600_000),
    pin: fc.option(fc.nat(5), { nil: undefined }),
    exclude: fc.option(fc.nat(5), { nil: undefined }),
    home: fc.option(fc.nat(5), { nil: undefined }),
    isImpatient: fc.boolean(),
    lastPlace: fc.nat(6),
    laterMs: fc.integer({ min: 0, max: 86_400_000 }),
  })
  .map((s) => {
    const profiles = s.profiles.map((p) => ({ ...p, provider: "x", id: `x:${p.label}` }));
    const ids = profiles.map((p) => p.id);
    const order = s.orderSize === undefined ? undefined : ids.slice(0, s.orderSize);
    const rules = { id: "x", strategy: s.strategy, failover: s.failover, meteredFallback: s.meteredFallback };
    const pool = arrange(rules, profiles, order, s.banned ? ids[0] : undefined);
    const named = (i: number | undefined) => (i === undefined ? undefined : ids[i]);
    const request: Request = {
      provider: "x",
      model: s.model,
      sessionId: s.home === undefined ? "" : "s",
      pool: "",
      kinds: [],
      minValidForMs: s.minValidForMs,
      profile: named(s.pin) ?? "",
      excludeProfiles: [named(s.exclude)].filter((id) => id !== undefined),
    };
    const home = named(s.home);
    const scene: Scene = {
      allows: () => true,
      trialUntil: () => undefined,
      isImpatient: s.isImpatient,
      turns: { lastPlace: s.lastPlace, load: (id) => id.length },
      ...(home === undefined ? {} : { session: { home } }),
    };
    const now: Now = { wallMs: FIXED_NOW.wallMs + s.laterMs, monoMs: FIXED_NOW.monoMs + s.laterMs };
    return { pool, request, scene, now, order };
  });

/** A request that asks for nothing in particular, and nothing around it. */
const ANY: Request = {
  provider: "",
  model: "",
  sessionId: "",
  pool: "",
  kinds: [],
  minValidForMs: 60_000,
  profile: "",
  excludeProfiles: [],
};
const PLAIN: Omit<Scene, "turns"> = { allows: () => true, trialUntil: () => undefined, isImpatient: false };

type Situation = { pool: Pool; request: Request; scene: Scene; now: Now; order: string[] | undefined };

const choose = ({ pool, request, scene, now }: Situation) =>
  select(pool, request, scene, HOME_WITHIN_MS, now);

function verdicts({ pool, request, scene, now }: Situation) {
  return pool.seats.map((seat) => ({ seat, verdict: judge(seat, pool, request, scene, now) }));
}

function check(property: (situation: Situation) => void) {
  fc.assert(fc.property(situations, property), { numRuns: RUNS });
}

describe("selection", () => {
  test("what is given is never cooling, blocked, disabled, refused, expired or too short-lived", () => {
    check((s) => {
      const choice = choose(s);
      if (choice.kind !== "use") return;
      const { profile } = choice;
      expect(profile.enabled).toBe(true);
      expect(profile.block).toBeUndefined();
      expect(profile.loginNeeded).toBeUndefined();
      expect(decidingFor(profile, s.request.model, s.now)).toBeUndefined();
      expect(isGoodFor(profile, s.request.minValidForMs, s.now)).toBe(true);
    });
  });

  test("a refresh is only waited for where one may be sent, on a profile that may serve", () => {
    check((s) => {
      const choice = choose(s);
      if (choice.kind !== "refresh") return;
      const { profile } = choice;
      expect(profile.grant.kind === "oauth" && profile.grant.refreshToken !== undefined).toBe(true);
      expect(profile.refreshDead).toBeUndefined();
      expect(profile.enabled && profile.block === undefined && profile.loginNeeded === undefined).toBe(true);
    });
  });

  test("if the rules allow a profile now, one is given, unless the conversation may not leave its own", () => {
    check((s) => {
      const usable = verdicts(s).some(
        ({ verdict }) => verdict.kind === "ready" || verdict.kind === "refresh",
      );
      const choice = choose(s);
      if (choice.kind === "none" && choice.stayed !== undefined) return;
      expect(choice.kind !== "none").toBe(usable);
    });
  });

  test("a pin gives this profile or none", () => {
    check((s) => {
      const choice = choose(s);
      if (s.request.profile === "" || choice.kind === "none") return;
      expect(choice.profile.id).toBe(s.request.profile);
    });
  });

  test("an explicit order is never passed, pinned or not", () => {
    check((s) => {
      const choice = choose(s);
      if (choice.kind === "none" || !s.pool.hasExplicitOrder) return;
      expect(s.order).toContain(choice.profile.id);
    });
  });

  test("a metered profile serves only if pinned, ordered, allowed, or there is no other kind", () => {
    check((s) => {
      const choice = choose(s);
      if (choice.kind === "none" || choice.profile.costClass !== "METERED") return;
      const others = s.pool.seats.some(
        (seat) => !isCorrupt(seat.profile) && seat.profile.costClass !== "METERED",
      );
      const allowed = s.request.profile !== "" || s.pool.hasExplicitOrder || s.pool.rules.meteredFallback;
      expect(allowed || !others).toBe(true);
    });
  });

  test("after a ban no other subscription of the provider serves", () => {
    check((s) => {
      const choice = choose(s);
      if (choice.kind === "none" || choice.profile.costClass !== "SUBSCRIPTION") return;
      const seat = s.pool.seats.find((one) => one.profile.id === choice.profile.id);
      expect(seat?.isHeld).toBe(false);
    });
  });

  test("under manual fail-over a conversation with a login gets its own profile or none", () => {
    check((s) => {
      const home = s.pool.seats.find((seat) => seat.profile.id === s.scene.session?.home)?.profile;
      if (s.pool.rules.failover !== "manual" || home === undefined || isCorrupt(home)) return;
      if (home.grant.kind === "api_key" || s.request.profile !== "") return;
      const choice = choose(s);
      if (choice.kind !== "none") expect(choice.profile.id).toBe(home.id);
    });
  });

  test("the same pool, request, scene and time give the same choice", () => {
    check((s) => {
      const profiles = s.pool.seats.map((seat) => seat.profile).reverse();
      const isBanned = s.pool.seats.some((seat) => seat.isHeld);
      const again = { ...s, pool: isBanned ? s.pool : arrange(s.pool.rules, profiles, s.order, undefined) };
      expect(choose(again)).toEqual(choose(s));
    });
  });

  test("a turn goes to the first after the last that may serve, whoever else there is", () => {
    const rules = { id: "x", strategy: "round_robin", failover: "auto", meteredFallback: false } as const;
    const request: Request = { ...ANY, provider: "x" };
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), fc.nat(9), (enabled, lastPlace) => {
        const profiles = enabled.map((is, i) => profileWith({ id: `x:${i}`, enabled: is }));
        const pool = arrange(rules, profiles, undefined, undefined);
        const scene: Scene = { ...PLAIN, turns: { lastPlace, load: () => 0 } };
        const choice = select(pool, request, scene, HOME_WITHIN_MS, FIXED_NOW);
        const ready = pool.seats.filter((_, at) => enabled[at]);
        const due = ready.find(({ place }) => place > lastPlace) ?? ready[0];
        if (due === undefined) expect(choice.kind).toBe("none");
        else expect(choice).toMatchObject({ kind: "use", reason: "ROUND_ROBIN", profile: due.profile });
      }),
      { numRuns: RUNS },
    );
  });

  test("a change that moves nobody leaves the pool that arranging anew would make", () => {
    check((s) => {
      const { rules, seats } = s.pool;
      if (seats.some((seat) => seat.isHeld)) return;
      const before = seats.flatMap(({ profile }) => (isCorrupt(profile) ? [] : [profile]));
      for (const profile of before) {
        const changed = { ...profile, generation: profile.generation + 1, enabled: !profile.enabled };
        const after = before.map((p) => (p === profile ? changed : p));
        expect(reseated(s.pool, changed)).toEqual(arrange(rules, after, s.order, undefined));
        expect(reseated(s.pool, { ...changed, aliases: ["x:former"] })).toBeUndefined();
        const other = profile.costClass === "METERED" ? "SUBSCRIPTION" : "METERED";
        expect(reseated(s.pool, { ...changed, costClass: other })).toBeUndefined();
      }
    });
  });

  test("explain names every profile once, and first what would be given", () => {
    check((s) => {
      const explained = explain(s.pool, s.request, s.scene, HOME_WITHIN_MS, s.now);
      expect(explained.map((e) => e.profile).sort()).toEqual(
        s.pool.seats.map((seat) => seat.profile.id).sort(),
      );
      const choice = choose(s);
      if (choice.kind !== "none")
        expect(explained.find((e) => e.rank === 1)?.profile).toBe(choice.profile.id);
    });
  });

  test("when nothing is given there is a reason for each, and a time if one of them comes back by itself", () => {
    check((s) => {
      const choice = choose(s);
      if (choice.kind !== "none") return;
      const failure = unavailable(s.pool, s.request, choice.ranked, choice.stayed);
      if (failure.kind !== "unavailable") throw new Error("no record here is corrupt");
      const { profiles, retryAtMs } = failure.unavailability;
      expect(profiles).toHaveLength(choice.ranked.length);
      const waits = choice.ranked.flatMap(({ verdict }) =>
        verdict.kind === "wait" ? [verdict.untilMs] : [],
      );
      expect(retryAtMs).toBe(waits.length === 0 ? undefined : Math.min(...waits));
    });
  });

  test("the time given is enough: then something is usable, or there is another reason", () => {
    check((s) => {
      const choice = choose(s);
      if (choice.kind !== "none") return;
      const failure = unavailable(s.pool, s.request, choice.ranked, choice.stayed);
      const retryAtMs = failure.kind === "unavailable" ? failure.unavailability.retryAtMs : undefined;
      if (retryAtMs === undefined) return;
      const passedMs = retryAtMs - s.now.wallMs;
      const later = { wallMs: retryAtMs, monoMs: s.now.monoMs + passedMs };
      const then = choose({ ...s, now: later });
      if (then.kind === "none") {
        const again = unavailable(s.pool, s.request, then.ranked, then.stayed);
        expect(again).not.toEqual(failure);
      }
    });
  });
});
