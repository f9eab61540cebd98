import { expect, test } from "vitest";
import * as settings from "../../src/domain/settings.ts";

// The numbers of the contract, and those that ARCHITECTURE.md and the README name.

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

test("what holds where the operator set nothing", () => {
  expect(settings.DEFAULT_SETTINGS).toEqual({
    cooldown: {
      steps: {
        RATE_LIMIT: { baseMs: 30 * SECOND, capMs: 15 * MINUTE },
        USAGE_LIMIT: { baseMs: 15 * MINUTE, capMs: 6 * HOUR },
        BILLING: { baseMs: 10 * MINUTE, capMs: 6 * HOUR },
        TIMEOUT: { baseMs: 30 * SECOND, capMs: 5 * MINUTE },
        OVERLOADED: { baseMs: 2 * SECOND, capMs: 60 * SECOND },
        SERVER_ERROR: { baseMs: 2 * SECOND, capMs: 60 * SECOND },
      },
      longestWindowMs: 192 * HOUR,
      banBrake: true,
    },
    session: { idleLimitMs: HOUR, homeWithinMs: 5 * MINUTE },
    refresh: { lanes: 2, minIntervalMs: MINUTE, connectTimeoutMs: 10 * SECOND, totalTimeoutMs: 30 * SECOND },
    usage: { isPolled: true, intervalMs: 10 * MINUTE },
  });
});

test("what nobody can set", () => {
  const { DEFAULT_SETTINGS: _, backoffMs: _b, ...fixed } = settings;
  expect(fixed).toEqual({
    MODEL_BLOCK_MS: 12 * HOUR,
    STRIKES_FORGOTTEN_MS: 24 * HOUR,
    FORCED_PROBATION_MS: 10 * MINUTE,
    TRIAL_MS: 60 * SECOND,
    BOUND_WAIT_MS: 5 * SECOND,
    TIMEOUTS_TOLERATED: 2,
    NOT_NOW_BACKOFF: { baseMs: 30 * SECOND, capMs: 15 * MINUTE },
    UNSENT_BACKOFF: { baseMs: 2 * SECOND, capMs: MINUTE },
    LIMITED_LOOK_MS: 30 * MINUTE,
    USAGE_FRESH_MS: 5 * MINUTE,
    USAGE_IDLE_MS: HOUR,
    USAGE_START_MS: 5 * MINUTE,
    USAGE_REFUSED_BACKOFF: { baseMs: 30 * MINUTE, capMs: 6 * HOUR },
    USAGE_TROUBLE_BACKOFF: { baseMs: MINUTE, capMs: 30 * MINUTE },
  });
});

test.each([
  [-1, 10],
  [0, 10],
  [1, 20],
  [3, 80],
  [4, 100],
  [5_000, 100],
])("the back-off of repetition %d is %d", (n, ms) => {
  expect(settings.backoffMs({ baseMs: 10, capMs: 100 }, n)).toBe(ms);
});
