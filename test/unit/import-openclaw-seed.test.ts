import { describe, expect, test } from "vitest";
import { NOW_MS } from "../support/import-home.ts";
import { agentFile, HOUR_MS, idsOf, readSeed } from "../support/openclaw-agents.ts";
import { SEED_PROFILES } from "../support/openclaw-home.ts";

const [OUTLOOK, XXX] = SEED_PROFILES;

describe("the second agent of the reported case", () => {
  test.each(["absent", "empty", "copy", "outdated-copy"] as const)(
    "adds nothing to main's two logins and their order (%s)",
    async (solenne) => {
      const { context, plan } = await readSeed({ solenne, codexHome: true });
      expect(idsOf(plan)).toEqual([OUTLOOK, XXX]);
      expect(plan.orders).toEqual([{ provider: "openai-codex", profiles: [OUTLOOK, XXX] }]);
      expect(plan.warnings).toEqual([]);
      for (const profile of plan.profiles) {
        expect(profile.sourcePath).toBe(agentFile(context, "main"));
        expect(profile.copies).toEqual(solenne === "copy" ? [agentFile(context, "solenne")] : []);
        expect(profile.grant).toMatchObject({ issuedAtMs: NOW_MS - HOUR_MS });
      }
    },
  );

  test("with an outdated copy is told that its grants were left out", async () => {
    const { plan } = await readSeed({ solenne: "outdated-copy" });
    expect(plan.skipped.map(({ item }) => item)).toEqual([OUTLOOK, XXX]);
    expect(plan.skipped[0]?.reason).toContain("agent solenne");
    expect((await readSeed({ solenne: "copy" })).plan.skipped).toEqual([]);
  });

  test("brings no login of Codex along, nor a phantom made from it", async () => {
    const { plan } = await readSeed({ solenne: "absent", codexHome: true });
    expect(JSON.stringify(plan)).not.toContain("phantom");
    expect(idsOf(plan)).not.toContain("openai-codex:default");
  });

  test("keeps main's plan limit and its stated end", async () => {
    const { plan } = await readSeed({ solenne: "copy", limited: true });
    const until = NOW_MS + 5 * 24 * HOUR_MS;
    expect(plan.profiles[0]?.cooldowns).toEqual([
      { model: "", outcome: "USAGE_LIMIT", source: "PROVIDER", untilMs: until },
    ]);
    expect(plan.profiles[1]?.cooldowns).toEqual([]);
  });

  test("an order with an id that is gone is passed on whole, with a warning", async () => {
    const { plan } = await readSeed({ solenne: "absent", staleOrderId: true });
    expect(plan.orders).toEqual([
      { provider: "openai-codex", profiles: [OUTLOOK, XXX, "openai-codex:gone@example.test"] },
    ]);
    expect(plan.warnings).toEqual([
      "the order of openai-codex names openai-codex:gone@example.test, which is not among these logins",
    ]);
  });
});
