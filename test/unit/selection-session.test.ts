import { describe, expect, test } from "vitest";
import type { Profile } from "../../src/domain/profile.ts";
import { select } from "../../src/domain/selection.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith } from "../support/arbitrary.ts";
import { chosen } from "../support/chosen.ts";
import {
  type Asked,
  at,
  cooling,
  HOME_WITHIN,
  key,
  limit,
  login,
  situation,
  stale,
} from "../support/situation.ts";

describe("a conversation", () => {
  const manual = { failover: "manual" } as const;
  test.each<[string, Asked, string]>([
    ["stays at home", { profiles: [login("a"), login("b")], scene: at("x:b") }, "use x:b SESSION → x:b"],
    ["whose home is gone finds another", { profiles: [login("a")], scene: at("x:b") }, "use x:a ORDER → x:a"],
    [
      "is lent another for a short absence",
      { profiles: [login("a"), cooling("b", HOME_WITHIN)], scene: at("x:b") },
      "use x:a ORDER → x:b lent x:a",
    ],
    [
      "moves for a longer one",
      { profiles: [login("a"), cooling("b", HOME_WITHIN + 1)], scene: at("x:b") },
      "use x:a ORDER → x:a",
    ],
    [
      "keeps what it was lent",
      { profiles: [login("a"), login("c"), cooling("b", 1)], scene: at("x:b", "x:c") },
      "use x:c ORDER → x:b lent x:c",
    ],
    [
      "does not keep it once it moves",
      { profiles: [login("a"), login("c"), cooling("b", HOME_WITHIN + 1)], scene: at("x:b", "x:c") },
      "use x:a ORDER → x:a",
    ],
    [
      "that leaves its home out this time comes back",
      { profiles: [login("a"), login("b")], request: { excludeProfiles: ["x:b"] }, scene: at("x:b") },
      "use x:a ORDER → x:b lent x:a",
    ],
    [
      "that wants another kind this time comes back",
      { profiles: [login("a"), key("b")], request: { kinds: ["oauth"] }, scene: at("x:b") },
      "use x:a ORDER → x:b lent x:a",
    ],
    [
      "that wants another pool this time comes back",
      { profiles: [login("a", { pools: ["p"] }), login("b")], request: { pool: "p" }, scene: at("x:b") },
      "use x:a ORDER → x:b lent x:a",
    ],
    [
      "whose home was switched off moves",
      { profiles: [login("a"), login("b", { enabled: false })], scene: at("x:b") },
      "use x:a ORDER → x:a",
    ],
    [
      "whose home is blocked moves",
      {
        profiles: [login("a"), login("b", { block: { outcome: "FORBIDDEN", ban: false, setAtMs: 0 } })],
        scene: at("x:b"),
      },
      "use x:a ORDER → x:a",
    ],
    [
      "waits for its home's refresh",
      { profiles: [login("a"), stale("b")], scene: at("x:b") },
      "refresh x:b SESSION home",
    ],
    [
      "is lent another when that takes long",
      { profiles: [login("a"), stale("b")], scene: { ...at("x:b"), isImpatient: true } },
      "use x:a ORDER → x:b lent x:a",
    ],
    [
      "waits on where there is no other",
      { profiles: [stale("a"), stale("b")], scene: { ...at("x:b"), isImpatient: true } },
      "refresh x:b SESSION",
    ],
    [
      "under manual fail-over waits for its own",
      { profiles: [login("a"), cooling("b", 1)], rules: manual, scene: at("x:b") },
      "none [x:b wait] stayed x:b",
    ],
    [
      "under manual fail-over waits for its refresh, however long",
      { profiles: [login("a"), stale("b")], rules: manual, scene: { ...at("x:b"), isImpatient: true } },
      "refresh x:b SESSION",
    ],
    [
      "is not bound to a key",
      {
        profiles: [
          login("a"),
          login("b", { grant: apiKeyGrantWith(), costClass: "SUBSCRIPTION", cooldowns: [limit(1)] }),
        ],
        rules: manual,
        scene: at("x:b"),
      },
      "use x:a ORDER → x:b lent x:a",
    ],
    [
      "that may not leave what was reported gets that",
      { profiles: [login("a"), login("b")], scene: { stayWith: "x:b" } },
      "use x:b SESSION → x:b",
    ],
    [
      "that may not leave what was reported waits for it",
      { profiles: [login("a"), cooling("b", 1)], scene: { stayWith: "x:b" } },
      "none [x:b wait] stayed x:b",
    ],
    [
      "that may not leave what is gone gets nothing",
      { profiles: [login("a")], scene: { stayWith: "x:b" } },
      "none [] stayed x:b",
    ],
  ])("%s", (_what, asked, expected) => {
    expect(chosen(asked)).toBe(expected);
  });

  test("an answer tells whether a refresh behind it is due", () => {
    const due = login("a", { grant: oauthGrantWith({ refreshDue: after(NOW, 0) }) });
    const told = (profile: Profile) => {
      const choice = select(...situation({ profiles: [profile] }));
      return choice.kind === "use" && [choice.refreshDue, choice.trialModels];
    };
    expect([told(due), told(login("a")), told(cooling("a", 0))]).toEqual([
      [true, []],
      [false, []],
      [false, [""]],
    ]);
  });
});
