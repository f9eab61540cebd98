import { describe, expect, test } from "vitest";
import type { Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { after } from "../../src/domain/time.ts";
import type { Event } from "../../src/domain/transition.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { limit } from "../support/situation.ts";
import { fresh, HOUR, happens, intent, troubled, windows } from "../support/troubled.ts";

const DOUBTS = ["loginNeeded", "refreshDead", "intent", "backoff", "lastAttempt"] as const;

test("a grant taken over from who shares it ends doubts, but not a block, and is shared from then on", () => {
  const next = happens(troubled, { type: "adopted", grant: fresh, account: {} });
  for (const doubt of DOUBTS) expect(next).not.toHaveProperty(doubt);
  expect(next).toMatchObject({
    grant: fresh,
    generation: 4,
    origin: "adopted",
    ownership: "SHARED",
    block: troubled.block,
    lastRefreshAtMs: NOW.wallMs,
  });
});

describe("an operator", () => {
  test("who enables ends a block; who disables, or only renames, does not", () => {
    const change = (part: object) => happens(troubled, { type: "updated", ...part });
    expect(change({ enabled: true })).not.toHaveProperty("block");
    expect(change({ enabled: false })).toEqual({ ...troubled, enabled: false });
    const all = { title: "new", baseUrl: "https://b", pools: [], ownership: "UNKNOWN" } as const;
    expect(change(all)).toEqual({ ...troubled, ...all });
    expect(change({})).toEqual(troubled);
  });

  test("who clears everything ends block, limits and the wait for the token endpoint", () => {
    const { block: _b, backoff: _o, ...rest } = troubled;
    expect(happens(troubled, { type: "cleared", model: "" })).toEqual({
      ...rest,
      cooldowns: [],
      strikes: [],
    });
  });

  test("who clears one model ends that model's limits only", () => {
    const profile = { ...troubled, cooldowns: [limit(HOUR), limit(HOUR, { model: "m" })] };
    expect(happens(profile, { type: "cleared", model: "m" })).toEqual({
      ...profile,
      cooldowns: [limit(HOUR)],
    });
  });
});

describe("an end of a refresh", () => {
  const ends: Event[] = [
    { type: "refresh_rejected", from: 3, code: "invalid_grant" },
    { type: "refresh_not_now", from: 3 },
    { type: "refresh_unsent", from: 3 },
    { type: "refresh_lost", from: 3 },
    { type: "refresh_granted", from: 3, grant: fresh, account: {} },
  ];
  const flying = profileWith({ generation: 3, intent });

  test.each(ends)("$type is taken for its own generation, and void for another", (event) => {
    const next = happens(flying, event);
    expect(next.intent?.phase).not.toBe("open");
    const newer = { ...flying, generation: 4 };
    expect(happens(newer, event)).toBe(newer);
  });

  test("says what it was", () => {
    const [rejected, notNow, unsent, lost, granted] = ends.map((event) => happens(flying, event));
    expect(rejected?.refreshDead).toEqual({ cause: "terminal", code: "invalid_grant", setAtMs: NOW.wallMs });
    expect(notNow?.backoff?.until).toEqual(after(NOW, 30_000));
    expect(unsent?.backoff?.until).toEqual(after(NOW, 2_000));
    expect(lost?.intent?.phase).toBe("lost");
    expect(granted).toMatchObject({ grant: fresh, generation: 4, origin: "refresh" });
  });

  test("of the same login put again meanwhile keeps what the server gave for it", () => {
    const spent = new Secret("rt-FAKE-1");
    const next = happens(flying, { type: "refresh_granted", from: 2, spent, grant: fresh, account: {} });
    expect(next.grant).toMatchObject({
      accessToken: new Secret("at-FAKE-1"),
      refreshToken: fresh.refreshToken,
    });
  });
});

describe("a record that is an older copy", () => {
  const comes = (part: Partial<Profile>, rotation: "none" | "grace" | "strict" = "strict") =>
    happens(profileWith({ generation: 3, ...part }), { type: "restored", rotation });
  const { refreshToken: _, ...alone } = oauthGrantWith();
  const doubt = { generation: 3, setAtMs: NOW.wallMs, phase: "lost", replay: 0 };

  test.each(["strict", "grace"] as const)(
    "counts as sent without an answer where tokens rotate (%s)",
    (rotation) => {
      const next = comes({}, rotation);
      expect(next.restored).toBe(true);
      expect(next.intent).toEqual({ ...doubt, rotation });
    },
  );

  test("that had been replayed stays so", () => {
    expect(comes({ intent: { ...intent, replay: 1 } }).intent).toMatchObject({ phase: "lost", replay: 1 });
    expect(comes({ intent }).intent).toMatchObject({ phase: "lost", replay: 0 });
  });

  test.each<[string, Profile]>([
    ["does not rotate", comes({}, "none")],
    ["cannot be refreshed", comes({ grant: alone })],
    ["is dead", comes({ refreshDead: { cause: "terminal", code: "x", setAtMs: 0 } })],
  ])("is marked, and nothing more, if its token %s", (_what, next) => {
    expect(next.restored).toBe(true);
    expect(next.intent).toBeUndefined();
    expect(next.generation).toBe(3);
  });

  test("that was marked already, and rotates not, is the very same", () => {
    const marked = profileWith({ restored: true });
    expect(happens(marked, { type: "restored", rotation: "none" })).toBe(marked);
  });

  test("is no matter for what is no login", () => {
    const key = profileWith({ grant: apiKeyGrantWith() });
    expect(happens(key, { type: "restored", rotation: "strict" })).toBe(key);
  });
});

test("a trial's silence, a reading and a report go to their rules", () => {
  const tried = profileWith({ cooldowns: [limit(0)] });
  expect(happens(tried, { type: "trial_ended", model: "" }).cooldowns).toEqual([]);
  const read = happens(tried, { type: "usage_read", windows, facts: {}, sinceMs: NOW.wallMs });
  expect([read.usageWindows, read.cooldowns]).toEqual([windows, []]);
  const begun = { type: "refresh_started", rotation: "strict", graceMs: 0, replay: 1 } as const;
  expect(happens(tried, begun).intent).toMatchObject({ generation: 1, replay: 1, phase: "open" });
});
