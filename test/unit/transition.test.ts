import { describe, expect, test } from "vitest";
import type { Intent, Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after } from "../../src/domain/time.ts";
import { created, type Event, type Put, transition } from "../../src/domain/transition.ts";
import { FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { limit } from "../support/situation.ts";

const HOUR = 3_600_000;
const happens = (profile: Profile, event: Event) => transition(profile, event, NOW, DEFAULT_SETTINGS);
const fresh = oauthGrantWith({ accessToken: new Secret("at-FAKE-2"), refreshToken: new Secret("rt-FAKE-2") });
const intent: Intent = { generation: 3, rotation: "strict", setAtMs: 0, replay: 0, phase: "open" };
const windows = [{ name: "primary", usedPercent: 40, observedAtMs: NOW.wallMs }];
const strikes = [{ model: "", outcome: "USAGE_LIMIT", count: 2, lastAtMs: NOW.wallMs }] as const;

/** A profile with everything about it that can be wrong, and everything that an operator can set. */
const troubled = profileWith({
  generation: 3,
  aliases: ["old:a"],
  attributes: { project: "p", team: "t" },
  baseUrl: "https://mine",
  pools: ["work"],
  sourcePath: "/home/fake/auth.json",
  title: "mine",
  proven: true,
  restored: true,
  block: { outcome: "FORBIDDEN", ban: true, setAtMs: 0 },
  loginNeeded: { reason: "refused", setAtMs: 0 },
  refreshDead: { cause: "lost", code: "x", setAtMs: 0 },
  intent,
  backoff: { until: after(NOW, 5), setAtMs: 0, strikes: 2 },
  lastAttempt: after(NOW, 5),
  cooldowns: [limit(HOUR)],
  strikes,
  usageWindows: windows,
  storedResets: 2,
});
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
