import { describe, expect, test } from "vitest";
import type { Intent, Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith } from "../support/arbitrary.ts";
import { cooling, corrupt, key, limit, login, stale } from "../support/situation.ts";
import { verdict } from "../support/verdict.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe("who is not asked", () => {
  test.each<[string, Parameters<typeof verdict>, string]>([
    ["who is not allowed here", [login("a"), { scene: { allows: () => false } }], "out NOT_ALLOWED"],
    ["who is not the one that was named", [login("a"), { request: { profile: "x:b" } }], "out EXCLUDED"],
    ["who was left out", [login("a"), { request: { excludeProfiles: ["x:a"] } }], "out EXCLUDED"],
    ["who was switched off", [login("a", { enabled: false })], "out DISABLED"],
    ["who is not in the pool", [login("a", { pools: ["q"] }), { request: { pool: "p" } }], "out NOT_IN_POOL"],
    ["who is of another kind", [login("a"), { request: { kinds: ["token"] } }], "out KIND_NOT_WANTED"],
    ["who is outside the order", [login("a"), { order: ["x:b"] }, login("b")], "out NOT_IN_ORDER"],
    [
      "a broken record that was left out",
      [corrupt("a"), { request: { excludeProfiles: ["x:a"] } }],
      "out EXCLUDED",
    ],
    ["a broken record outside the order", [corrupt("a"), { order: ["x:b"] }, login("b")], "out NOT_IN_ORDER"],
    ["who was just reported", [login("a"), { scene: { avoid: "x:a" } }], "out EXCLUDED"],
    [
      "who was just reported and is to be refreshed",
      [stale("a"), { scene: { avoid: "x:a" } }],
      "out EXCLUDED",
    ],
  ])("%s", (_what, args, expected) => {
    expect(verdict(...args)).toBe(expected);
  });

  test.each<[string, Parameters<typeof verdict>]>([
    ["who is in the pool", [login("a", { pools: ["p", "q"] }), { request: { pool: "p" } }]],
    ["who is of one of the kinds", [login("a"), { request: { kinds: ["token", "oauth"] } }]],
    ["who is the one that was named", [login("a"), { request: { profile: "x:a" } }]],
    ["who is in the order", [login("a"), { order: ["x:a"] }]],
    ["beside another who was just reported", [login("a"), { scene: { avoid: "x:b" } }]],
    ["beside another who was left out", [login("a"), { request: { excludeProfiles: ["x:b"] } }]],
  ])("but %s is", (_what, args) => {
    expect(verdict(...args)).toBe("ready");
  });

  test("who was just reported keeps its own reason and time", () => {
    expect(verdict(cooling("a", MINUTE), { scene: { avoid: "x:a" } })).toBe("wait COOLING_DOWN 60000");
  });
});

describe("what keeps somebody away", () => {
  const block = { block: { outcome: "FORBIDDEN", ban: false, setAtMs: 0 } } as const;
  const needed = { loginNeeded: { reason: "refused", setAtMs: 0 } } as const;
  const lost: Intent = { generation: 1, rotation: "strict", setAtMs: 0, replay: 0, phase: "lost" };
  const dead = { refreshDead: { cause: "terminal", code: "invalid_grant", setAtMs: 0 } } as const;
  const bare = { kind: "token", token: new Secret("tok-FAKE"), expires: after(NOW, 5) } as const;
  const doubt = { intent: lost, restored: true };
  const { refreshToken: _, ...alone } = oauthGrantWith({ expires: after(NOW, 0) });
  const shortLived = (ms: number, part: Partial<Profile> = {}) =>
    login("a", { grant: oauthGrantWith({ expires: after(NOW, ms) }), ...part });
  const wants = (minValidForMs: number) => ({ request: { minValidForMs } });

  test.each<[string, Parameters<typeof verdict>, string]>([
    ["nothing", [login("a")], "ready"],
    ["a broken record", [corrupt("a")], "stuck STORE_CORRUPT"],
    ["a block, before all else", [login("a", { ...block, ...needed })], "stuck BLOCKED"],
    ["another's ban", [login("a", needed), { bannedId: "x:b" }, login("b")], "stuck HELD_AFTER_BAN"],
    ["its price", [key("k"), {}, login("a")], "stuck METERED_NOT_ALLOWED"],
    ["its price, not if it was named", [key("k"), { request: { profile: "x:k" } }, login("a")], "ready"],
    ["a login that is needed", [login("a", needed)], "stuck LOGIN_REQUIRED"],
    ["an end without a refresh token", [login("a", { grant: alone })], "stuck LOGIN_REQUIRED"],
    ["a doubt, once the token has ended", [stale("a", doubt)], "stuck REFRESH_IN_DOUBT"],
    ["a doubt, not while the token lives", [login("a", doubt)], "ready"],
    ["a limit", [cooling("a", MINUTE)], "wait COOLING_DOWN 60000"],
    [
      "a limit of this model",
      [login("a", { cooldowns: [limit(5, { model: "m" })] })],
      "wait MODEL_COOLING_DOWN 5",
    ],
    [
      "a limit of another model, not at all",
      [login("a", { cooldowns: [limit(5, { model: "n" })] })],
      "ready",
    ],
    ["a limit that is over, not at all", [cooling("a", 0)], "ready"],
    [
      "a dead refresh token, while the access token lives but too short",
      [shortLived(5, dead), wants(6)],
      "stuck VALIDITY_UNREACHABLE",
    ],
    [
      "a bare token that ends too soon",
      [login("a", { grant: bare }), wants(6)],
      "stuck VALIDITY_UNREACHABLE",
    ],
    ["a token that is over", [stale("a")], "refresh"],
    ["a token that ends too soon", [shortLived(MINUTE - 1)], "refresh"],
    ["a token that lasts just long enough, not at all", [shortLived(MINUTE)], "ready"],
    [
      "a lost answer, while the token lives but too short",
      [shortLived(5, { intent: lost }), wants(6)],
      "stuck VALIDITY_UNREACHABLE",
    ],
    [
      "a doubt, while the token lives but too short",
      [shortLived(5, doubt), wants(6)],
      "stuck VALIDITY_UNREACHABLE",
    ],
    [
      "a lost answer, not at the token's end: it is sent once more",
      [stale("a", { intent: lost })],
      "refresh",
    ],
    [
      "a key, which never ends, not at all",
      [login("a", { grant: apiKeyGrantWith(), costClass: "SUBSCRIPTION" }), wants(99 * HOUR)],
      "ready",
    ],
  ])("%s", (_what, args, expected) => {
    expect(verdict(...args)).toBe(expected);
  });

  test.each<[string, Profile, string]>([
    [
      "a refresh has shown how long they live",
      shortLived(HOUR, { origin: "refresh" }),
      "stuck VALIDITY_UNREACHABLE",
    ],
    ["a forced one has", shortLived(HOUR, { origin: "forced" }), "stuck VALIDITY_UNREACHABLE"],
    ["only a login has, which may be older rules", shortLived(HOUR, { origin: "login" }), "refresh"],
  ])("a wish for longer than tokens live, if %s", (_what, profile, expected) => {
    expect(verdict(profile, wants(10 * HOUR + 1))).toBe(expected);
    expect(verdict(profile, wants(10 * HOUR))).toBe("refresh");
  });

  test("a wish for longer than a refresh ever told is tried", () => {
    const { lifetimeMs: _l, ...grant } = oauthGrantWith({ expires: after(NOW, HOUR) });
    expect(verdict(login("a", { grant, origin: "refresh" }), wants(99 * HOUR))).toBe("refresh");
  });
});
