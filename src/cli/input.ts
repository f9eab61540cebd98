import { open } from "node:fs/promises";
import { CommandError, invalid } from "./command-error.ts";
import { readHidden } from "./prompt.ts";

/** Nothing that is read here is anywhere near it. */
const LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * What stands in a file, or comes from standard input for `-`. Rejects with `CommandError`: 65 not
 * usable, 66 not there, 77 no permission.
 */
export async function readInput(path: string): Promise<Buffer> {
  return path === "-" ? gather(process.stdin, "standard input") : readFile(path);
}

/**
 * The same as text, without a byte order mark. On a terminal a person is asked with `question`, and
 * what is typed is not shown.
 */
export async function readSecretInput(path: string, question: string, ends: "line" | "end"): Promise<string> {
  if (path === "-" && process.stdin.isTTY) return readHidden(question, ends);
  const name = path === "-" ? "standard input" : path;
  const text = textOf(await readInput(path), name);
  if (text.trim() === "") throw new CommandError(65, `${name} is empty`);
  return text;
}

/** Parses a JSON object. Throws `CommandError`, which tells where it was read and never what. */
export function parseObject(text: string, name: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new CommandError(65, `${name} is ${text.trim() === "" ? "empty" : "not valid JSON"}`);
  }
  if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return { ...parsed };
  throw invalid(`${name} must hold a JSON object`);
}

/** UTF-8 text without a byte order mark. Throws `CommandError` 65. */
export function textOf(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CommandError(65, `${name} is not UTF-8 text`);
  }
}

async function readFile(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    const stat = await file.stat();
    if (stat.isDirectory()) throw new CommandError(65, `${path} is a directory where a file should be`);
    if (stat.size > LIMIT_BYTES) throw tooLarge(path);
    // Not by its size, so that /dev/fd/3 and named pipes can be read too.
    return await gather(file.createReadStream({ autoClose: false }), path);
  } catch (error) {
    throw error instanceof CommandError ? error : fileProblem(path, error as NodeJS.ErrnoException);
  }
}

async function gather(stream: AsyncIterable<Buffer>, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > LIMIT_BYTES) throw tooLarge(name);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(name: string): CommandError {
  return new CommandError(65, `${name} is larger than 16 MiB`);
}

function fileProblem(path: string, { code }: NodeJS.ErrnoException): CommandError {
  if (code === "EACCES" || code === "EPERM") return new CommandError(77, `${path}: no permission`);
  if (code === "ENOENT" || code === "ENOTDIR") return new CommandError(66, `${path}: no such file`);
  return new CommandError(66, `${path} cannot be read (${code ?? "unknown"})`);
}
