import { createReadStream, readdirSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fieldsIn, fieldsOf, textOf } from "./fields.ts";
import { SESSIONS } from "./home.ts";
import { linesOf } from "./lines.ts";

/** A thread as its rollout names it. */
export interface LastThread {
  readonly id: string;
  /** The account under which it began; empty if unknown. */
  readonly accountId: string;
}

/**
 * The thread that was written last, of any account: Codex itself looks only among those of the account
 * that it has, and begins a new one if there is none (0.169, measured). `cwd`: only those of this directory.
 */
export async function findLastThread(home: string, cwd: string | undefined): Promise<LastThread | undefined> {
  const place = cwd === undefined ? undefined : realPath(cwd);
  const paths = readdirSync(join(home, SESSIONS), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => join(home, SESSIONS, name));
  const newest = paths.map((path) => ({ path, atMs: statSync(path).mtimeMs }));
  newest.sort((a, b) => b.atMs - a.atMs);
  for (const { path } of newest) {
    const meta = await firstLine(path);
    // Agents that an agent has started have threads of their own.
    const isOwn = typeof meta.source === "string";
    if (!isOwn || (place !== undefined && realPath(textOf(meta.cwd)) !== place)) continue;
    return { id: textOf(meta.id), accountId: textOf(meta.creator_account_id) };
  }
  return undefined;
}

async function firstLine(path: string) {
  for await (const line of linesOf(createReadStream(path)))
    return fieldsOf(fieldsIn(line.toString("utf8")).payload);
  return {};
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
