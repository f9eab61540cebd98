import { describe, expect, test } from "vitest";
import { created, type Put } from "../../src/domain/transition.ts";
import { FIXED_NOW as NOW } from "../support/arbitrary.ts";
import { limit } from "../support/situation.ts";
import { fresh, HOUR, happens, strikes, troubled, windows } from "../support/troubled.ts";

const given = (part: Partial<Put> = {}): Put => ({
  grant: fresh,
  account: { userId: "u" },
  costClass: "SUBSCRIPTION",
  origin: "login",
  accountEpoch: "epoch-2",
  ...part,
});
const put = (part: Partial<Put> = {}, accountChanged = false, profile = troubled) =>
  happens(profile, { type: "put", put: given(part), accountChanged });
const DOUBTS = ["block", "loginNeeded", "refreshDead", "intent", "backoff", "lastAttempt"] as const;

describe("a login put in the place of another", () => {
  test("ends every doubt and block, and the interval; it is a new generation, proven by nobody", () => {
    const next = put();
    for (const doubt of DOUBTS) expect(next).not.toHaveProperty(doubt);
    expect(next).toMatchObject({
      grant: fresh,
      generation: 4,
      origin: "login",
      obtainedAtMs: NOW.wallMs,
      proven: false,
      restored: false,
    });
    expect(next).not.toHaveProperty("lastRefreshAtMs");
  });

  test("keeps what is known of the same account: limits, failures, readings", () => {
    const { cooldowns, usageWindows, accountEpoch, account } = put();
    expect([cooldowns, usageWindows, accountEpoch]).toEqual([[limit(HOUR)], windows, "epoch-1"]);
    expect(put().strikes).toEqual(strikes);
    expect(account).toEqual({ accountId: "acct-a", userId: "u" });
    expect(put().storedResets).toBe(2);
  });

  test("of another account forgets all that was known of the old one", () => {
    expect(put({}, true)).toMatchObject({
      account: { userId: "u" },
      accountEpoch: "epoch-2",
      cooldowns: [],
      strikes: [],
      usageWindows: [],
    });
    expect(put({}, true).account).not.toHaveProperty("accountId");
    expect(put({}, true)).not.toHaveProperty("storedResets");
  });

  test("leaves what the operator set where it says nothing", () => {
    const { enabled, baseUrl, pools, ownership, sourcePath, aliases, attributes, title } = put();
    expect({ enabled, baseUrl, pools, ownership, sourcePath, aliases, attributes, title }).toEqual({
      enabled: true,
      baseUrl: "https://mine",
      pools: ["work"],
      ownership: "SOLE",
      sourcePath: "/home/fake/auth.json",
      aliases: ["old:a"],
      attributes: { project: "p", team: "t" },
      title: "mine",
    });
    expect(put({ pools: [] }).pools).toEqual(["work"]);
  });

  test("takes over what it says", () => {
    const said = {
      enabled: false,
      baseUrl: "https://theirs",
      pools: ["home"],
      ownership: "SHARED",
      sourcePath: "/b",
      costClass: "METERED",
    } as const;
    expect(put(said)).toMatchObject(said);
    expect(put({ aliases: ["old:a", "old:b"] }).aliases).toEqual(["old:a", "old:b"]);
    expect(put({ attributes: { team: "u", x: "y" } }).attributes).toEqual({
      project: "p",
      team: "u",
      x: "y",
    });
  });

  test.each([
    ["a later end", [limit(2 * HOUR)], [limit(2 * HOUR)]],
    ["an earlier end", [limit(HOUR / 2)], [limit(HOUR)]],
    ["another model's", [limit(5, { model: "m" })], [limit(HOUR), limit(5, { model: "m" })]],
    [
      "another outcome's",
      [limit(5, { outcome: "BILLING" })],
      [limit(HOUR), limit(5, { outcome: "BILLING" })],
    ],
  ])("brings limits along, and of two the later end holds: %s", (_what, cooldowns, expected) => {
    expect(put({ cooldowns }).cooldowns).toEqual(expected);
  });
});

describe("a profile that was not there", () => {
  test("is on, nobody's in particular, and knows nothing bad", () => {
    expect(created("x:a", "x", "a", given(), NOW)).toEqual({
      id: "x:a",
      provider: "x",
      label: "a",
      aliases: [],
      grant: fresh,
      generation: 1,
      origin: "login",
      obtainedAtMs: NOW.wallMs,
      proven: false,
      accountEpoch: "epoch-2",
      account: { userId: "u" },
      attributes: {},
      enabled: true,
      baseUrl: "",
      pools: [],
      ownership: "UNKNOWN",
      restored: false,
      sourcePath: "",
      costClass: "SUBSCRIPTION",
      cooldowns: [],
      strikes: [],
      usageWindows: [],
    });
  });

  test("has what came with it", () => {
    const said = {
      aliases: ["old:a"],
      attributes: { project: "p" },
      enabled: false,
      baseUrl: "https://theirs",
      pools: ["home"],
      ownership: "SHARED",
      sourcePath: "/b",
      cooldowns: [limit(HOUR)],
    } as const;
    expect(created("x:a", "x", "a", given(said), NOW)).toMatchObject(said);
  });
});
