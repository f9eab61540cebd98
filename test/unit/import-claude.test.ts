import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSource } from "../../src/import/sources.ts";
import { importHome } from "../support/import-home.ts";
import { writeJson, writeText } from "../support/openclaw-home.ts";

const LOGIN = {
  claudeAiOauth: {
    accessToken: "sk-ant-oat01-FAKE",
    refreshToken: "sk-ant-ort01-FAKE",
    expiresAt: 1_798_000_000_000,
    scopes: ["user:inference", 5],
    subscriptionType: "max",
  },
};

describe("a login of Claude Code", () => {
  test("becomes an anthropic profile", async () => {
    const context = await importHome();
    const path = join(context.home, ".claude", ".credentials.json");
    await writeJson(path, LOGIN);
    const { profiles, skipped } = await readSource("claude", undefined, context);
    expect(skipped).toEqual([]);
    expect(profiles).toMatchObject([
      {
        id: "anthropic:default",
        source: "claude",
        sourcePath: path,
        account: { planType: "max" },
        grant: { kind: "oauth", expires: { wallMs: 1_798_000_000_000 }, scopes: ["user:inference"] },
      },
    ]);
    const grant = profiles[0]?.grant;
    expect(grant?.kind === "oauth" && grant.refreshToken?.reveal()).toBe("sk-ant-ort01-FAKE");
  });

  test("is named after the account that Claude Code notes beside it", async () => {
    const context = await importHome();
    const noted = {
      oauthAccount: { accountUuid: "u-1", organizationUuid: "o-1", emailAddress: "me@example.test" },
    };
    await writeJson(join(context.home, ".claude", ".credentials.json"), LOGIN);
    await writeJson(join(context.home, ".claude.json"), noted);
    const account = { accountId: "o-1", userId: "u-1", email: "me@example.test", planType: "max" };
    const { profiles } = await readSource("claude", undefined, context);
    expect(profiles).toMatchObject([{ id: "anthropic:me@example.test", account }]);
  });

  test("in a chosen directory is found there, with its account", async () => {
    const context = await importHome();
    const directory = join(context.home, "two");
    await writeJson(join(directory, ".credentials.json"), LOGIN);
    await writeJson(join(directory, ".claude.json"), { oauthAccount: { emailAddress: "two@example.test" } });
    const env = { CLAUDE_CONFIG_DIR: directory };
    const { profiles } = await readSource("claude", undefined, { ...context, env });
    expect(profiles.map(({ id }) => id)).toEqual(["anthropic:two@example.test"]);
  });

  test("does not fail over a broken note of the account", async () => {
    const context = await importHome();
    await writeJson(join(context.home, ".claude", ".credentials.json"), LOGIN);
    await writeText(join(context.home, ".claude.json"), "{");
    expect((await readSource("claude", undefined, context)).profiles).toHaveLength(1);
  });

  test.each([
    [{ mcpOAuth: {} }, "nobody is logged in"],
    [{ claudeAiOauth: null }, "nobody is logged in"],
    [{ claudeAiOauth: { refreshToken: "rt-FAKE" } }, "no access token"],
  ])("that is none is skipped (case %#)", async (content, words) => {
    const context = await importHome();
    await writeJson(join(context.home, ".claude", ".credentials.json"), content);
    const { profiles, skipped } = await readSource("claude", undefined, context);
    expect(profiles).toEqual([]);
    expect(skipped).toMatchObject([{ reason: expect.stringContaining(words) }]);
  });

  test.each([[], {}, { claudeAiOauth: 5 }, { claudeAiOauth: { accessToken: 5 } }])(
    "in a file of another format is exit 65 (case %#)",
    async (content) => {
      const context = await importHome();
      await writeJson(join(context.home, ".claude", ".credentials.json"), content);
      await expect(readSource("claude", undefined, context)).rejects.toMatchObject({ exit: 65 });
    },
  );
});
