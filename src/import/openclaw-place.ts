import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { textOf } from "./fields.ts";
import { fileProblem, ImportError, kindOfPath } from "./file.ts";
import type { ImportContext } from "./item.ts";

/** The agent whose logins all others inherit. */
export const MAIN = "main";

export interface AgentFiles {
  readonly agent: string;
  /** Absent: the agent has no logins of its own. */
  readonly credentialsPath?: string;
  readonly statePath: string;
  /** The database that took the place of both files. Absent: there is none. */
  readonly databasePath?: string;
}

/** Where an installation of OpenClaw, or the part of it that was asked for, keeps what concerns us. */
export interface OpenclawPlace {
  /** `main` first, the others by name. */
  readonly agents: readonly AgentFiles[];
  readonly configPath?: string;
  /** The database of OpenClaw 2026.6 and later whose logins every agent inherits. */
  readonly databasePath?: string;
}

/** `$OPENCLAW_STATE_DIR`, else `~/.openclaw`. */
export function openclawHome(context: ImportContext): string {
  return resolve(textOf(context.env.OPENCLAW_STATE_DIR) ?? join(context.home, ".openclaw"));
}

/**
 * Finds the files. `path` is a state directory, an agent's directory or a file of credentials;
 * absent: the user's own installation. Rejects with `ImportError` if nothing is there.
 */
export async function locateOpenclaw(
  path: string | undefined,
  context: ImportContext,
): Promise<OpenclawPlace> {
  if (path === undefined) {
    const configPath = textOf(context.env.OPENCLAW_CONFIG_PATH);
    return wholeState(openclawHome(context), configPath);
  }
  if (/\.(json|sqlite)$/.test(path) || (await kindOfPath(path)) !== "directory") return oneFile(path);
  for (const directory of [path, join(path, "agent")]) {
    const own = (await credentialFile(directory)) ?? (await databaseIn(directory));
    if (own !== undefined) return oneFile(own);
  }
  return wholeState(path, undefined);
}

/** Every file and database of logins that is there. Rejects as `locateOpenclaw` does. */
export async function openclawStores(
  path: string | undefined,
  context: ImportContext,
): Promise<readonly string[]> {
  const { agents, databasePath } = await locateOpenclaw(path, context);
  const all = [databasePath, ...agents.flatMap((agent) => [agent.credentialsPath, agent.databasePath])];
  return all.filter((one) => one !== undefined);
}

async function wholeState(stateDir: string, configPath: string | undefined): Promise<OpenclawPlace> {
  const agents: AgentFiles[] = [];
  for (const agent of await agentNames(join(stateDir, "agents"))) {
    agents.push(await agentIn(join(stateDir, "agents", agent, "agent"), agent));
  }
  const databasePath = join(stateDir, "state", "openclaw.sqlite");
  const hasDatabase = await isThere(databasePath);
  const all = await withSharedFile(agents, join(stateDir, "credentials", "oauth.json"));
  const isBare = (agent: AgentFiles) =>
    agent.credentialsPath === undefined && agent.databasePath === undefined;
  if (!hasDatabase && all.every(isBare)) {
    throw new ImportError(66, stateDir, "no logins of any agent of OpenClaw are there");
  }
  return {
    agents: all,
    configPath: configPath ?? join(stateDir, "openclaw.json"),
    ...(hasDatabase ? { databasePath } : {}),
  };
}

/** The oldest file of all, which counted as long as `main` had none of its own. */
async function withSharedFile(agents: readonly AgentFiles[], path: string): Promise<readonly AgentFiles[]> {
  const main = agents.find((files) => files.agent === MAIN);
  if (main?.credentialsPath !== undefined || !(await isThere(path))) return agents;
  const statePath = main?.statePath ?? join(dirname(path), "auth-state.json");
  return [{ agent: MAIN, credentialsPath: path, statePath }, ...agents.filter((files) => files !== main)];
}

async function agentIn(directory: string, agent: string): Promise<AgentFiles> {
  const credentialsPath = await credentialFile(directory);
  const databasePath = await databaseIn(directory);
  return {
    agent,
    statePath: join(directory, "auth-state.json"),
    ...(credentialsPath === undefined ? {} : { credentialsPath }),
    ...(databasePath === undefined ? {} : { databasePath }),
  };
}

/** One agent's file or database; the configuration belongs to it if it lies where OpenClaw puts it. */
function oneFile(path: string): OpenclawPlace {
  const agentDir = dirname(path);
  const isDatabase = path.endsWith(".sqlite");
  const shared = join(dirname(agentDir), "openclaw.json");
  if (isDatabase && basename(path) === "openclaw.sqlite") {
    return { agents: [], databasePath: path, configPath: shared };
  }
  const agentsDir = dirname(dirname(agentDir));
  const isInPlace = basename(agentDir) === "agent" && basename(agentsDir) === "agents";
  const agent = isInPlace ? basename(dirname(agentDir)) : MAIN;
  return {
    agents: [
      {
        agent,
        statePath: join(agentDir, "auth-state.json"),
        ...(isDatabase ? { databasePath: path } : { credentialsPath: path }),
      },
    ],
    ...(isInPlace ? { configPath: join(dirname(agentsDir), "openclaw.json") } : {}),
  };
}

async function credentialFile(directory: string): Promise<string | undefined> {
  for (const name of ["auth-profiles.json", "auth.json"]) {
    const path = join(directory, name);
    if (await isThere(path)) return path;
  }
  return undefined;
}

async function databaseIn(directory: string): Promise<string | undefined> {
  const path = join(directory, "openclaw-agent.sqlite");
  return (await isThere(path)) ? path : undefined;
}

async function agentNames(directory: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(directory)).sort();
    return [...names.filter((name) => name === MAIN), ...names.filter((name) => name !== MAIN)];
  } catch (cause) {
    const problem = fileProblem(directory, cause);
    if (problem.exit === 66) return [];
    throw problem;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await kindOfPath(path)) !== "absent";
}
