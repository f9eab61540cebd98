import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { claudeHome } from "./claude.ts";
import { codexHome } from "./codex.ts";
import type { ImportContext } from "./item.ts";
import { openclawHome } from "./openclaw-place.ts";
import type { TakenOver } from "./strip.ts";

/** Which installation of which program. */
export interface Installation {
  readonly source: TakenOver;
  /** Its directory or file; absent: the usual place. */
  readonly from: string | undefined;
  readonly context: ImportContext;
}

/** A process as the system lists it. */
export interface Listed {
  readonly pid: number;
  readonly args: readonly string[];
  /** Undefined where the system does not tell. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const HOMES = { codex: codexHome, claude: claudeHome, openclaw: openclawHome } as const;
/** How a program's own file, or the title that it gives itself, ends. */
const NAMES: Readonly<Record<TakenOver, RegExp>> = {
  codex: /^codex(?:\.js|\.exe)?$/,
  claude: /^claude(?:\.exe)?$/,
  openclaw: /^openclaw(?:-[\w-]+)?(?:\.mjs)?$/,
};

/** The home of the installation that a directory or file of logins belongs to. */
export function installationHome(source: TakenOver, path: string): string {
  const whole = resolve(path);
  if (source === "openclaw") return whole.replace(/[/\\](?:agents|state|credentials)(?:[/\\].*)?$/, "");
  return whole.endsWith(".json") ? dirname(whole) : whole;
}

/**
 * Ids of the processes of a program that use the logins in its home. One with a home of its own, such as
 * a Codex that the broker started, does not count; one whose home cannot be told does.
 */
export function processesOf(
  source: TakenOver,
  home: string,
  context: ImportContext,
  listed: readonly Listed[] = listProcesses(),
): readonly number[] {
  return listed
    .filter(({ args }) => isProgram(args, NAMES[source]))
    .filter(({ env }) => env === undefined || homeOf(source, env, context) === home)
    .map(({ pid }) => pid);
}

function homeOf(source: TakenOver, env: NonNullable<Listed["env"]>, context: ImportContext): string {
  return HOMES[source]({ ...context, env, home: env.HOME ?? context.home });
}

/** The program itself, or a script that an interpreter runs: its first argument that is no option. */
function isProgram([program = "", ...rest]: readonly string[], name: RegExp): boolean {
  // A title may be followed by more: "openclaw-gateway: running".
  const [title = ""] = basename(program).split(/[\s:]/);
  if (name.test(title)) return true;
  const script = rest.find((arg) => !arg.startsWith("-"));
  return /^(?:node|bun|deno)(?:\.exe)?$/.test(basename(program)) && name.test(basename(script ?? ""));
}

/** This user's processes but this one. Those of others use other homes. */
function listProcesses(): readonly Listed[] {
  if (process.platform === "linux") return readdirSync("/proc").flatMap(ofProc);
  if (process.platform === "win32") return [];
  const lines = execFileSync("ps", ["-x", "-o", "pid=,args="], { encoding: "utf8" }).split("\n");
  return lines.flatMap((line) => {
    const [, pid, args] = /^\s*(\d+)\s+(.+)$/.exec(line) ?? [];
    return args === undefined ? [] : [{ pid: Number(pid), args: args.split(" ") }];
  });
}

function ofProc(name: string): readonly Listed[] {
  if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
  try {
    if (statSync(`/proc/${name}`).uid !== process.geteuid?.()) return [];
    const args = texts(`/proc/${name}/cmdline`);
    return args.length === 0 ? [] : [{ pid: Number(name), args, ...environment(name) }];
  } catch {
    // Over by now.
    return [];
  }
}

function environment(pid: string): Pick<Listed, "env"> {
  try {
    const pairs = texts(`/proc/${pid}/environ`).map((text) => text.split(/=(.*)/s, 2));
    return { env: Object.fromEntries(pairs) };
  } catch {
    return {};
  }
}

function texts(path: string): readonly string[] {
  return readFileSync(path, "utf8").split("\0").slice(0, -1);
}
