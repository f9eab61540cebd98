import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import JSON5 from "json5";
import { type ParseError, parse as parseTolerantly } from "jsonc-parser";

/** Files over this size are not read: no login file is anywhere near it. */
export const LIMIT_BYTES = 8 * 1024 * 1024;

/** A parse failure may be a file caught half written: this many readings decide. */
const READINGS = 3;
const PAUSE_MS = 40;

/**
 * A file of another program could not be used. `exit` is the command's exit code: 65 not in its
 * format, 66 not there, 74 cannot be written, 75 not now, 77 no permission, 78 this Node cannot read it. The message names the path and what to do, never content.
 */
export class ImportError extends Error {
  override readonly name = "ImportError";
  readonly exit: 65 | 66 | 74 | 75 | 77 | 78;
  readonly path: string;

  constructor(exit: ImportError["exit"], path: string, problem: string, options?: ErrorOptions) {
    super(`${path}: ${problem}; ${MENDS[exit]}`, options);
    this.exit = exit;
    this.path = path;
  }
}

const MENDS = {
  65: "mend the file, or log in again with the program that wrote it",
  66: "log in with that program first, or name its directory or file with --from PATH",
  74: "nothing was changed there",
  75: "nothing was changed there; look what its program did, and try again",
  77: "run this as the user who owns it, or let this user read it",
  78: "run it with a newer one, with the same options behind: npx -p node@24 auth-broker import openclaw",
} as const;

/**
 * Reads a JSON (or JSON5) file as other programs write them, byte order mark and CRLF included.
 * Rejects with `ImportError`.
 */
export async function readJsonFile(
  path: string,
  syntax: "json" | "json5",
  pause: () => Promise<void> = () => sleep(PAUSE_MS),
): Promise<unknown> {
  for (let reading = 1; ; reading += 1) {
    const parsed = parse(await readBytes(path), syntax);
    if (parsed.ok) return parsed.value;
    if (reading === READINGS) throw new ImportError(65, path, parsed.problem);
    await pause();
  }
}

/** What is at a path. What cannot be seen for want of rights counts as a file, so that reading it says so. */
export async function kindOfPath(path: string): Promise<"file" | "directory" | "absent"> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch (cause) {
    return isAbsence(cause) ? "absent" : "file";
  }
}

/** The file that `path` means: itself, or the one of that name in the directory that it is. */
export async function fileUnder(path: string, name: string): Promise<string> {
  const isHome = basename(path) !== name && (await kindOfPath(path)) === "directory";
  return isHome ? join(path, name) : path;
}

/** The import error for a failure of the file system. */
export function fileProblem(path: string, cause: unknown): ImportError {
  const code = codeOf(cause);
  if (isAbsence(cause)) return new ImportError(66, path, "no such file", { cause });
  if (code === "EACCES" || code === "EPERM") return new ImportError(77, path, "no permission", { cause });
  return new ImportError(66, path, `cannot be read (${code})`, { cause });
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    // Without O_NONBLOCK opening a named pipe would wait for somebody to write into it.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const found = await file.stat();
    if (found.isDirectory()) throw new ImportError(65, path, "is a directory where a file should be");
    if (!found.isFile()) throw new ImportError(65, path, "is not a regular file");
    if (found.size > LIMIT_BYTES) throw new ImportError(65, path, "is larger than 8 MiB");
    return await file.readFile();
  } catch (cause) {
    throw cause instanceof ImportError ? cause : fileProblem(path, cause);
  }
}

type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: string };

function parse(bytes: Uint8Array, syntax: "json" | "json5"): Parsed {
  const text = decode(bytes);
  if (text === undefined) return { ok: false, problem: "is not UTF-8 text" };
  if (text.trim() === "") return { ok: false, problem: "is empty" };
  try {
    return { ok: true, value: syntax === "json" ? JSON.parse(text) : JSON5.parse(text) };
  } catch (cause) {
    // The messages of both parsers quote the text, so only a position is taken.
    const position = syntax === "json" ? jsonPosition(text) : json5Position(cause);
    return { ok: false, problem: `is not valid ${syntax.toUpperCase()}${position}` };
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function jsonPosition(text: string): string {
  const errors: ParseError[] = [];
  try {
    parseTolerantly(text, errors, { disallowComments: true });
  } catch {
    // Nested too deeply for a parser that recurses: no position then.
  }
  const [first] = errors;
  if (first === undefined) return "";
  const before = text.slice(0, first.offset).split("\n");
  return at(before.length, (before.at(-1)?.length ?? 0) + 1);
}

function json5Position(cause: unknown): string {
  if (!(cause instanceof Error) || !("lineNumber" in cause) || !("columnNumber" in cause)) return "";
  return at(Number(cause.lineNumber), Number(cause.columnNumber));
}

function at(line: number, column: number): string {
  return ` (line ${line}, column ${column})`;
}

function isAbsence(cause: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(codeOf(cause));
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
}
