import { describe, expect, it } from "vitest";
import type { Profile } from "../../src/domain/profile.ts";
import { Damage } from "../../src/store/damage.ts";
import { profileCodec } from "../../src/store/record.ts";
import { apiKeyGrantWith, FIXED_NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

const codec = profileCodec(FIXED_NOW);

function record(profile = profileWith()): Record<string, unknown> {
  return JSON.parse(JSON.stringify(codec.encode(profile)));
}

function refusal(changed: unknown): string {
  try {
    codec.decode(changed);
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
  return "accepted";
}

describe("a profile's record", () => {
  it("looks as documented", () => {
    expect(record()).toEqual({
      id: "openai-codex:work",
      aliases: [],
      grant: {
        kind: "oauth",
        accessToken: "at-FAKE-1",
        refreshToken: "rt-FAKE-1",
        tokenType: "Bearer",
        expiresAtMs: FIXED_NOW.wallMs + 32_400_000,
        lifetimeMs: 36_000_000,
        refreshDueAtMs: FIXED_NOW.wallMs + 25_200_000,
        issuedAtMs: FIXED_NOW.wallMs - 3_600_000,
        scopes: [],
      },
      generation: 1,
      origin: "put",
      obtainedAtMs: FIXED_NOW.wallMs - 3_600_000,
      proven: false,
      accountEpoch: "epoch-1",
      account: { accountId: "acct-a" },
      attributes: {},
      enabled: true,
      baseUrl: "",
      pools: [],
      ownership: "SOLE",
      restored: false,
      sourcePath: "",
      costClass: "SUBSCRIPTION",
      cooldowns: [],
      strikes: [],
      usageWindows: [],
    });
  });

  it("has a place for every field of a profile", () => {
    // The type fails to compile when a field is added to Profile that this list does not know.
    const all: Required<Profile> = {
      ...profileWith({ grant: apiKeyGrantWith() }),
      title: "Work",
      storedResets: 2,
      lastRefreshAtMs: 1,
      block: { outcome: "FORBIDDEN", ban: true, setAtMs: 1 },
      loginNeeded: { reason: "refused", setAtMs: 1 },
      refusedGeneration: 1,
      refreshDead: { cause: "lost", code: "none", setAtMs: 1 },
      intent: { generation: 1, rotation: "strict", setAtMs: 1, replay: 0, phase: "open" },
      backoff: { until: FIXED_NOW, setAtMs: FIXED_NOW.wallMs, strikes: 1 },
      lastAttempt: FIXED_NOW,
    };
    expect(codec.decode(record(all))).toEqual(all);
  });

  it("passes over keys that a newer version added", () => {
    expect(codec.decode({ ...record(), invented: { later: true } })).toEqual(profileWith());
  });

  it("is refused when anything is missing or of the wrong kind, without quoting it", () => {
    const whole = record();
    for (const key of Object.keys(whole)) {
      const { [key]: _gone, ...rest } = whole;
      expect(refusal(rest)).toMatch(new RegExp(`^${key}[.a-zA-Z]* is not as expected`));
      expect(refusal({ ...whole, [key]: null })).not.toBe("accepted");
    }
    expect(refusal({ ...whole, origin: "sk-ant-FAKE" })).not.toContain("FAKE");
    expect(refusal({ ...whole, grant: { kind: "oauth", accessToken: ["at-FAKE"] } })).not.toContain("FAKE");
    expect(refusal("rt-FAKE")).not.toContain("FAKE");
  });

  it("is refused when its id has no provider", () => {
    expect(refusal({ ...record(), id: "work" })).toBe("its id is not <provider>:<label>");
  });

  it("never holds an empty refresh token", () => {
    const grant = { ...(record().grant as object), refreshToken: "" };
    expect(refusal({ ...record(), grant })).not.toBe("accepted");
    expect(record(profileWith({ grant: oauthGrantWith() }))).not.toHaveProperty("grant.idToken");
  });
});
