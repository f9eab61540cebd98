import { describe, expect, test } from "vitest";
import {
  arrange,
  type CorruptProfile,
  isBound,
  isCorrupt,
  type ProviderRules,
  reseated,
  seatOf,
} from "../../src/domain/pool.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { preferred, type Turns } from "../../src/domain/strategy.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, profileWith } from "../support/arbitrary.ts";

const RULES: ProviderRules = { id: "x", strategy: "ordered", failover: "auto", meteredFallback: false };
const login = (label: string, part: Partial<Profile> = {}) => profileWith({ id: `x:${label}`, ...part });
const key = (label: string, part: Partial<Profile> = {}) =>
  login(label, { grant: apiKeyGrantWith(), costClass: "METERED", ...part });
const corrupt = (label: string): CorruptProfile => ({ corrupt: true, id: `x:${label}`, path: `/s/${label}` });
const seats = (
  profiles: readonly (Profile | CorruptProfile)[],
  order?: readonly string[],
  part: Partial<ProviderRules> = {},
  bannedId?: string,
) => arrange({ ...RULES, ...part }, profiles, order, bannedId);
const places = (pool: ReturnType<typeof arrange>) => pool.seats.map((s) => [s.profile.id, s.place]);

describe("without an order", () => {
  test("logins come first, then tokens, then keys, each by id; what cannot be read comes last", () => {
    const token = login("a", { grant: { kind: "token", token: new Secret("tok-FAKE") } });
    const pool = seats([corrupt("0"), key("1"), token, login("c"), login("b")]);
    expect(places(pool)).toEqual([
      ["x:b", 1],
      ["x:c", 2],
      ["x:a", 3],
      ["x:1", 4],
      ["x:0", 5],
    ]);
    expect([pool.hasExplicitOrder, pool.unknownInOrder]).toEqual([false, []]);
  });

  test("the given list stays as it was", () => {
    const list = [login("b"), login("a")];
    seats(list);
    expect(list.map((p) => p.label)).toEqual(["b", "a"]);
  });
});

describe("a change that moves nobody", () => {
  const a = login("a");
  const pool = seats([a, key("k"), corrupt("c")]);

  test("leaves everybody's seat, and the changed profile in its own", () => {
    const changed = { ...a, generation: 2 };
    expect(places(reseated(pool, changed) as typeof pool)).toEqual(places(pool));
    expect(seatOf(reseated(pool, changed) as typeof pool, "x:a")?.profile).toBe(changed);
  });

  test.each([
    ["nobody there", login("new")],
    ["a record that could not be read", login("c")],
    ["another kind of grant", { ...a, grant: apiKeyGrantWith() }],
    ["another cost class", { ...a, costClass: "METERED" as const }],
  ])("is none for %s", (_what, profile) => {
    expect(reseated(pool, profile)).toBeUndefined();
  });

  test("finds no seat for an id that nobody has", () => {
    expect(seatOf(pool, "x:gone")).toBeUndefined();
  });
});

test("a pool is mixed if some are metered and some are not", () => {
  const isMixed = (...profiles: Profile[]) => seats(profiles).isMixed;
  expect([isMixed(login("a"), key("k")), isMixed(login("a")), isMixed(key("k"), key("l"))]).toEqual([
    true,
    false,
    false,
  ]);
});

test("of several that had one id before, the first in order answers to it", () => {
  const pool = seats([login("b", { aliases: ["old:x"] }), login("a", { aliases: ["old:x"] })], ["old:x"]);
  expect(places(pool)).toEqual([
    ["x:a", 1],
    ["x:b", 0],
  ]);
});

describe("an explicit order", () => {
  test("is an allow-list: the others have no place", () => {
    const pool = seats([login("a"), login("b"), corrupt("c")], ["x:b", "x:c"]);
    expect(places(pool)).toEqual([
      ["x:b", 1],
      ["x:c", 2],
      ["x:a", 0],
    ]);
    expect(pool.hasExplicitOrder).toBe(true);
  });

  test("may name a profile by an id that it had before, and twice without harm", () => {
    const pool = seats([login("a", { aliases: ["old:a"] }), login("b")], ["x:b", "old:a", "x:a", "x:b"]);
    expect(places(pool)).toEqual([
      ["x:b", 1],
      ["x:a", 2],
    ]);
    expect(pool.unknownInOrder).toEqual([]);
  });

  test("skips who is gone, and tells", () => {
    const pool = seats([login("a")], ["x:gone", "x:a"]);
    expect([places(pool), pool.unknownInOrder]).toEqual([[["x:a", 1]], ["x:gone"]]);
  });

  test.each([[["x:gone"]], [[]]])("of %j names nobody alive and is set aside", (order) => {
    const pool = seats([login("b"), login("a")], order);
    expect(places(pool).map(([id]) => id)).toEqual(["x:a", "x:b"]);
    expect(pool.hasExplicitOrder).toBe(false);
  });
});

describe("a metered profile", () => {
  const unwanted = (pool: ReturnType<typeof arrange>) =>
    pool.seats.filter((s) => s.isUnwantedMetered).map((s) => s.profile.id);

  test.each<[string, readonly (Profile | CorruptProfile)[], string[] | undefined, boolean, string[]]>([
    ["beside a login", [login("a"), key("k")], undefined, false, ["x:k"]],
    ["beside a record that cannot be read", [corrupt("a"), key("k")], undefined, false, ["x:k"]],
    ["beside a login, where the operator allows it", [login("a"), key("k")], undefined, true, []],
    ["beside a login, ordered", [login("a"), key("k")], ["x:k"], false, []],
    ["alone", [key("k"), key("l")], undefined, false, []],
    [
      "made one by the operator",
      [login("a"), login("m", { costClass: "METERED" })],
      undefined,
      false,
      ["x:m"],
    ],
  ])("%s", (_what, profiles, order, meteredFallback, ids) => {
    expect(unwanted(seats(profiles, order, { meteredFallback }))).toEqual(ids);
  });

  test("alone is all there is; with a login or a broken record there is more", () => {
    const has = (...list: (Profile | CorruptProfile)[]) => seats(list).hasSubscription;
    expect([has(key("k")), has(key("k"), login("a")), has(key("k"), corrupt("a"))]).toEqual([
      false,
      true,
      true,
    ]);
  });
});

test("after a ban the provider's other subscriptions are held: not the banned one, no key, nothing unread", () => {
  const held = (bannedId?: string) =>
    seats([login("a"), login("b"), key("k"), corrupt("c")], undefined, {}, bannedId)
      .seats.filter((s) => s.isHeld)
      .map((s) => s.profile.id);
  expect([held("x:a"), held("x:k"), held()]).toEqual([["x:b"], ["x:a", "x:b"], []]);
});

test("work is bound to a login under manual fail-over, never to a key or a broken record", () => {
  const bound = (failover: "auto" | "manual") =>
    [login("a"), key("k"), corrupt("c")].map((p) => isBound({ ...RULES, failover }, p));
  expect([bound("manual"), bound("auto")]).toEqual([
    [true, false, false],
    [false, false, false],
  ]);
  expect([isCorrupt(corrupt("c")), isCorrupt(login("a"))]).toEqual([true, false]);
});

describe("of equally usable profiles", () => {
  const HOUR = 3_600_000;
  const window = (hours: number) => [
    { name: "w", windowMinutes: 300, usedPercent: 10, resetAtMs: NOW.wallMs + hours * HOUR, observedAtMs: 0 },
  ];
  const tier = (...list: (Profile | CorruptProfile)[]) =>
    seats(list).seats.map((seat) => ({
      seat,
      verdict: { kind: "ready" as const, trialModels: [], refreshDue: false },
    }));
  const turns = (lastPlace: number, loads: Record<string, number> = {}): Turns => ({
    lastPlace,
    load: (id) => loads[id] ?? 0,
  });
  const three = tier(login("a"), login("b"), login("c"));
  const picked = (...args: Parameters<typeof preferred>) => {
    const { pick, reason } = preferred(...args);
    return [pick.seat.profile.id, reason];
  };

  test("ordered takes the first", () => {
    expect(picked("ordered", three, turns(2), NOW)).toEqual(["x:a", "ORDER"]);
  });

  test.each([
    [0, "x:a"],
    [1, "x:b"],
    [2, "x:c"],
    [3, "x:a"],
  ])("round_robin takes the one after place %d: %s", (last, id) => {
    expect(picked("round_robin", three, turns(last), NOW)).toEqual([id, "ROUND_ROBIN"]);
  });

  test("least_loaded takes the fewest sessions and watches, of several the first", () => {
    const loads = { "x:a": 2, "x:b": 1, "x:c": 1 };
    expect(picked("least_loaded", three, turns(0, loads), NOW)).toEqual(["x:b", "LEAST_LOADED"]);
  });

  test("earliest_reset takes what is lost soonest; who shows no reset comes last", () => {
    const some = tier(
      login("a"),
      login("b", { usageWindows: window(5) }),
      login("c", { usageWindows: window(2) }),
      corrupt("d"),
    );
    expect(picked("earliest_reset", some, turns(0), NOW)).toEqual(["x:c", "EARLIEST_RESET"]);
    expect(picked("earliest_reset", three, turns(0), NOW)).toEqual(["x:a", "EARLIEST_RESET"]);
  });

  test("there is at least one", () => {
    expect(() => preferred("ordered", [], turns(0), NOW)).toThrow(/at least one profile/);
  });
});
