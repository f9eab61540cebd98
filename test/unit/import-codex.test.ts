import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCodex } from "../../src/import/codex.ts";
import type { ImportContext, ImportPlan } from "../../src/import/item.ts";
import { readSource } from "../../src/import/sources.ts";
import { importHome, NOW_MS } from "../support/import-home.ts";
import { chatgptTokens, writeJson } from "../support/openclaw-home.ts";

const HOUR_MS = 3_600_000;

function authJson(overrides: Record<string, unknown> = {}, tokens: Record<string, unknown> = {}) {
  const { access, refresh, idToken } = chatgptTokens("a", NOW_MS - HOUR_MS);
  return {
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    tokens: {
      access_token: access,
      refresh_token: refresh,
      id_token: idToken,
      account_id: "acct-a",
      ...tokens,
    },
    last_refresh: "2026-11-25T10:30:00.123456Z",
    ...overrides,
  };
}

async function read(
  content: unknown,
  env: ImportContext["env"] = {},
): Promise<{ plan: ImportPlan; path: string }> {
  const context = await importHome(env);
  const path = join(context.home, ".codex", "auth.json");
  await writeJson(path, content);
  return { plan: await readSource("codex", undefined, context), path };
}

describe("a ChatGPT login of Codex", () => {
  test("becomes an openai-codex profile named after the e-mail", async () => {
    const { plan, path } = await read(authJson());
    expect(plan.skipped).toEqual([]);
    expect(plan.profiles).toHaveLength(1);
    const [profile] = plan.profiles;
    expect(profile).toMatchObject({
      id: "openai-codex:a@example.test",
      provider: "openai-codex",
      label: "a@example.test",
      account: { accountId: "acct-a", userId: "user-a", email: "a@example.test", planType: "plus" },
      sourcePath: path,
      source: "codex",
      aliases: [],
      cooldowns: [],
    });
    const issuedAtMs = NOW_MS - HOUR_MS;
    expect(profile?.grant).toMatchObject({
      kind: "oauth",
      tokenType: "Bearer",
      issuedAtMs,
      lifetimeMs: 240 * HOUR_MS,
      expires: { wallMs: issuedAtMs + 240 * HOUR_MS, monoMs: 5_000 + 239 * HOUR_MS },
    });
    expect(secretsOf(plan)).toEqual(Object.values(chatgptTokens("a", issuedAtMs)));
  });

  test("is named after the account where no e-mail is known, and default where nothing is", async () => {
    const opaque = { access_token: "at-FAKE", id_token: "" };
    expect((await read(authJson({}, opaque))).plan.profiles[0]?.id).toBe("openai-codex:acct-a");
    expect((await read(authJson({}, { ...opaque, account_id: null }))).plan.profiles[0]?.id).toBe(
      "openai-codex:default",
    );
  });

  test("with an empty refresh token has none", async () => {
    const { plan } = await read(authJson({}, { refresh_token: "" }));
    expect(plan.profiles[0]?.grant).not.toHaveProperty("refreshToken");
  });

  test("with an opaque access token has the age that last_refresh tells, and no known end", async () => {
    const { plan } = await read(authJson({}, { access_token: "at-FAKE" }));
    expect(plan.profiles[0]?.grant).toMatchObject({ issuedAtMs: Date.parse("2026-11-25T10:30:00.123Z") });
    expect(plan.profiles[0]?.grant).not.toHaveProperty("expires");
  });

  test("of an older version, without a mode, is taken over", async () => {
    const { plan } = await read(authJson({ auth_mode: undefined }));
    expect(plan.profiles.map(({ id }) => id)).toEqual(["openai-codex:a@example.test"]);
  });

  test("keeps the workspace that the file names, whatever the token claims", async () => {
    const { plan } = await read(authJson({}, { account_id: "acct-team" }));
    expect(plan.profiles[0]?.account.accountId).toBe("acct-team");
  });

  test("leaves an API key beside it alone and says so", async () => {
    const { plan } = await read(authJson({ OPENAI_API_KEY: "sk-FAKE" }));
    expect(plan.profiles.map(({ id }) => id)).toEqual(["openai-codex:a@example.test"]);
    expect(plan.skipped.map(({ item }) => item)).toEqual(["OPENAI_API_KEY"]);
    expect(JSON.stringify(plan)).not.toContain("sk-FAKE");
  });
});

describe("an API key of Codex", () => {
  test.each([{ auth_mode: "apikey" }, {}])("becomes an openai-api profile (%j)", async (mode) => {
    const { plan } = await read({ ...mode, OPENAI_API_KEY: "sk-FAKE" });
    expect(plan.profiles).toMatchObject([{ id: "openai-api:default", grant: { kind: "api_key" } }]);
    expect(secretsOf(plan)).toEqual(["sk-FAKE"]);
  });

  test("beside a login in a file without a mode: both are taken over", async () => {
    const { plan } = await read(authJson({ auth_mode: undefined, OPENAI_API_KEY: "sk-FAKE" }));
    expect(plan.profiles.map(({ id }) => id)).toEqual(["openai-codex:a@example.test", "openai-api:default"]);
  });
});

describe("what Codex keeps otherwise is skipped with a reason", () => {
  test.each([
    [authJson({ auth_mode: "chatgptAuthTokens" }), "lent to Codex"],
    [authJson({ auth_mode: "agentIdentity" }), "agentIdentity"],
    [authJson({ auth_mode: "sk-FAKE-NOT-SHOWN" }), "(unreadable)"],
    [authJson({ tokens: null }), "nobody is logged in"],
    [authJson({}, { access_token: "" }), "no access token"],
    [{ auth_mode: "apikey", OPENAI_API_KEY: "" }, "no API key"],
  ])("case %#", async (content, words) => {
    const { plan } = await read(content);
    expect(plan.profiles).toEqual([]);
    expect(plan.skipped).toHaveLength(1);
    expect(plan.skipped[0]?.reason).toContain(words);
    expect(JSON.stringify(plan)).not.toContain("NOT-SHOWN");
  });
});

describe("a file that is not Codex's is exit 65", () => {
  test.each([
    [],
    "text",
    null,
    {},
    { profiles: {} },
    authJson({ tokens: "x" }),
    authJson({}, { access_token: 5 }),
    authJson({}, { refresh_token: { a: 1 } }),
    authJson({}, { access_token: "at-FAKE-NOT-SHOWN\nx: y" }),
  ])("case %#", async (content) => {
    await expect(read(content)).rejects.toMatchObject({
      exit: 65,
      message: expect.not.stringContaining("NOT-SHOWN"),
    });
  });
});

describe("where Codex's file is", () => {
  test("CODEX_HOME wins over the home directory", async () => {
    const context = await importHome();
    await writeJson(join(context.home, "elsewhere", "auth.json"), authJson());
    const env = { CODEX_HOME: join(context.home, "elsewhere") };
    expect((await readSource("codex", undefined, { ...context, env })).profiles).toHaveLength(1);
    await expect(readSource("codex", undefined, context)).rejects.toMatchObject({ exit: 66 });
  });

  test("a path is the directory or the file, under any name", async () => {
    const context = await importHome();
    await writeJson(join(context.home, "x", "auth.json"), authJson());
    await writeJson(join(context.home, "copy.bak"), authJson());
    for (const path of ["x", "x/auth.json", "copy.bak"]) {
      expect((await readCodex(join(context.home, path), context)).profiles).toHaveLength(1);
    }
  });

  test("a directory without the file is exit 66 and names the file", async () => {
    const context = await importHome();
    await expect(readCodex(context.home, context)).rejects.toMatchObject({
      exit: 66,
      path: join(context.home, "auth.json"),
    });
  });
});

function secretsOf(plan: ImportPlan): readonly string[] {
  return plan.profiles.flatMap(({ grant }) => {
    if (grant.kind === "api_key") return [grant.key.reveal()];
    if (grant.kind === "token") return [grant.token.reveal()];
    return [grant.accessToken, grant.refreshToken, grant.idToken].flatMap((secret) => secret?.reveal() ?? []);
  });
}
