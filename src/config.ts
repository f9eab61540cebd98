import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { getNodeValue, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { ConfigError, lineAt, type Path, type Problem, problemAt, readIssues } from "./config/problem.ts";
import { type Config, resolve } from "./config/resolve.ts";
import { fileSchema } from "./config/schema.ts";
import { type EnvNames, envNamesOf } from "./domain/env-names.ts";

export { ConfigError, configSchema } from "./config/problem.ts";
export type { ProviderConfig } from "./config/provider-schema.ts";
export type { Config } from "./config/resolve.ts";
export type { OperatorRule } from "./config/rule-schema.ts";

const LARGEST_BYTES = 1024 * 1024;

/** The configuration of somebody who wrote none. */
export function defaultConfig(): Config {
  return resolve({}, () => {});
}

/**
 * Reads config.json. No such file: defaults. Rejects with `ConfigError` when there is one that
 * cannot be read or says something that is not understood.
 */
export async function loadConfig(file: string): Promise<Config> {
  const bytes = await readBytes(file);
  if (bytes === undefined) return defaultConfig();
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError(file, [{ path: "", message: "the file is not UTF-8 text" }], { cause });
  }
  return parseConfig(text, file);
}

async function readBytes(file: string): Promise<Buffer | undefined> {
  const refuse = (message: string, cause?: unknown) =>
    new ConfigError(file, [{ path: "", message }], { cause });
  // A pipe of that name would otherwise hold the start up for ever.
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined;
      throw refuse(unreadable(cause.code), cause);
    },
  );
  if (handle === undefined) return undefined;
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw refuse("this is a directory, not a file");
    if (!stat.isFile()) throw refuse("this is no ordinary file");
    if (stat.size > LARGEST_BYTES) throw refuse(`the file is larger than ${LARGEST_BYTES / 1024} KiB`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function unreadable(code: string | undefined): string {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "there is no permission to read this file";
    case "EISDIR":
      return "this is a directory, not a file";
    default:
      return `the file cannot be read (${code ?? "unknown error"})`;
  }
}

/** Reads the text of config.json; `file` is only named in the `ConfigError`. */
export function parseConfig(text: string, file: string): Config {
  const content = text.replace(/^\uFEFF/, "");
  const errors: ParseError[] = [];
  const root = parseTree(content, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const [broken] = errors;
  if (broken !== undefined) throw new ConfigError(file, [syntaxProblem(content, broken)]);
  if (root === undefined) {
    throw new ConfigError(file, [{ path: "", message: "the file is empty; write {} or remove it" }]);
  }
  const problems: Problem[] = [];
  const report = (path: Path, message: string) => {
    problems.push(problemAt(content, root, path, message));
  };
  const parsed = fileSchema.safeParse(getNodeValue(root));
  if (!parsed.success) {
    for (const { path, message } of readIssues(parsed.error)) report(path, message);
    throw new ConfigError(file, problems);
  }
  const config = resolve(parsed.data, report);
  if (problems.length > 0) throw new ConfigError(file, problems);
  return config;
}

function syntaxProblem(text: string, error: ParseError): Problem {
  const what = printParseErrorCode(error.error).replace(
    /(?!^)[A-Z]/g,
    (letter) => ` ${letter.toLowerCase()}`,
  );
  return { path: "", line: lineAt(text, error.offset), message: `not valid JSON: ${what}` };
}

/** Names of the variables that `run` sets for a provider, the operator's own first. */
export function envNamesFor(config: Config, providerId: string): EnvNames {
  return { ...envNamesOf(providerId), ...config.providers.get(providerId)?.env };
}
