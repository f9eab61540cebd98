import { describe, expect, test } from "vitest";
import { NOW_MS } from "../support/import-home.ts";
import { apiKey, chatgpt, HOUR_MS, idsOf, opaque, readAgents } from "../support/openclaw-agents.ts";

describe("logins of one account", () => {
  test("under two ids become one with the newest grant; the other id stays an alias", async () => {
    const plan = await readAgents({
      main: {
        profiles: { "openai-codex:old": chatgpt("a", NOW_MS - 9 * HOUR_MS), "openai:new": chatgpt("a") },
      },
    });
    expect(plan.profiles).toMatchObject([
      {
        id: "openai-codex:old",
        aliases: ["openai-codex:new", "openai:new"],
        grant: { issuedAtMs: NOW_MS - HOUR_MS },
      },
    ]);
    expect(plan.skipped.map(({ item }) => item)).toEqual(["openai-codex:old"]);
  });

  test("newer in another agent are taken from there", async () => {
    const plan = await readAgents({
      main: { profiles: { "openai-codex:a": chatgpt("a", NOW_MS - 9 * HOUR_MS) } },
      other: { profiles: { "openai-codex:a": chatgpt("a") } },
    });
    expect(plan.profiles).toHaveLength(1);
    expect(plan.profiles[0]?.sourcePath).toMatch(/other.agent.auth-profiles.json$/);
  });

  test("differ in their plan: that of the newest holds, and what only an older one knows is kept", async () => {
    const outdated = { chatgptPlanType: "plus", email: "a@example.test" };
    const plan = await readAgents({
      main: { profiles: { "openai-codex:a": chatgpt("a", NOW_MS, { chatgptPlanType: "pro", idToken: "" }) } },
      other: { profiles: { "openai-codex:a": chatgpt("a", NOW_MS - HOUR_MS, outdated) } },
    });
    expect(plan.profiles).toMatchObject([{ account: { planType: "pro", email: "a@example.test" } }]);
  });

  test("of two seats in one team stay two", async () => {
    const team = { accountId: "acct-team" };
    const plan = await readAgents({
      main: {
        profiles: {
          "openai-codex:a": chatgpt("a", NOW_MS, team),
          "openai-codex:b": chatgpt("b", NOW_MS, team),
        },
      },
    });
    expect(idsOf(plan)).toEqual(["openai-codex:a", "openai-codex:b"]);
  });

  test("of one e-mail in two workspaces stay two", async () => {
    const email = "same@example.test";
    const opaqueCodex = (accountId: string) => ({
      type: "oauth",
      provider: "openai-codex",
      access: `at-${accountId}`,
      refresh: `rt-${accountId}`,
      accountId,
      email,
    });
    const plan = await readAgents({
      main: {
        profiles: { "openai-codex:a": opaqueCodex("acct-1"), "openai-codex:b": opaqueCodex("acct-2") },
      },
    });
    expect(plan.profiles).toHaveLength(2);
  });

  test("known by their account id alone stay two", async () => {
    const more = { provider: "openai-codex", accountId: "acct-1" };
    const plan = await readAgents({
      main: { profiles: { "openai-codex:a": opaque("rt-1", more), "openai-codex:b": opaque("rt-2", more) } },
    });
    expect(plan.profiles).toHaveLength(2);
  });

  test("with the very same refresh token are one even when nothing tells the account", async () => {
    const plan = await readAgents({
      main: { profiles: { "anthropic:a": opaque("rt-1"), "anthropic:b": opaque("rt-1") } },
    });
    expect(plan.profiles).toMatchObject([{ id: "anthropic:a", aliases: ["anthropic:b"] }]);
  });

  test("joined by a third that is like both are one", async () => {
    const plan = await readAgents({
      main: {
        profiles: {
          "openai-codex:a": opaque("rt-1", { provider: "openai-codex" }),
          "openai-codex:b": opaque("rt-2", { provider: "openai-codex", accountId: "x", userId: "u" }),
          "openai-codex:c": opaque("rt-1", { provider: "openai-codex", accountId: "x", userId: "u" }),
        },
      },
    });
    expect(idsOf(plan)).toEqual(["openai-codex:a"]);
    expect(plan.profiles[0]).toMatchObject({
      aliases: ["openai-codex:b", "openai-codex:c"],
      account: { accountId: "x", userId: "u" },
    });
    expect(plan.skipped.map(({ item }) => item)).toEqual(["openai-codex:b"]);
  });

  test("cool together: the latest end of each outcome and model holds", async () => {
    const later = NOW_MS + 2 * HOUR_MS;
    const stats = (untilMs: number, cooldownModel: string) => ({
      usageStats: {
        "openai-codex:a": { cooldownUntil: untilMs, cooldownReason: "rate_limit", cooldownModel },
      },
    });
    const plan = await readAgents({
      main: { profiles: { "openai-codex:a": chatgpt("a") }, state: stats(NOW_MS + HOUR_MS, "gpt-5") },
      b: { profiles: { "openai-codex:a": chatgpt("a") }, state: stats(later, "gpt-5") },
      c: { profiles: {}, state: stats(later, "gpt-6") },
      d: { state: stats(NOW_MS + 1, "gpt-6") },
    });
    expect(plan.profiles[0]?.cooldowns).toEqual([
      { model: "gpt-5", outcome: "RATE_LIMIT", source: "GUESS", untilMs: later },
      { model: "gpt-6", outcome: "RATE_LIMIT", source: "GUESS", untilMs: later },
    ]);
  });
});

describe("one id in two agents", () => {
  test("for two accounts gives the second one another id, and says so", async () => {
    const plan = await readAgents({
      main: { profiles: { "openai-codex:default": chatgpt("a") } },
      b: { profiles: { "openai-codex:default": chatgpt("b") } },
      c: { profiles: { "openai-codex:default": chatgpt("c", NOW_MS, { idToken: "" }) } },
    });
    expect(idsOf(plan)).toEqual([
      "openai-codex:default",
      "openai-codex:b@example.test",
      "openai-codex:default-c",
    ]);
    expect(plan.profiles.map(({ label }) => label)).toEqual(["default", "b@example.test", "default-c"]);
    expect(plan.profiles.map(({ aliases }) => aliases)).toEqual([[], [], []]);
    expect(plan.warnings).toEqual([
      "openai-codex:default is another account in agent b: it becomes openai-codex:b@example.test",
      "openai-codex:default is another account in agent c: it becomes openai-codex:default-c",
    ]);
  });

  test("for two keys keeps both, for one key twice one", async () => {
    const plan = await readAgents({
      main: { profiles: { "anthropic:default": apiKey("sk-FAKE-1") } },
      b: { profiles: { "anthropic:default": apiKey("sk-FAKE-2") } },
      c: { profiles: { "anthropic:default": apiKey("sk-FAKE-1") } },
    });
    expect(idsOf(plan)).toEqual(["anthropic:default", "anthropic:default-b"]);
    expect(plan.profiles[0]?.copies).toHaveLength(1);
  });

  test("for two OAuth logins of accounts nobody knows takes the newer and reports the other", async () => {
    const plan = await readAgents({
      main: { profiles: { "anthropic:default": opaque("rt-1", { expires: NOW_MS + HOUR_MS }) } },
      b: { profiles: { "anthropic:default": opaque("rt-2", { expires: NOW_MS + 2 * HOUR_MS }) } },
    });
    expect(plan.profiles).toHaveLength(1);
    const grant = plan.profiles[0]?.grant;
    expect(grant?.kind === "oauth" && grant.refreshToken?.reveal()).toBe("rt-2");
    expect(plan.skipped).toMatchObject([
      { item: "anthropic:default", reason: expect.stringContaining("agent main") },
    ]);
  });

  test("never joins two accounts over a third that tells nothing", async () => {
    const codex = (refresh: string, more = {}) => opaque(refresh, { provider: "openai-codex", ...more });
    const plan = await readAgents({
      main: { profiles: { "openai-codex:x": codex("rt-1", { accountId: "acct-1" }) } },
      b: { profiles: { "openai-codex:x": codex("rt-2") } },
      c: { profiles: { "openai-codex:x": codex("rt-3", { accountId: "acct-2" }) } },
    });
    expect(plan.profiles.map(({ account }) => account.accountId)).toEqual(["acct-1", "acct-2"]);
  });
});
