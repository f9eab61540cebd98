import { describe, expect, test } from "vitest";
import { readSource } from "../../src/import/sources.ts";
import { importHome, NOW_MS } from "../support/import-home.ts";
import { agentFile, apiKey, chatgpt, HOUR_MS, readAgents } from "../support/openclaw-agents.ts";
import { writeJson } from "../support/openclaw-home.ts";

describe("orders", () => {
  const profiles = { "openai-codex:a": chatgpt("a"), "openai-codex:b": chatgpt("b") };
  const order = (key: string, ...names: string[]) => ({ [key]: names.map((name) => `openai-codex:${name}`) });

  test("of auth-state.json win over those of the configuration", async () => {
    const state = { order: order("openai-codex", "b", "a") };
    const plan = await readAgents(
      { main: { profiles, state } },
      JSON.stringify({ auth: { order: order("openai", "a") } }),
    );
    expect(plan.orders).toEqual([
      { provider: "openai-codex", profiles: ["openai-codex:b", "openai-codex:a"] },
    ]);
  });

  test("under openai count only where none stands under openai-codex", async () => {
    const written = { ...order("openai", "a"), ...order("openai-codex", "b") };
    const plan = await readAgents({ main: { profiles } }, JSON.stringify({ auth: { order: written } }));
    expect(plan.orders).toEqual([{ provider: "openai-codex", profiles: ["openai-codex:b"] }]);
    expect(plan.warnings).toEqual([
      "openai-codex:a stands outside the order of openai-codex and is not used while it holds",
    ]);
  });

  test("of old ids are rewritten, an API key's to the provider that it gets here", async () => {
    const old = {
      "openai:a": { ...chatgpt("a"), provider: "openai" },
      "openai:k": { ...apiKey("sk-FAKE"), provider: "openai" },
    };
    const state = { order: { openai: ["openai:k", "openai:a", "openai:gone", "openai:a"] } };
    const plan = await readAgents({ main: { profiles: old, state } });
    expect(plan.orders).toEqual([
      { provider: "openai-api", profiles: ["openai-api:k"] },
      { provider: "openai-codex", profiles: ["openai-codex:a", "openai-codex:gone"] },
    ]);
  });

  test("and limits find a login whose id has not the usual form", async () => {
    const state = {
      order: { openrouter: ["plain", "gone"] },
      usageStats: { plain: { blockedUntil: NOW_MS + 1 } },
    };
    const main = { profiles: { plain: { ...apiKey("sk-FAKE"), provider: "openrouter" } }, state };
    const plan = await readAgents({ main });
    expect(plan.orders).toEqual([
      { provider: "openrouter", profiles: ["openrouter:plain", "openrouter:gone"] },
    ]);
    expect(plan.profiles).toMatchObject([
      { id: "openrouter:plain", cooldowns: [{ outcome: "USAGE_LIMIT" }] },
    ]);
  });

  test("that name a joined login name the one it was joined to", async () => {
    const plan = await readAgents({
      main: {
        profiles: { "openai-codex:a": chatgpt("a"), "openai-codex:again": chatgpt("a") },
        state: { order: order("openai-codex", "again", "a") },
      },
    });
    expect(plan.orders).toEqual([{ provider: "openai-codex", profiles: ["openai-codex:a"] }]);
  });

  test("inside auth-profiles.json count, and auth-state.json wins over them", async () => {
    const context = await importHome();
    const store = {
      version: 1,
      profiles,
      order: order("openai-codex", "a"),
      usageStats: { "openai-codex:a": { blockedUntil: NOW_MS + 1 } },
    };
    await writeJson(agentFile(context, "main"), store);
    const inside = await readSource("openclaw", undefined, context);
    expect(inside.orders).toEqual([{ provider: "openai-codex", profiles: ["openai-codex:a"] }]);
    expect(inside.profiles[0]?.cooldowns).toHaveLength(1);
    await writeJson(agentFile(context, "main", "auth-state.json"), { order: order("openai-codex", "b") });
    const beside = await readSource("openclaw", undefined, context);
    expect(beside.orders).toEqual([{ provider: "openai-codex", profiles: ["openai-codex:b"] }]);
    expect(beside.profiles[0]?.cooldowns).toHaveLength(1);
  });

  test("that are empty or no lists are none", async () => {
    const state = { order: { "openai-codex": [], anthropic: "x", xai: [5, " "] } };
    expect((await readAgents({ main: { profiles, state } })).orders).toEqual([]);
  });

  test("of another agent are not taken over; one that differs is reported", async () => {
    const main = { profiles, state: { order: order("openai-codex", "a", "b") } };
    const same = await readAgents({ main, other: { state: main.state } });
    expect(same.warnings).toEqual([]);
    const differs = await readAgents({ main, other: { state: { order: order("openai-codex", "b", "a") } } });
    expect(differs.orders).toEqual(same.orders);
    expect(differs.warnings).toMatchObject([expect.stringContaining("agent other")]);
  });

  test("in a configuration that is broken or spread over files are missing with a warning", async () => {
    expect((await readAgents({ main: { profiles } }, "{ auth: ")).warnings).toMatchObject([
      expect.stringContaining("openclaw.json"),
    ]);
    expect(
      (await readAgents({ main: { profiles } }, '{ auth: { $include: "./auth.json5" } }')).warnings,
    ).toMatchObject([expect.stringContaining("includes")]);
  });
});

describe("the windows of usageStats", () => {
  const until = NOW_MS + HOUR_MS;
  const limits = async (stats: unknown) => {
    const state = { usageStats: { "openai-codex:a": stats, "openai-codex:gone": { blockedUntil: until } } };
    const plan = await readAgents({ main: { profiles: { "openai-codex:a": chatgpt("a") }, state } });
    return { cooldowns: plan.profiles[0]?.cooldowns, warnings: plan.warnings };
  };

  test.each([
    [{ cooldownUntil: until, cooldownReason: "rate_limit" }, "RATE_LIMIT", "", "GUESS"],
    [{ cooldownUntil: until, cooldownReason: "rate_limit", cooldownModel: "m" }, "RATE_LIMIT", "m", "GUESS"],
    [{ cooldownUntil: until }, "RATE_LIMIT", "", "GUESS"],
    [{ cooldownUntil: until, cooldownReason: "billing", cooldownModel: "m" }, "BILLING", "", "GUESS"],
    [
      { blockedUntil: until, blockedReason: "subscription_limit", blockedModel: "m" },
      "USAGE_LIMIT",
      "",
      "PROVIDER",
    ],
    [{ disabledUntil: until, disabledReason: "billing" }, "BILLING", "", "GUESS"],
  ])("%j is %s", async (stats, outcome, model, source) => {
    expect(await limits(stats)).toEqual({
      cooldowns: [{ model, outcome, source, untilMs: until }],
      warnings: [],
    });
  });

  test.each([
    { cooldownUntil: until, cooldownReason: "overloaded" },
    { cooldownUntil: until, cooldownReason: "timeout" },
    { cooldownUntil: NOW_MS, blockedUntil: NOW_MS - 1, disabledUntil: 5, disabledReason: "auth_permanent" },
    { cooldownUntil: "soon", blockedUntil: -1 },
    { blockedUntil: 9e15 },
    "text",
    null,
  ])("%j is nothing", async (stats) => {
    expect(await limits(stats)).toEqual({ cooldowns: [], warnings: [] });
  });

  test("all three stand side by side", async () => {
    const stats = {
      cooldownUntil: until,
      blockedUntil: until,
      disabledUntil: until,
      disabledReason: "billing",
    };
    const outcomes = (await limits(stats)).cooldowns?.map(({ outcome }) => outcome);
    expect(outcomes).toEqual(["RATE_LIMIT", "USAGE_LIMIT", "BILLING"]);
  });

  test("a login set aside for good is no cooldown here, only a warning", async () => {
    expect(await limits({ disabledUntil: until, disabledReason: "auth_permanent" })).toEqual({
      cooldowns: [],
      warnings: [expect.stringContaining("openai-codex:a was set aside")],
    });
  });
});
