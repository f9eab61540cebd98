import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Secret } from "../../src/domain/secret.ts";
import { type ImportContext, SOURCE_NAMES } from "../../src/import/item.ts";
import { grantOwners } from "../../src/import/owners.ts";
import { findSources, readSource, SOURCES } from "../../src/import/sources.ts";
import { importHome, NOW_MS } from "../support/import-home.ts";
import { agentFile, readSeed } from "../support/openclaw-agents.ts";
import { chatgptTokens, writeJson, writeOpenclawHome, writeText } from "../support/openclaw-home.ts";

async function everything(): Promise<ImportContext> {
  const context = await importHome();
  await writeOpenclawHome(context.home, { solenne: "copy", codexHome: true, nowMs: NOW_MS });
  await writeJson(join(context.home, ".claude", ".credentials.json"), {
    claudeAiOauth: { accessToken: "at-FAKE" },
  });
  await writeJson(join(context.home, ".gemini", "oauth_creds.json"), { access_token: "at-FAKE" });
  return context;
}

/** Every file below a directory with its content and times of change. */
async function snapshot(directory: string): Promise<unknown> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mtimeMs, ctimeMs, mode } = await stat(path);
      return [path, mode, mtimeMs, ctimeMs, entry.isFile() ? await readFile(path, "utf8") : ""];
    }),
  );
}

describe("the sources", () => {
  test("are found where the programs keep them", async () => {
    const context = await everything();
    expect(await findSources(context)).toEqual([
      { name: "codex", path: join(context.home, ".codex") },
      { name: "openclaw", path: join(context.home, ".openclaw") },
      { name: "claude", path: join(context.home, ".claude") },
      { name: "gemini", path: join(context.home, ".gemini") },
    ]);
    expect(Object.keys(SOURCES)).toEqual([...SOURCE_NAMES]);
  });

  test("are none in an empty home, nor in directories without logins", async () => {
    const context = await importHome();
    expect(await findSources(context)).toEqual([]);
    await mkdir(join(context.home, ".codex"));
    await writeText(join(context.home, ".openclaw", "openclaw.json"), "{}");
    expect(await findSources(context)).toEqual([]);
  });

  test("are found even when broken, so that reading them tells", async () => {
    const context = await importHome();
    await writeText(join(context.home, ".codex", "auth.json"), "{");
    expect((await findSources(context)).map(({ name }) => name)).toEqual(["codex"]);
    await expect(readSource("codex", undefined, context)).rejects.toMatchObject({ exit: 65 });
  });

  test("are left as they are by reading", async () => {
    const context = await everything();
    const before = await snapshot(context.home);
    for (const { name } of await findSources(context)) await readSource(name, undefined, context);
    expect(await snapshot(context.home)).toEqual(before);
  });

  test("give paths that another process can use", async () => {
    const context = await everything();
    const env = { CODEX_HOME: "relative" };
    await expect(readSource("codex", undefined, { ...context, env })).rejects.toMatchObject({
      path: join(process.cwd(), "relative", "auth.json"),
    });
    await expect(readSource("gemini", "relative.json", context)).rejects.toMatchObject({
      path: join(process.cwd(), "relative.json"),
    });
  });

  test("show no secret when a plan is printed", async () => {
    const context = await everything();
    const plans = await Promise.all(SOURCE_NAMES.map((name) => readSource(name, undefined, context)));
    expect(JSON.stringify(plans)).not.toMatch(/-FAKE|\.sig/);
    expect(JSON.stringify(plans)).toContain("[redacted]");
  });
});

describe("the owners of a single-use grant", () => {
  const fingerprint = (token: Secret) => `#${token.reveal().length}-${token.reveal().split("-").at(2)}`;

  test("are all files that hold it, of one program or several", async () => {
    const { context, plan } = await readSeed({ solenne: "copy" });
    const { access, refresh, idToken } = chatgptTokens("outlook", NOW_MS - 3_600_000);
    const tokens = { access_token: access, refresh_token: refresh, id_token: idToken };
    const auth = join(context.home, ".codex", "auth.json");
    await writeJson(auth, { auth_mode: "chatgpt", tokens });
    const codex = await readSource("codex", undefined, context);
    const owners = grantOwners([...codex.profiles, ...plan.profiles], fingerprint);
    const inOpenclaw = ["main", "solenne"].map((agent) => ({
      source: "openclaw",
      path: agentFile(context, agent),
    }));
    expect(owners).toMatchObject([
      {
        provider: "openai-codex",
        profile: "openai-codex:outlook@example.test",
        holders: [{ source: "codex", path: auth }, ...inOpenclaw],
      },
      { profile: "openai-codex:xxx@example.test", holders: inOpenclaw },
    ]);
    expect(JSON.stringify(owners)).not.toContain(refresh);
  });

  test("are not asked for where nothing is single-use", async () => {
    const context = await everything();
    const { profiles } = await readSource("claude", undefined, context);
    expect(profiles).toHaveLength(1);
    expect(grantOwners(profiles, fingerprint)).toEqual([]);
  });
});
