import { describe, expect, test } from "vitest";
import {
  adminPolicy,
  agentPolicy,
  allowsProfile,
  allowsProvider,
  judgePeer,
  limitedPolicy,
  socketMode,
} from "../../src/endpoint/policy.ts";

const OWN = 1000;
const limited = (part: { providers?: string[]; profiles?: string[]; uids?: number[] }) =>
  limitedPolicy(
    {
      name: "ci",
      providers: part.providers ?? [],
      profiles: part.profiles ?? [],
      allow: { uids: part.uids ?? [], executables: [], units: [] },
    },
    OWN,
  );

describe("the built-in endpoints", () => {
  test("serve every provider and profile to our own user alone", () => {
    for (const policy of [agentPolicy(OWN), adminPolicy(OWN)]) {
      expect(allowsProvider(policy, "anything")).toBe(true);
      expect(allowsProfile(policy, "anything:work")).toBe(true);
      expect(judgePeer(policy, OWN, OWN)).toBe("allowed");
      expect(judgePeer(policy, 1001, OWN)).toBe("forbidden");
      expect(judgePeer(policy, 0, OWN)).toBe("forbidden");
      expect(socketMode(policy, OWN)).toBe("private");
    }
  });

  test("serve nobody of whom the system does not tell the user although it knows users", () => {
    expect(judgePeer(agentPolicy(OWN), undefined, OWN)).toBe("unverified");
  });

  test("differ in the admin services", () => {
    expect(agentPolicy(OWN)).toMatchObject({ name: "agent", admin: false });
    expect(adminPolicy(OWN)).toMatchObject({ name: "admin", admin: true });
  });

  test("work where there are no user ids", () => {
    const policy = agentPolicy(undefined);
    expect(socketMode(policy, undefined)).toBe("private");
    expect(judgePeer(policy, undefined, undefined)).toBe("allowed");
    const listing = { providers: [], profiles: [], allow: { uids: [1001], executables: [], units: [] } };
    expect(judgePeer(limitedPolicy({ name: "ci", ...listing }, undefined), undefined, undefined)).toBe(
      "unverified",
    );
  });
});

describe("a configured endpoint", () => {
  test("never serves the admin services", () => {
    expect(limited({}).admin).toBe(false);
  });

  test("gives only the providers it lists", () => {
    const policy = limited({ providers: ["anthropic"] });
    expect(allowsProvider(policy, "anthropic")).toBe(true);
    expect(allowsProvider(policy, "openai-codex")).toBe(false);
    expect(allowsProfile(policy, "anthropic:work")).toBe(true);
    expect(allowsProfile(policy, "openai-codex:work")).toBe(false);
  });

  test("gives only the profiles it lists, and those only of its providers", () => {
    const policy = limited({ providers: ["anthropic"], profiles: ["anthropic:work", "xai:work"] });
    expect(allowsProfile(policy, "anthropic:work")).toBe(true);
    expect(allowsProfile(policy, "anthropic:home")).toBe(false);
    expect(allowsProfile(policy, "xai:work")).toBe(false);
  });

  test("that lists profiles only knows of no other provider than theirs", () => {
    const policy = limited({ profiles: ["anthropic:work"] });
    expect(allowsProvider(policy, "anthropic")).toBe(true);
    expect(allowsProvider(policy, "openai-codex")).toBe(false);
    expect(allowsProvider(limited({}), "openai-codex")).toBe(true);
  });

  test("gives no profile for an id that is none", () => {
    expect(allowsProfile(limited({}), "anthropic")).toBe(false);
  });

  test("with other users has a shared socket, and must know who calls", () => {
    const policy = limited({ uids: [OWN, 1001] });
    expect(socketMode(policy, OWN)).toBe("shared");
    expect(judgePeer(policy, 1001, OWN)).toBe("allowed");
    expect(judgePeer(policy, 1002, OWN)).toBe("forbidden");
    expect(judgePeer(policy, undefined, OWN)).toBe("unverified");
  });

  test("that lists only others is closed to our own user", () => {
    expect(judgePeer(limited({ uids: [1001] }), OWN, OWN)).toBe("forbidden");
  });
});
