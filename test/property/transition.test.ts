import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OUTCOMES, SCOPES } from "../../src/domain/outcome.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { stateOf } from "../../src/domain/state.ts";
import { after, type Now, remainingMs, wallOf } from "../../src/domain/time.ts";
import { type Event, transition } from "../../src/domain/transition.ts";
import { arbitraryProfile, FIXED_NOW, oauthGrantWith } from "../support/arbitrary.ts";

const RUNS = fc.readConfigureGlobal().numRuns ?? 2_000;
const HOUR_MS = 3_600_000;
const ALONE = { held: false, trialRunning: false };

const instants = fc.option(
  fc.integer({ min: FIXED_NOW.wallMs - HOUR_MS, max: FIXED_NOW.wallMs + 20 * 24 * HOUR_MS }),
  { nil: undefined },
);

/** Anything that can happen to a profile, for its generation or another one. */
function eventsFor(profile: Profile): fc.Arbitrary<Event> {
  const from = fc.constantFrom(profile.generation, profile.generation - 1);
  const account = fc.constant(profile.account);
  const reported = fc
    .record({
      outcome: fc.constantFrom(...OUTCOMES),
      scope: fc.constantFrom(...SCOPES),
      model: fc.constantFrom("", "gpt-5.4"),
      retryAtMs: instants,
      ban: fc.boolean(),
      generation: from,
      leaseIssuedAtMs: fc.integer({ min: FIXED_NOW.wallMs - HOUR_MS, max: FIXED_NOW.wallMs }),
    })
    .map(
      ({ retryAtMs, ...report }): Event => ({
        type: "reported",
        report: {
          ...report,
          ...(retryAtMs === undefined ? {} : { retryAtMs }),
          windows: [],
          windowsSinceMs: Number.POSITIVE_INFINITY,
          leaseTag: "tag-1",
        },
      }),
    );
  const grant = fc.constant(oauthGrantWith());
  const spent = fc.constant(new Secret("rt-FAKE-spent"));
  return fc.oneof(
    reported,
    fc.record({ type: fc.constant("cleared" as const), model: fc.constantFrom("", "gpt-5.4") }),
    fc.record({ type: fc.constant("trial_ended" as const), model: fc.constantFrom("", "gpt-5.4") }),
    fc.record({ type: fc.constant("updated" as const), enabled: fc.boolean() }),
    fc.record({
      type: fc.constant("refresh_started" as const),
      rotation: fc.constantFrom("none" as const, "grace" as const, "strict" as const),
      graceMs: fc.constant(30_000),
      replay: fc.constantFrom(0 as const, 1 as const),
    }),
    fc.record({ type: fc.constant("refresh_granted" as const), from, spent, grant, account }),
    fc.record({ type: fc.constant("refresh_rejected" as const), from, code: fc.constant("invalid_grant") }),
    fc.record({ type: fc.constant("refresh_not_now" as const), from }),
    fc.record({ type: fc.constant("refresh_unsent" as const), from }),
    fc.record({ type: fc.constant("refresh_lost" as const), from }),
    fc.record({ type: fc.constant("adopted" as const), grant, account }),
  );
}

const steps = arbitraryProfile().chain((profile) =>
  eventsFor(profile).map((event) => ({
    profile,
    event,
    next: transition(profile, event, FIXED_NOW, DEFAULT_SETTINGS),
  })),
);

describe("a transition", () => {
  test("never lowers the generation, and raises it exactly when a new grant comes in", () => {
    fc.assert(
      fc.property(steps, ({ profile, event, next }) => {
        const brings =
          event.type === "adopted" || (event.type === "refresh_granted" && event.from === profile.generation);
        expect(next.generation).toBe(profile.generation + (brings ? 1 : 0));
      }),
      { numRuns: RUNS },
    );
  });

  test("keeps the grant unless a new one comes in", () => {
    fc.assert(
      fc.property(steps, ({ profile, next }) => {
        if (next.generation === profile.generation) expect(next.grant).toBe(profile.grant);
      }),
      { numRuns: RUNS },
    );
  });

  test("moves a running cooldown's end earlier only where the rules name it", () => {
    fc.assert(
      fc.property(steps, ({ profile, event, next }) => {
        for (const old of profile.cooldowns) {
          const leftMs = remainingMs(old.until, FIXED_NOW);
          if (leftMs === 0 || event.type === "cleared") continue;
          const key = (c: { outcome: string; model: string }) =>
            c.outcome === old.outcome && c.model === old.model;
          const ends = next.cooldowns.filter(key).map((c) => remainingMs(c.until, FIXED_NOW));
          if (Math.max(0, ...ends) >= leftMs) continue;
          const report = event.type === "reported" ? event.report : undefined;
          const statedOverGuess =
            old.source === "GUESS" && report?.outcome === old.outcome && report.retryAtMs !== undefined;
          const okOverGuess =
            old.source === "GUESS" && report?.outcome === "OK" && old.setAtMs <= report.leaseIssuedAtMs;
          expect(statedOverGuess || okOverGuess).toBe(true);
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("believes no stated moment that is past or beyond the longest window", () => {
    fc.assert(
      fc.property(steps, ({ profile, next }) => {
        for (const c of next.cooldowns.filter((one) => !profile.cooldowns.includes(one))) {
          const untilMs = wallOf(c.until, FIXED_NOW);
          expect(untilMs).toBeGreaterThan(FIXED_NOW.wallMs);
          expect(untilMs).toBeLessThanOrEqual(FIXED_NOW.wallMs + DEFAULT_SETTINGS.cooldown.longestWindowMs);
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("of an auth outcome for another generation changes nothing", () => {
    fc.assert(
      fc.property(steps, ({ profile, event, next }) => {
        if (event.type !== "reported" || event.report.generation === profile.generation) return;
        if (event.report.outcome.startsWith("AUTH_")) expect(next).toBe(profile);
      }),
      { numRuns: RUNS },
    );
  });

  test("of a refresh for another generation changes nothing", () => {
    fc.assert(
      fc.property(steps, ({ profile, event, next }) => {
        if ("from" in event && event.from !== profile.generation) expect(next).toBe(profile);
      }),
      { numRuns: RUNS },
    );
  });

  test("never unblocks by a refresh", () => {
    fc.assert(
      fc.property(steps, ({ profile, event, next }) => {
        if (event.type.startsWith("refresh_") || event.type === "adopted")
          expect(next.block).toEqual(profile.block);
      }),
      { numRuns: RUNS },
    );
  });

  test("leads to no state that cannot be left: a clear, an enable and a login make any profile READY", () => {
    const chains = arbitraryProfile().chain((profile) =>
      fc.array(eventsFor(profile), { maxLength: 8 }).map((events) => ({ profile, events })),
    );
    fc.assert(
      fc.property(chains, ({ profile, events }) => {
        const apply = (p: Profile, event: Event) => transition(p, event, FIXED_NOW, DEFAULT_SETTINGS);
        const reached = events.reduce(apply, profile);
        const put = {
          grant: oauthGrantWith(),
          account: reached.account,
          costClass: "SUBSCRIPTION",
          origin: "login",
          accountEpoch: "epoch-2",
        } as const;
        const left = [
          { type: "put", put, accountChanged: false },
          { type: "updated", enabled: true },
          { type: "cleared", model: "" },
        ] as const satisfies readonly Event[];
        expect(stateOf(left.reduce<Profile>(apply, reached), ALONE, FIXED_NOW)).toEqual({
          state: "READY",
          reason: "",
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("leaves every cooldown to end by itself", () => {
    fc.assert(
      fc.property(steps, ({ next }) => {
        const late: Now = {
          wallMs: FIXED_NOW.wallMs + 40 * 24 * HOUR_MS,
          monoMs: FIXED_NOW.monoMs + 40 * 24 * HOUR_MS,
        };
        const { grant: _grant, ...rest } = next;
        const fresh = oauthGrantWith({ expires: after(late, HOUR_MS) }, late);
        const { state } = stateOf({ ...rest, grant: fresh }, ALONE, late);
        expect(state).not.toBe("COOLING_DOWN");
      }),
      { numRuns: RUNS },
    );
  });
});
