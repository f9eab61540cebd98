import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ImportContext } from "../../src/import/item.ts";

/** The moment at which import tests take place. */
export const NOW_MS = Date.parse("2026-11-25T12:00:00Z");

/** An empty home directory for one test, and the context of an importer that runs in it. */
export async function importHome(env: ImportContext["env"] = {}): Promise<ImportContext> {
  const home = await mkdtemp(join(tmpdir(), "import-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return { env, home, now: { wallMs: NOW_MS, monoMs: 5_000 }, pause: async () => undefined };
}
