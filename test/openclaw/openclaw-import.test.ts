import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { hasNamespaces } from "../support/codex-world.ts";
import { SEED_PROFILES, writeOpenclawHome } from "../support/openclaw-home.ts";
import { type OpenclawPlace, openclawPlace, serve } from "../support/openclaw-place.ts";
import { OPENCLAW_FILES, type OpenclawProgram, openclawProgram } from "../support/openclaw-program.mjs";

const INSTALL_MS = 900_000;
const [FIRST, SECOND] = SEED_PROFILES;

let current: OpenclawProgram;
let filesEra: OpenclawProgram;

/** What the broker has after an import. */
async function imported(place: OpenclawPlace): Promise<unknown> {
  const { code, stdout, stderr } = await place.cli("import openclaw --json");
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const { orders, warnings } = JSON.parse(stdout);
  const list = await place.cli("profiles list --json");
  const profiles = JSON.parse(list.stdout).profiles.map(
    (view: { profile: string; kind: string; order: number; cooldowns: { setTime: string }[] }) => ({
      ...{ profile: view.profile, kind: view.kind, order: view.order },
      cooldowns: view.cooldowns.map(({ setTime, ...cooldown }) => cooldown),
    }),
  );
  for (const { profile } of profiles) await place.cli(`profiles remove ${profile} --yes`);
  return { profiles, orders, warnings };
}

describe.skipIf(!(await hasNamespaces()))("logins that the real OpenClaw wrote", () => {
  beforeAll(async () => {
    current = await openclawProgram();
    filesEra = await openclawProgram(OPENCLAW_FILES);
  }, INSTALL_MS);

  test.each(["absent", "empty", "copy"] as const)(
    "give the same profiles, order and cooldowns out of files and out of databases, with the second agent's %s",
    { timeout: 600_000 },
    async (solenne) => {
      const place = await openclawPlace(current);
      const { stateDir, blockedUntilMs } = await writeOpenclawHome(place.home, { solenne, limited: true });
      const store = join(stateDir, "agents/main/agent/auth-profiles.json");
      const drafted = await readFile(store, "utf8");
      await place.openclaw(`models auth order set --provider openai-codex --agent main ${SECOND} ${FIRST}`, {
        program: filesEra,
      });
      expect(await readFile(store, "utf8")).not.toBe(drafted);
      await serve(place);
      const fromFiles = await imported(place);
      expect(fromFiles).toMatchObject({
        profiles: [
          {
            profile: FIRST,
            order: 2,
            cooldowns: [
              {
                outcome: "OUTCOME_USAGE_LIMIT",
                source: "COOLDOWN_SOURCE_PROVIDER",
                untilTime: expect.stringContaining(new Date(blockedUntilMs).toISOString().slice(0, 19)),
              },
            ],
          },
          { profile: SECOND, order: 1, cooldowns: [] },
        ],
        orders: [{ provider: "openai-codex", profiles: [SECOND, FIRST] }],
      });

      await place.openclaw("doctor --fix --non-interactive");
      await expect(readFile(store)).rejects.toMatchObject({ code: "ENOENT" });
      expect(await imported(place)).toEqual(fromFiles);
    },
  );
});
