import { describe, expect, test } from "vitest";
import type { Intent } from "../../src/domain/profile.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW } from "../support/arbitrary.ts";
import { cooling, limit, login, stale } from "../support/situation.ts";
import { verdict } from "../support/verdict.ts";

const MINUTE = 60_000;

describe("a refresh that may not leave now", () => {
  const held = (ms: number) => ({ scene: { upstreamHeldUntilMs: NOW.wallMs + ms } });
  const backoff = { backoff: { until: after(NOW, MINUTE), setAtMs: 0, strikes: 1 } };
  const open: Intent = { generation: 1, rotation: "strict", setAtMs: 0, replay: 0, phase: "open" };

  test.each<[string, Parameters<typeof verdict>, string]>([
    ["the endpoint asked for silence", [stale("a"), held(7)], "wait UPSTREAM_UNAVAILABLE 7"],
    ["its silence is over", [stale("a"), held(0)], "refresh"],
    ["it is under way already", [stale("a", { intent: open }), held(7)], "refresh"],
    ["the endpoint said not now", [stale("a", backoff)], "wait UPSTREAM_UNAVAILABLE 60000"],
    ["the last one was a moment ago", [stale("a", { lastAttempt: after(NOW, 9) })], "wait REFRESHING 9"],
    ["a good token needs none", [login("a", backoff), held(7)], "ready"],
  ])("%s", (_what, args, expected) => {
    expect(verdict(...args)).toBe(expected);
  });
});

describe("a trial", () => {
  const tried = (model: string) => ({
    trialUntil: (id: string, m: string) => (id === "x:a" && m === model ? NOW.wallMs + 9 : undefined),
  });

  test("that somebody else runs is waited for; of another model it is not", () => {
    expect(verdict(cooling("a", 0), { scene: tried("") })).toBe("wait TRIAL_IN_PROGRESS 9");
    expect(verdict(cooling("a", 0), { scene: tried("m") })).toBe("ready");
    const model = login("a", { cooldowns: [limit(0, { model: "m" })] });
    expect(verdict(model, { scene: tried("m") })).toBe("wait TRIAL_IN_PROGRESS 9");
    expect(verdict(login("a"), { scene: tried("") })).toBe("ready");
  });
});

describe("a generation that the caller suspects", () => {
  const suspects = (suspectGeneration: number) => ({ request: { suspectGeneration } });
  test("is refreshed once, if that may be now and it is still the current one", () => {
    expect(verdict(login("a"), suspects(1))).toBe("refresh");
    expect(verdict(login("a"), suspects(2))).toBe("ready");
    expect(verdict(login("a", { lastAttempt: after(NOW, 9) }), suspects(1))).toBe("ready");
    expect(verdict(login("a", { grant: apiKeyGrantWith(), costClass: "SUBSCRIPTION" }), suspects(1))).toBe(
      "ready",
    );
  });
});
