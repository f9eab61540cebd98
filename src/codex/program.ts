import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { LaunchError } from "./error.ts";

/** They would take the place of the credential in the private home. */
const CONFLICTING = [
  "CODEX_API_KEY",
  "CODEX_ACCESS_TOKEN",
  "OPENAI_FEDERATION_RULE_ID",
  "OPENAI_IDENTITY_TOKEN_FILE",
  "OPENAI_WORKLOAD_IDENTITY_CONTEXT",
];

/** The environment of a Codex that runs on a private home. */
export function codexEnvironment(
  env: NodeJS.ProcessEnv,
  home: string,
  userHome: string,
): { readonly env: NodeJS.ProcessEnv; readonly setAside: readonly string[] } {
  const setAside = CONFLICTING.filter((name) => env[name] !== undefined && env[name] !== "");
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !CONFLICTING.includes(name)));
  return { env: { CODEX_SQLITE_HOME: userHome, ...rest, CODEX_HOME: home }, setAside };
}

/**
 * The `codex` that the user's own shell would start, never this program under that name.
 * Throws `LaunchError` (127) if none is installed.
 */
export function findCodex(env: NodeJS.ProcessEnv, self: string): string {
  const own = realpathSync(self);
  for (const directory of (env.PATH ?? "").split(delimiter)) {
    const path = join(directory, process.platform === "win32" ? "codex.cmd" : "codex");
    if (isAbsolute(directory) && isProgram(path) && realpathSync(path) !== own) return path;
  }
  throw new LaunchError(127, "there is no program codex in the PATH", "npm install -g @openai/codex");
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
