import { createHash } from "node:crypto";
import { readFile, realpath, rm } from "node:fs/promises";
import { OpenclawError } from "./error.ts";
import { type JournalEntry, readJournal, writeJournal, writePrivately } from "./journal.ts";
import { inverse, type Patch } from "./patch.ts";
import { jsonOf, type Openclaw } from "./program.ts";
import type { Route } from "./routes.ts";
import { writeWrapper } from "./wrapper.ts";

/** Where it is set up. */
export interface SetupPlace {
  readonly openclaw: Openclaw;
  /** Remembers what has to be undone. */
  readonly journalPath: string;
  /** A configuration as OpenClaw writes it; undefined: there is none. */
  readonly readConfig: (path: string) => Promise<unknown>;
}

/** What one route needs. */
export interface RouteSetup {
  readonly route: Route;
  readonly patchOf: (before: unknown) => Patch;
  /** A program that OpenClaw is to start. */
  readonly wrapper?: { readonly path: string; readonly text: string };
}

/** What was done, line by line, for a person. */
type Done = readonly string[];

/**
 * Writes a route into OpenClaw's configuration with OpenClaw's own commands: tried without writing first,
 * secrets and all, then written, then checked. Rejects with `OpenclawError`; what does not pass is not
 * written.
 */
export async function setUp(place: SetupPlace, setup: RouteSetup): Promise<Done> {
  const { openclaw, journalPath } = place;
  const { route, wrapper } = setup;
  const configPath = await configPathOf(openclaw);
  const entries = await readJournal(journalPath);
  // Done anew, for instance after a move: what is undone later is what stood there first.
  const again = entries.find((entry) => entry.configPath === configPath && entry.route === route);
  if (again !== undefined) await takeBack(place, again);
  const before = await textOf(configPath);
  const patch = setup.patchOf(await place.readConfig(configPath));
  if (wrapper !== undefined) await writeWrapper(wrapper.path, wrapper.text);
  try {
    await patchConfig(openclaw, patch, ["--dry-run", "--allow-exec"]);
  } catch (error) {
    if (wrapper !== undefined) await rm(wrapper.path, { force: true });
    throw error;
  }
  const others = (await readJournal(journalPath)).filter((entry) => entry !== again);
  const entry = { configPath, route, patch: { ...patch }, before: before ?? null };
  await writeJournal(journalPath, [...others, { ...entry, after: "" }]);
  await patchConfig(openclaw, patch, []);
  await writeJournal(journalPath, [...others, { ...entry, after: hash((await textOf(configPath)) ?? "") }]);
  return [
    `written: ${configPath}`,
    ...(wrapper === undefined ? [] : [`written: ${wrapper.path}`]),
    ...(await Promise.all([validated(openclaw), ...(route === "secrets" ? [audited(openclaw)] : [])])),
  ];
}

/** Takes a route out again. `kept` in the answer: what somebody has changed since and was left. */
export async function takeOut(
  place: SetupPlace,
  { route, wrapper }: Pick<RouteSetup, "route" | "wrapper">,
): Promise<Done> {
  const configPath = await configPathOf(place.openclaw);
  const entries = await readJournal(place.journalPath);
  const entry = entries.find((one) => one.configPath === configPath && one.route === route);
  if (entry === undefined) {
    throw new OpenclawError(66, `the route ${route} was not set up in ${configPath} by this command`);
  }
  const kept = await takeBack(place, entry);
  const isLast = !entries.some((one) => one !== entry && one.route === route);
  if (wrapper !== undefined && isLast) await rm(wrapper.path, { force: true });
  return [
    `as it was: ${configPath}`,
    ...kept.map((path) => `left as it is, because it was changed since: ${path}`),
    await validated(place.openclaw),
  ];
}

async function takeBack(place: SetupPlace, entry: JournalEntry): Promise<readonly string[]> {
  const { configPath, patch, before, after } = entry;
  const text = (await textOf(configPath)) ?? "";
  let kept: readonly string[] = [];
  if (hash(text) === after) {
    // Nobody has written since: comments and all come back.
    const file = await realpath(configPath);
    await (before === null ? rm(file) : writePrivately(file, before));
  } else {
    const undo = inverse(
      patch,
      before === null ? {} : await parsed(place, before),
      await place.readConfig(configPath),
    );
    kept = undo.kept;
    if (Object.keys(undo.patch).length > 0) await patchConfig(place.openclaw, undo.patch, []);
  }
  const entries = await readJournal(place.journalPath);
  const same = (one: JournalEntry) => one.configPath === configPath && one.route === entry.route;
  await writeJournal(
    place.journalPath,
    entries.filter((one) => !same(one)),
  );
  return kept;
}

/** The reader of configurations reads files. */
async function parsed(place: SetupPlace, text: string): Promise<unknown> {
  const path = `${place.journalPath}.before`;
  await writePrivately(path, text);
  try {
    return await place.readConfig(path);
  } finally {
    await rm(path, { force: true });
  }
}

async function configPathOf(openclaw: Openclaw): Promise<string> {
  const { path } = jsonOf(await openclaw.run(["config", "file", "--json"]), "config file --json");
  if (typeof path !== "string")
    throw new OpenclawError(78, "openclaw does not tell where its configuration is");
  return path;
}

async function patchConfig(openclaw: Openclaw, patch: Patch, flags: readonly string[]): Promise<void> {
  const isTrial = flags.includes("--dry-run");
  const args = ["config", "patch", "--stdin", ...flags, ...(isTrial ? ["--json"] : [])];
  const ended = await openclaw.run(args, JSON.stringify(patch));
  if (!isTrial && ended.code === 0) return;
  const answer = isTrial ? jsonOf(ended, "config patch") : {};
  if (answer.ok === true) return;
  const errors = Array.isArray(answer.errors) ? answer.errors.map((error) => String(error?.message)) : [];
  const said = errors.length > 0 ? errors.join(" ") : ended.stderr.trim();
  throw new OpenclawError(78, `OpenClaw does not take this configuration: ${said}`, "auth-broker doctor");
}

async function validated(openclaw: Openclaw): Promise<string> {
  const { valid } = jsonOf(await openclaw.run(["config", "validate", "--json"]), "config validate --json");
  if (valid === true) return "checked: openclaw config validate";
  throw new OpenclawError(78, "OpenClaw's configuration is not valid", "openclaw config validate");
}

async function audited(openclaw: Openclaw): Promise<string> {
  const ended = await openclaw.run(["secrets", "audit", "--allow-exec", "--json"]);
  const { summary } = jsonOf(ended, "secrets audit") as { summary?: { unresolvedRefCount?: number } };
  if (summary?.unresolvedRefCount === 0) return "checked: openclaw secrets audit --allow-exec";
  throw new OpenclawError(
    78,
    "OpenClaw does not get every secret that its configuration refers to",
    "openclaw secrets audit --allow-exec",
  );
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
