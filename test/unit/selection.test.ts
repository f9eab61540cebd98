import { describe, expect, test } from "vitest";
import { chosen } from "../support/chosen.ts";
import { type Asked, cooling, corrupt, key, login, stale } from "../support/situation.ts";

describe("a request without a session", () => {
  test.each<[string, Asked, string]>([
    ["takes the first that is good", { profiles: [login("a"), login("b")] }, "use x:a ORDER → x:a"],
    ["passes by what cools down", { profiles: [cooling("a", 1), login("b")] }, "use x:b ORDER → x:b"],
    ["prefers a good token to a refresh", { profiles: [stale("a"), login("b")] }, "use x:b ORDER → x:b"],
    [
      "waits for a refresh where there is no good token",
      { profiles: [stale("a"), stale("b")] },
      "refresh x:a ORDER",
    ],
    [
      "rather refreshes a subscription than it pays",
      { profiles: [stale("a"), key("k")], rules: { meteredFallback: true } },
      "refresh x:a ORDER",
    ],
    [
      "pays where it may and nothing else can serve",
      { profiles: [cooling("a", 1), key("k")], rules: { meteredFallback: true } },
      "use x:k ORDER → x:k",
    ],
    ["does not pay unasked", { profiles: [cooling("a", 1), key("k")] }, "none [x:a wait,x:k stuck]"],
    [
      "keeps to an order that puts the key first",
      { profiles: [login("a"), key("k")], order: ["x:k", "x:a"] },
      "use x:k ORDER → x:k",
    ],
    [
      "keeps to an order that puts the key first, before a refresh, too",
      { profiles: [stale("a"), key("k")], order: ["x:k", "x:a"] },
      "use x:k ORDER → x:k",
    ],
    [
      "refreshes what an order puts before the key",
      { profiles: [stale("a"), key("k")], order: ["x:a", "x:k"] },
      "refresh x:a ORDER",
    ],
    [
      "does not refresh in front of a key what stands behind a good login",
      { profiles: [stale("b"), key("k"), login("a")], order: ["x:a", "x:b", "x:k"] },
      "use x:a ORDER → x:a",
    ],
    [
      "rather refreshes a subscription than it takes a metered login that comes first",
      { profiles: [login("a", { costClass: "METERED" }), stale("b")], rules: { meteredFallback: true } },
      "refresh x:b ORDER",
    ],
    [
      "prefers a good key to the refresh of a metered login",
      {
        profiles: [stale("a", { costClass: "METERED" }), key("k"), cooling("c", 1)],
        rules: { meteredFallback: true },
      },
      "use x:k ORDER → x:k",
    ],
    [
      "takes an order's key before a login that comes after it, if none before it comes by a refresh",
      { profiles: [cooling("a", 1), key("k"), login("b")], order: ["x:a", "x:k", "x:b"] },
      "use x:k ORDER → x:k",
    ],
    [
      "does not spare an order's key for a metered login",
      {
        profiles: [stale("a", { costClass: "METERED" }), key("k"), login("b")],
        order: ["x:a", "x:k", "x:b"],
      },
      "use x:k ORDER → x:k",
    ],
    [
      "does not spare an order's key for a refresh that comes after it, in the round",
      { profiles: [stale("a"), key("k")], order: ["x:k", "x:a"], rules: { strategy: "round_robin" } },
      "use x:k ROUND_ROBIN → x:k",
    ],
    ["knows keys alone", { profiles: [key("k"), key("l")] }, "use x:k ORDER → x:k"],
    ["serves a trial as one", { profiles: [cooling("a", 0), login("b")] }, "use x:a TRIAL → x:a"],
    ["finds nothing in a broken record", { profiles: [corrupt("a")] }, "none [x:a stuck]"],
    ["finds nothing where there is nothing", { profiles: [] }, "none []"],
    [
      "goes round",
      {
        profiles: [login("a"), login("b")],
        rules: { strategy: "round_robin" },
        scene: { turns: { lastPlace: 1, load: () => 0 } },
      },
      "use x:b ROUND_ROBIN → x:b",
    ],
  ])("%s", (_what, asked, expected) => {
    expect(chosen(asked)).toBe(expected);
  });
});

describe("a pin", () => {
  const pin = { profile: "x:b" };
  test.each<[string, Asked, string]>([
    ["gives that profile", { profiles: [login("a"), login("b")], request: pin }, "use x:b PINNED → x:b"],
    ["has it refreshed", { profiles: [login("a"), stale("b")], request: pin }, "refresh x:b PINNED"],
    ["gives no other", { profiles: [login("a"), cooling("b", 1)], request: pin }, "none [x:b wait]"],
    ["of nobody gives nobody", { profiles: [login("a")], request: pin }, "none []"],
    ["pays", { profiles: [login("a"), key("b")], request: pin }, "use x:b PINNED → x:b"],
    [
      "never leaves the order",
      { profiles: [login("a"), login("b")], order: ["x:a"], request: pin },
      "none [x:b out]",
    ],
    ["of a broken record gives nothing", { profiles: [corrupt("b")], request: pin }, "none [x:b stuck]"],
  ])("%s", (_what, asked, expected) => {
    expect(chosen(asked)).toBe(expected);
  });
});
