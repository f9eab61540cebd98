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

/** Where the broker is: nothing for the commands that a model runs. */
const OURS = /^AUTH_BROKER_/;

/** The environment of a Codex that runs on a credential of the broker. */
export function codexEnvironment(env: NodeJS.ProcessEnv): {
  readonly env: NodeJS.ProcessEnv;
  readonly setAside: readonly string[];
} {
  const setAside = CONFLICTING.filter((name) => env[name] !== undefined && env[name] !== "");
  const isKept = (name: string) => !CONFLICTING.includes(name) && !OURS.test(name);
  return { env: Object.fromEntries(Object.entries(env).filter(([name]) => isKept(name))), setAside };
}

/**
 * Ours for an app-server, to stand after the user's own: the login that it is told stays in memory, and no
 * file of the user's is taken for one.
 */
export const APP_SERVER_ARGUMENTS: readonly string[] = [
  ...["-c", 'cli_auth_credentials_store="ephemeral"'],
  ...["--disable", "daemon_auto_start"],
];

/** Ours, to stand before the user's own arguments. */
export function codexArguments(home: string): readonly string[] {
  return [
    // Other stores do not read the file.
    ...["-c", 'cli_auth_credentials_store="file"'],
    // Its databases remember threads by paths that end with this run; a database of the user's own would
    // then not find them again, while a new one is filled from the sessions (measured).
    ...["-c", `sqlite_home=${JSON.stringify(home)}`],
    // It would outlive the run and its home.
    ...["--disable", "daemon_auto_start"],
  ];
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
