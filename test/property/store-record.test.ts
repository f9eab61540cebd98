import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Grant } from "../../src/domain/grant.ts";
import type { Profile } from "../../src/domain/profile.ts";
import type { Now } from "../../src/domain/time.ts";
import { reached, remainingMs } from "../../src/domain/time.ts";
import { profileCodec } from "../../src/store/record.ts";
import { arbitraryProfile, FIXED_NOW } from "../support/arbitrary.ts";

const HOUR_MS = 3_600_000;

function throughText(profile: Profile, now: Now): Profile {
  return profileCodec(now).decode(JSON.parse(JSON.stringify(profileCodec(FIXED_NOW).encode(profile))));
}

/** With secrets in the clear, and deadlines that are over all alike. */
function comparable(profile: Profile, now: Now): unknown {
  const secrets = (grant: Grant) =>
    grant.kind === "oauth"
      ? [grant.accessToken, grant.refreshToken, grant.idToken].map((secret) => secret?.reveal())
      : grant.kind === "token"
        ? grant.token.reveal()
        : grant.key.reveal();
  const text = JSON.stringify({ profile, secrets: secrets(profile.grant) }, (_key, value: unknown) =>
    isDeadline(value) ? { wallMs: value.wallMs, leftMs: remainingMs(value, now) } : value,
  );
  return JSON.parse(text);
}

function isDeadline(value: unknown): value is { wallMs: number; monoMs: number } {
  return typeof value === "object" && value !== null && "monoMs" in value;
}

describe("a profile's record", () => {
  it("gives back every profile as it was", () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        const back = throughText(profile, FIXED_NOW);
        expect(comparable(back, FIXED_NOW)).toEqual(comparable(profile, FIXED_NOW));
      }),
      { numRuns: 500 },
    );
  });

  it("holds no moment of the monotonic clock", () => {
    fc.assert(
      fc.property(arbitraryProfile(), (profile) => {
        expect(JSON.stringify(profileCodec(FIXED_NOW).encode(profile))).not.toContain("monoMs");
      }),
    );
  });

  it("never makes a wait longer than it was meant to be, wherever both clocks stand at the next start", () => {
    const later: fc.Arbitrary<Now> = fc.record({
      wallMs: fc.integer({
        min: FIXED_NOW.wallMs - 9_000 * HOUR_MS,
        max: FIXED_NOW.wallMs + 9_000 * HOUR_MS,
      }),
      monoMs: fc.integer({ min: 0, max: HOUR_MS }),
    });
    fc.assert(
      fc.property(arbitraryProfile(), later, (profile, now) => {
        const back = throughText(profile, now);
        for (const { until, setAtMs } of back.cooldowns) {
          expect(remainingMs(until, now)).toBeLessThanOrEqual(Math.max(0, until.wallMs - setAtMs));
        }
        if (back.backoff !== undefined) {
          const { until, setAtMs } = back.backoff;
          expect(remainingMs(until, now)).toBeLessThanOrEqual(Math.max(0, until.wallMs - setAtMs));
        }
        if (back.intent?.graceUntil !== undefined) {
          const { graceUntil, setAtMs } = back.intent;
          expect(remainingMs(graceUntil, now)).toBeLessThanOrEqual(Math.max(0, graceUntil.wallMs - setAtMs));
        }
        if (back.lastAttempt !== undefined) {
          expect(remainingMs(back.lastAttempt, now)).toBeLessThanOrEqual(HOUR_MS / 4);
        }
      }),
    );
  });

  it("never calls a token good that the wall clock calls expired, nor ends one early", () => {
    fc.assert(
      fc.property(
        arbitraryProfile(),
        fc.integer({ min: -9 * HOUR_MS, max: 999 * HOUR_MS }),
        (profile, ms) => {
          const now = { wallMs: FIXED_NOW.wallMs + ms, monoMs: 7 };
          const { grant } = throughText(profile, now);
          if (grant.kind === "api_key" || grant.expires === undefined) return;
          expect(reached(grant.expires, now)).toBe(now.wallMs >= grant.expires.wallMs);
        },
      ),
    );
  });
});
