import { randomBytes } from "node:crypto";
import { open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileProblem, ImportError } from "./file.ts";
import { rewriteDatabase } from "./openclaw-database.ts";

/** Gives the new content, or undefined to leave the file as it is. */
export type Rewriting = (value: unknown) => unknown;

/**
 * Changes a file of logins of another program, or the store in a database of OpenClaw, as a whole or not
 * at all. True if it was changed. Rejects with `ImportError`: 75 if somebody else wrote it meanwhile, 74 if
 * it cannot be written, and as reading does.
 */
export async function rewrite(path: string, change: Rewriting): Promise<boolean> {
  return path.endsWith(".sqlite") ? rewriteDatabase(path, change) : rewriteFile(path, change);
}

async function rewriteFile(asked: string, change: Rewriting): Promise<boolean> {
  // The file may be a link, as people keep their settings elsewhere.
  const path = await realpath(asked).catch((cause) => {
    throw fileProblem(asked, cause);
  });
  const before = await readFile(path).catch((cause) => {
    throw fileProblem(path, cause);
  });
  const next = change(parse(path, before));
  if (next === undefined) return false;
  const { mode } = await stat(path);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", mode & 0o600);
    try {
      await file.writeFile(`${JSON.stringify(next, undefined, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!before.equals(await readFile(path))) {
      throw new ImportError(75, path, "was changed by its program meanwhile");
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true });
    if (cause instanceof ImportError) throw cause;
    throw new ImportError(74, path, `cannot be written (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
  return true;
}

/** The parser's message would quote the text. */
function parse(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8").replace(/^\uFEFF/, ""));
  } catch {
    throw new ImportError(65, path, "is not valid JSON");
  }
}

/** Windows has no handle of a directory to sync. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  await using directory = await open(path, "r");
  await directory.sync();
}
