import { describe, expect, test } from "vitest";
import { explain } from "../../src/domain/explain.ts";
import { after } from "../../src/domain/time.ts";
import { FIXED_NOW as NOW } from "../support/arbitrary.ts";
import {
  type Asked,
  at,
  cooling,
  corrupt,
  key,
  limit,
  login,
  situation,
  stale,
} from "../support/situation.ts";

describe("an explanation", () => {
  const told = (asked: Asked) =>
    explain(...situation(asked)).map(({ profile, rank, eligible, reason, message, untilMs }) => [
      `${profile} ${rank} ${eligible ? "can" : "cannot"} ${reason}`,
      message,
      ...(untilMs === undefined ? [] : [untilMs - NOW.wallMs]),
    ]);

  test("names first what would be given, then the others that could be, then the rest with their times", () => {
    const profiles = [login("a"), stale("b"), cooling("c", 7), login("d")];
    expect(told({ profiles, scene: at("x:d") })).toEqual([
      ["x:d 1 can SESSION", "the session stays with its profile"],
      ["x:a 2 can ORDER", "first in the order"],
      ["x:b 3 can ORDER", "number 2 in the order; its token is refreshed first"],
      ["x:c 0 cannot COOLING_DOWN", "cooling down", 7],
    ]);
  });

  test.each([
    ["round_robin", "ROUND_ROBIN", "its turn in the round"],
    ["least_loaded", "LEAST_LOADED", "fewest live sessions and watches"],
    ["earliest_reset", "EARLIEST_RESET", "its usage window is reset soonest"],
  ] as const)("speaks of the strategy %s", (strategy, reason, message) => {
    expect(told({ profiles: [login("a"), login("b")], rules: { strategy } })).toEqual([
      [`x:a 1 can ${reason}`, message],
      [`x:b 2 can ${reason}`, message],
    ]);
  });

  const off = { enabled: false };
  const lost = { generation: 1, rotation: "strict", setAtMs: 0, replay: 0, phase: "lost" } as const;
  const block = { outcome: "FORBIDDEN", ban: false, setAtMs: 0 } as const;
  const waits = { backoff: { until: after(NOW, 9), setAtMs: 0, strikes: 1 } };
  test.each<[string, Asked, string]>([
    ["COOLING_DOWN", { profiles: [cooling("a", 9)] }, "cooling down"],
    [
      "MODEL_COOLING_DOWN",
      { profiles: [login("a", { cooldowns: [limit(9, { model: "m" })] })] },
      "for this model",
    ],
    [
      "LOGIN_REQUIRED",
      { profiles: [login("a", { loginNeeded: { reason: "refused", setAtMs: 0 } })] },
      "new login",
    ],
    ["REFRESH_IN_DOUBT", { profiles: [stale("a", { intent: lost, restored: true })] }, "an operator decides"],
    ["BLOCKED", { profiles: [login("a", { block })] }, "until an operator enables it"],
    ["DISABLED", { profiles: [login("a", off)] }, "by the operator"],
    ["EXCLUDED", { profiles: [login("a")], request: { excludeProfiles: ["x:a"] } }, "leaves it out"],
    ["NOT_ALLOWED", { profiles: [login("a")], scene: { allows: () => false } }, "on this endpoint"],
    ["NOT_IN_ORDER", { profiles: [login("b", off), login("a")], order: ["x:b"] }, "the explicit order"],
    ["NOT_IN_POOL", { profiles: [login("a")], request: { pool: "p" } }, "the pool asked for"],
    ["KIND_NOT_WANTED", { profiles: [login("a")], request: { kinds: ["token"] } }, "another kind"],
    ["METERED_NOT_ALLOWED", { profiles: [key("a"), login("b", off)] }, "metered fallback is off"],
    [
      "VALIDITY_UNREACHABLE",
      { profiles: [login("a", { intent: lost })], request: { minValidForMs: 9e9 } },
      "as long as asked",
    ],
    [
      "TRIAL_IN_PROGRESS",
      { profiles: [cooling("a", 0)], scene: { trialUntil: () => NOW.wallMs + 9 } },
      "somebody is trying",
    ],
    ["REFRESHING", { profiles: [stale("a", { lastAttempt: after(NOW, 9) })] }, "is being refreshed"],
    ["UPSTREAM_UNAVAILABLE", { profiles: [stale("a", waits)] }, "token endpoint"],
    ["HELD_AFTER_BAN", { profiles: [login("a"), login("b", off)], bannedId: "x:b" }, "was banned"],
    ["STORE_CORRUPT", { profiles: [corrupt("a")] }, "cannot be read"],
  ])("of %s says what it means", (reason, asked, words) => {
    const [, message] = told(asked).find(([what]) => what === `x:a 0 cannot ${reason}`) ?? [];
    expect(message).toContain(words);
  });

  test("speaks of a pin and of a trial, and of those that may serve though the conversation must wait", () => {
    expect(told({ profiles: [login("a")], request: { profile: "x:a" } })).toEqual([
      ["x:a 1 can PINNED", "the request names this profile"],
    ]);
    expect(told({ profiles: [cooling("a", 0)] })).toEqual([
      ["x:a 1 can TRIAL", "a guessed limit has ended; one trial decides"],
    ]);
    const bound = { profiles: [login("a"), cooling("b", 7)], rules: { failover: "manual" as const } };
    expect(told({ ...bound, scene: at("x:b") })[0]).toEqual(["x:a 1 can ORDER", "first in the order"]);
  });
});
