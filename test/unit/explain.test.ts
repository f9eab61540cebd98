import { describe, expect, test } from "vitest";
import { explain } from "../../src/domain/explain.ts";
import { FIXED_NOW as NOW } from "../support/arbitrary.ts";
import { type Asked, at, cooling, login, situation, stale } from "../support/situation.ts";

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
