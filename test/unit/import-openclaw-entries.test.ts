import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { ImportPlan } from "../../src/import/item.ts";
import { readSource } from "../../src/import/sources.ts";
import { importHome, NOW_MS } from "../support/import-home.ts";
import { writeJson } from "../support/openclaw-home.ts";

const UNTIDY = fileURLToPath(new URL("../fixtures/openclaw/untidy", import.meta.url));

async function untidy(): Promise<ImportPlan> {
  return readSource("openclaw", UNTIDY, await importHome());
}

async function entry(value: unknown, id = "openai-codex:a"): Promise<ImportPlan> {
  const context = await importHome();
  await writeJson(join(context.home, "auth-profiles.json"), { version: 1, profiles: { [id]: value } });
  return readSource("openclaw", join(context.home, "auth-profiles.json"), context);
}

describe("an entry of OpenClaw in any spelling that was in use", () => {
  test("is taken over; what is no login is skipped, each with one reason", async () => {
    const { profiles, skipped } = await untidy();
    expect(profiles.map(({ id, grant }) => [id, grant.kind])).toEqual([
      ["anthropic:key1", "api_key"],
      ["anthropic:mode", "api_key"],
      ["anthropic:camel", "api_key"],
      ["anthropic:work", "token"],
      ["openai-codex:snake", "oauth"],
      ["openai-codex:camel", "oauth"],
      ["openai-codex:forever", "oauth"],
      ["openai-api:default", "api_key"],
      ["google-gemini-cli:me@example.test", "oauth"],
      ["openrouter:plain", "api_key"],
    ]);
    expect(Object.fromEntries(skipped.map(({ item, reason }) => [item, reason]))).toEqual({
      "bad:text": "it is no object",
      "bad:list": "it is no object",
      "bad:null": "it is no object",
      "bad:type": "it has no type",
      "bad:kind": "its type is none of api_key, token and oauth",
      "bad:provider": "it names no provider",
      "bad:keyless": "it holds no key",
      "bad:number": "its token is not a text",
      "bad:line": "its token contains characters that no token has",
      "bad:access": "it holds no access token",
      "ref:env": expect.stringContaining("SecretRef"),
      "ref:short": expect.stringContaining("SecretRef"),
      "ref:object": expect.stringContaining("SecretRef"),
      "ref:field": expect.stringContaining("SecretRef"),
      "ref:oauth": expect.stringContaining("oauthRef"),
      "fence:refresh": expect.stringContaining("fence"),
      "fence:access": expect.stringContaining("fence"),
    });
    expect(skipped).toHaveLength(17);
    expect(JSON.stringify(skipped)).not.toContain("NOT-SHOWN");
  });

  test("brings its tokens, end and account", async () => {
    const { profiles } = await untidy();
    const found = (id: string) => profiles.find((profile) => profile.id === id);
    const end = { wallMs: 1_798_000_000_000, monoMs: 5_000 + 1_798_000_000_000 - NOW_MS };
    expect(found("openai-codex:snake")).toMatchObject({
      aliases: ["openai:snake"],
      account: { accountId: "acct-1", email: "one@example.test" },
      grant: { expires: end },
    });
    expect(found("openai-codex:camel")).toMatchObject({
      aliases: [],
      account: { accountId: "acct-2", userId: "user-2", planType: "team" },
      grant: { expires: end },
    });
    expect(found("openai-codex:forever")?.grant).not.toHaveProperty("expires");
    expect(found("openai-codex:forever")?.grant).not.toHaveProperty("refreshToken");
    expect(found("anthropic:work")?.grant).toMatchObject({ expires: end });
    expect(found("openai-api:default")?.aliases).toEqual(["openai:default"]);
    expect(found("openrouter:plain")?.aliases).toEqual([]);
    expect(found("google-gemini-cli:me@example.test")?.attributes).toEqual({ projectId: "project-1" });
    const mode = found("anthropic:mode")?.grant;
    expect(mode?.kind === "api_key" && mode.key.reveal()).toBe("sk-ant-FAKE-2");
    const snake = found("openai-codex:snake")?.grant;
    expect(snake?.kind === "oauth" && [snake.accessToken.reveal(), snake.refreshToken?.reveal()]).toEqual([
      "at-FAKE-1",
      "rt-FAKE-1",
    ]);
  });

  test.each([
    [1_798_000_000_000, 1_798_000_000_000],
    [1_798_000_000, 1_798_000_000_000],
    ["1798000000000", 1_798_000_000_000],
    ["2026-12-23T04:26:40.000Z", 1_798_000_000_000],
    ["soon", undefined],
    ["12", undefined],
    [0, undefined],
    [-1, undefined],
    [3_600, undefined],
    [9e15, undefined],
    [null, undefined],
    [true, undefined],
    [{}, undefined],
  ])("that ends at %j ends at %j", async (expires, wallMs) => {
    const { profiles } = await entry({ type: "oauth", provider: "openai-codex", access: "at-FAKE", expires });
    const grant = profiles[0]?.grant;
    expect(grant?.kind === "oauth" && grant.expires?.wallMs).toBe(wallMs);
  });

  test("pasted with blanks and terminal colours around it loses them", async () => {
    const key = "\u001b[32m sk-FAKE \u001b[0m\n";
    const { profiles } = await entry({ type: "api_key", provider: "openrouter", key }, "openrouter:a");
    const grant = profiles[0]?.grant;
    expect(grant?.kind === "api_key" && grant.key.reveal()).toBe("sk-FAKE");
  });

  test("keeps of its account only what can go over the wire as a name", async () => {
    const account = { accountId: "a\u0000b", userId: "x".repeat(257), email: "a@example.test" };
    const { profiles } = await entry({
      type: "oauth",
      provider: "openai-codex",
      access: "at-FAKE",
      ...account,
    });
    expect(profiles[0]?.account).toEqual({ email: "a@example.test" });
  });

  test("whose id or provider is no name is skipped", async () => {
    expect((await entry({ type: "api_key", provider: "x y", key: "k" })).skipped).toHaveLength(1);
    expect((await entry({ type: "api_key", provider: "x", key: "k" }, "x:\u001b[1m")).skipped).toHaveLength(
      1,
    );
    expect((await entry({ type: "api_key", provider: "x", key: "k" }, "__proto__")).profiles).toMatchObject([
      { id: "x:__proto__" },
    ]);
  });
});

describe("forerunners of auth-profiles.json", () => {
  test("auth.json of an agent counts where it has no auth-profiles.json", async () => {
    const context = await importHome();
    const agentDir = join(context.home, ".openclaw", "agents", "main", "agent");
    await writeJson(join(agentDir, "auth.json"), {
      anthropic: { type: "api_key", key: "sk-ant-FAKE" },
      openai: { type: "oauth", access: "at-FAKE", refresh: "rt-FAKE", expires: 1_798_000_000_000 },
    });
    const ids = async () => (await readSource("openclaw", undefined, context)).profiles.map(({ id }) => id);
    expect(await ids()).toEqual(["anthropic:default", "openai-codex:default"]);
    await writeJson(join(agentDir, "auth-profiles.json"), { version: 1, profiles: {} });
    expect(await ids()).toEqual([]);
  });

  test("credentials/oauth.json counts where main has no file at all", async () => {
    const context = await importHome();
    const state = join(context.home, ".openclaw");
    await writeJson(join(state, "credentials", "oauth.json"), {
      anthropic: { access: "at-FAKE", refresh: "rt-FAKE" },
    });
    const ids = async () => (await readSource("openclaw", state, context)).profiles.map(({ id }) => id);
    expect(await ids()).toEqual(["anthropic:default"]);
    await writeJson(join(state, "agents", "main", "agent", "auth-profiles.json"), {
      version: 1,
      profiles: {},
    });
    expect(await ids()).toEqual([]);
  });

  test.each([[], "x", 5, { profiles: [] }, { profiles: null }, { OPENAI_API_KEY: "sk-FAKE", tokens: {} }])(
    "another format is exit 65 (case %#)",
    async (content) => {
      const context = await importHome();
      const path = join(context.home, "auth-profiles.json");
      await writeJson(path, content);
      await expect(readSource("openclaw", path, context)).rejects.toMatchObject({ exit: 65, path });
    },
  );
});
