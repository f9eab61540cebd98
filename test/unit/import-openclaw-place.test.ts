import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { canReadDatabases } from "../../src/import/openclaw-database.ts";
import { readSource } from "../../src/import/sources.ts";
import { importHome } from "../support/import-home.ts";
import { agentFile, apiKey, idsOf, readSeed } from "../support/openclaw-agents.ts";
import { SEED_PROFILES, writeJson, writeText } from "../support/openclaw-home.ts";

const [OUTLOOK, XXX] = SEED_PROFILES;

describe("files that cannot be read", () => {
  test("do not stop the other agents", async () => {
    const { context } = await readSeed({ solenne: "absent" });
    await writeText(agentFile(context, "solenne"), "{ rt-FAKE-NOT-SHOWN");
    await writeText(agentFile(context, "zoe"), "");
    const plan = await readSource("openclaw", undefined, context);
    expect(idsOf(plan)).toEqual([OUTLOOK, XXX]);
    expect(plan.skipped.map(({ item }) => item)).toEqual([
      agentFile(context, "solenne"),
      agentFile(context, "zoe"),
    ]);
    expect(JSON.stringify(plan.skipped)).not.toContain("NOT-SHOWN");
  });

  test.each(["absent", "empty"] as const)(
    "stop the import where there is no other login (%s)",
    async (solenne) => {
      const { context } = await readSeed({ solenne });
      await writeText(agentFile(context, "main"), "{");
      await expect(readSource("openclaw", undefined, context)).rejects.toMatchObject({
        exit: 65,
        path: agentFile(context, "main"),
      });
    },
  );

  test("beside the logins cost orders and limits, not the logins", async () => {
    const { context } = await readSeed({ solenne: "absent" });
    await writeText(agentFile(context, "main", "auth-state.json"), "{");
    const plan = await readSource("openclaw", undefined, context);
    expect(idsOf(plan)).toEqual([OUTLOOK, XXX]);
    expect(plan.warnings).toMatchObject([expect.stringContaining("auth-state.json")]);
  });
});

describe("where OpenClaw's files are", () => {
  test("a path is the state directory, an agent's directory or the file", async () => {
    const { context } = await readSeed({ solenne: "copy" });
    const state = join(context.home, ".openclaw");
    const elsewhere = { ...context, home: join(context.home, "nobody") };
    for (const path of [
      state,
      join(state, "agents", "main"),
      join(state, "agents", "main", "agent"),
      agentFile(context, "main"),
    ]) {
      const plan = await readSource("openclaw", path, elsewhere);
      expect(idsOf(plan)).toEqual([OUTLOOK, XXX]);
      expect(plan.orders).toEqual([{ provider: "openai-codex", profiles: [OUTLOOK, XXX] }]);
    }
  });

  test("one agent asked for brings that agent's logins only", async () => {
    const { context } = await readSeed({ solenne: "absent" });
    await writeJson(agentFile(context, "solenne"), {
      version: 1,
      profiles: { "anthropic:own": apiKey("sk-FAKE") },
    });
    expect(idsOf(await readSource("openclaw", agentFile(context, "solenne"), context))).toEqual([
      "anthropic:own",
    ]);
  });

  test("a file outside an installation stands alone", async () => {
    const context = await importHome();
    await writeJson(join(context.home, "saved.bak"), {
      version: 1,
      profiles: { "anthropic:own": apiKey("sk-FAKE") },
    });
    expect(idsOf(await readSource("openclaw", join(context.home, "saved.bak"), context))).toEqual([
      "anthropic:own",
    ]);
  });

  test("OPENCLAW_STATE_DIR and OPENCLAW_CONFIG_PATH name them", async () => {
    const { context } = await readSeed({ solenne: "absent" });
    const configPath = join(context.home, "other.json");
    await writeJson(configPath, { auth: { order: { openai: [XXX] } } });
    const env = { OPENCLAW_STATE_DIR: join(context.home, ".openclaw"), OPENCLAW_CONFIG_PATH: configPath };
    const plan = await readSource("openclaw", undefined, { ...context, home: "/nowhere", env });
    expect(plan.orders).toEqual([{ provider: "openai-codex", profiles: [XXX] }]);
  });

  test("nothing there is exit 66", async () => {
    const { context } = await readSeed({ solenne: "absent" });
    await rm(agentFile(context, "main"));
    await expect(readSource("openclaw", undefined, context)).rejects.toMatchObject({ exit: 66 });
    await expect(readSource("openclaw", join(context.home, "none"), context)).rejects.toMatchObject({
      exit: 66,
    });
  });

  test.skipIf(canReadDatabases())(
    "a database beside the files is named as not read by an old Node",
    async () => {
      const { context } = await readSeed({ solenne: "absent" });
      const path = join(context.home, ".openclaw", "state", "openclaw.sqlite");
      await writeText(path, "");
      const { skipped } = await readSource("openclaw", undefined, context);
      expect(skipped).toMatchObject([{ item: path, reason: expect.stringContaining("npx -p node@24") }]);
    },
  );

  test.skipIf(canReadDatabases()).each([
    ["state", "openclaw.sqlite"],
    ["agents", "main", "agent", "openclaw-agent.sqlite"],
  ])("logins that only a newer Node can read are exit 78 (%s)", async (...names) => {
    const { context } = await readSeed({ solenne: "absent" });
    await rm(agentFile(context, "main"));
    const path = join(context.home, ".openclaw", ...names);
    await writeText(path, "");
    for (const asked of [undefined, path])
      await expect(readSource("openclaw", asked, context)).rejects.toMatchObject({ exit: 78, path });
  });
});
