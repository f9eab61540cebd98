import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { OpenclawError } from "./error.ts";
import { ROUTES } from "./routes.ts";

const entry = z.object({
  configPath: z.string(),
  route: z.enum(ROUTES),
  /** What was written. */
  patch: z.record(z.string(), z.unknown()),
  /** The configuration before, as text; null: there was none. May hold secrets of OpenClaw's. */
  before: z.string().nullable(),
  /** SHA-256 of the configuration right after; empty: it was not written to the end. */
  after: z.string(),
});
/** One route that was set up in one configuration. */
export type JournalEntry = z.output<typeof entry>;

const journal = z.object({ version: z.literal(1), entries: z.array(entry) });

/** What was set up so far. Rejects with `OpenclawError` if the file cannot be read. */
export async function readJournal(path: string): Promise<readonly JournalEntry[]> {
  try {
    return journal.parse(JSON.parse(await readFile(path, "utf8"))).entries;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new OpenclawError(65, `${path} cannot be read`, "move it away; setup can then not be undone");
  }
}

/** As a whole or not at all, readable for nobody else. */
export async function writePrivately(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  await writeFile(draft, text, { mode: 0o600, flag: "wx" });
  await rename(draft, path);
}

export async function writeJournal(path: string, entries: readonly JournalEntry[]): Promise<void> {
  await writePrivately(path, `${JSON.stringify({ version: 1, entries }, undefined, 2)}\n`);
}
