import type { Now } from "../domain/time.ts";
import { objectOf } from "./fields.ts";
import { ImportError, kindOfPath, readJsonFile } from "./file.ts";
import type { ImportContext, ImportPlan, Skipped } from "./item.ts";
import { readDatabase } from "./openclaw-database.ts";
import { readEntry } from "./openclaw-entry.ts";
import { type AgentLogin, mergeLogins } from "./openclaw-merge.ts";
import { ordersOf, orderWarnings } from "./openclaw-orders.ts";
import { type AgentFiles, locateOpenclaw, MAIN, type OpenclawPlace } from "./openclaw-place.ts";
import { type OpenclawState, type Orders, ordersIn, stateOf, storeEntries } from "./openclaw-store.ts";
import { readUsage } from "./openclaw-usage.ts";

interface Agent {
  readonly agent: string;
  readonly logins: readonly AgentLogin[];
  readonly skipped: readonly Skipped[];
  readonly state: OpenclawState;
}

/**
 * Reads the logins of all agents, or of the one asked for, with the orders and the limits that were
 * running. A file that cannot be read is skipped while another one holds a login; rejects with
 * `ImportError` if none does. Nothing outside OpenClaw's own files is looked at.
 */
export async function readOpenclaw(path: string | undefined, context: ImportContext): Promise<ImportPlan> {
  const place = await locateOpenclaw(path, context);
  const agents: Agent[] = [];
  const failures: ImportError[] = [];
  const warnings: string[] = [];
  const attempt = async (read: () => Promise<Agent>) => {
    try {
      agents.push(await read());
    } catch (cause) {
      if (!(cause instanceof ImportError)) throw cause;
      failures.push(cause);
    }
  };
  for (const files of place.agents) {
    const { databasePath } = files;
    if (databasePath !== undefined)
      await attempt(() => readOneDatabase(files.agent, databasePath, context.now));
    if (databasePath === undefined || files.credentialsPath !== undefined)
      await attempt(() => readAgent(files, context, warnings));
  }
  const { databasePath } = place;
  if (databasePath !== undefined) await attempt(() => readOneDatabase(MAIN, databasePath, context.now));
  const hasLogins = agents.some((agent) => agent.logins.length > 0);
  if (!hasLogins && failures[0] !== undefined) throw failures[0];
  const configured = await configuredOrders(place, context, warnings);
  const plan = planOfAgents(agents, configured, context.now.wallMs);
  return {
    ...plan,
    skipped: [
      ...failures.map((failure) => ({ item: failure.path, reason: failure.message })),
      ...plan.skipped,
    ],
    warnings: [...warnings, ...plan.warnings],
  };
}

async function readAgent(files: AgentFiles, context: ImportContext, warnings: string[]): Promise<Agent> {
  const { agent, credentialsPath: path } = files;
  const store = path === undefined ? undefined : await readJsonFile(path, "json", context.pause);
  const found = path === undefined ? NOTHING : loginsIn(store, path, agent, context.now);
  const state = await readIfThere(files.statePath, "json", context, warnings);
  return { agent, ...found, state: stateOf(state, store) };
}

async function readOneDatabase(agent: string, path: string, now: Now): Promise<Agent> {
  const { store, state } = await readDatabase(path);
  const found = store === undefined ? NOTHING : loginsIn(store, path, agent, now);
  return { agent, ...found, state: stateOf(state, store) };
}

const NOTHING = { logins: [], skipped: [] };

function loginsIn(store: unknown, path: string, agent: string, now: Now): Pick<Agent, "logins" | "skipped"> {
  const logins: AgentLogin[] = [];
  const skipped: Skipped[] = [];
  const where = agent === MAIN ? "" : ` (agent ${agent})`;
  for (const entry of storeEntries(store, path)) {
    const reading = readEntry(entry, path, now);
    if ("reason" in reading) skipped.push({ item: reading.item, reason: `${reading.reason}${where}` });
    else logins.push({ agent, writtenId: entry.id, profile: reading });
  }
  return { logins, skipped };
}

function planOfAgents(agents: readonly Agent[], configured: Orders, nowMs: number): ImportPlan {
  const warnings: string[] = [];
  const logins = withUsage(agents, nowMs, warnings);
  const merged = mergeLogins(logins);
  const idOf = (id: string) => {
    const login =
      logins.find((known) => known.writtenId === id) ?? logins.find(({ profile }) => profile.id === id);
    return login === undefined ? undefined : merged.ids.get(login);
  };
  // The order of `main` holds for all agents that inherit from it; that of one agent only where it was asked for alone.
  const mains = agents.filter(({ agent }) => agent === MAIN);
  const leading = mains.length > 0 || agents.length > 1 ? mains : agents;
  const orders = ordersOf([...leading.map(({ state }) => state.orders), configured], idOf);
  const isHeld = (order: unknown) => orders.some((held) => JSON.stringify(held) === JSON.stringify(order));
  return {
    profiles: merged.profiles,
    skipped: [...agents.flatMap((agent) => agent.skipped), ...merged.skipped],
    orders,
    warnings: [
      ...warnings,
      ...merged.warnings,
      ...orderWarnings({ profiles: merged.profiles, orders }),
      ...agents
        .filter((agent) => !leading.includes(agent) && !ordersOf([agent.state.orders], idOf).every(isHeld))
        .map(
          ({ agent }) =>
            `the order that agent ${agent} keeps for itself is not taken over: here one order holds for all`,
        ),
    ],
  };
}

/** Every agent's limits at the login they are about: its own, else the one that it inherits from `main`. */
function withUsage(agents: readonly Agent[], nowMs: number, warnings: string[]): readonly AgentLogin[] {
  const logins = agents.flatMap((agent) => agent.logins);
  for (const { agent, state } of agents) {
    for (const [id, stats] of state.usage) {
      const has = (owner: string) => (login: AgentLogin) => login.agent === owner && login.writtenId === id;
      const index = [agent, MAIN].map((owner) => logins.findIndex(has(owner))).find((found) => found >= 0);
      const login = index === undefined ? undefined : logins[index];
      if (index === undefined || login === undefined) continue;
      const { cooldowns, warning } = readUsage(stats, nowMs);
      if (warning !== undefined) warnings.push(`${login.profile.id} ${warning}`);
      const profile = { ...login.profile, cooldowns: [...login.profile.cooldowns, ...cooldowns] };
      logins[index] = { ...login, profile };
    }
  }
  return logins;
}

async function configuredOrders(
  place: OpenclawPlace,
  context: ImportContext,
  warnings: string[],
): Promise<Orders> {
  if (place.configPath === undefined) return new Map();
  const config = objectOf(await readIfThere(place.configPath, "json5", context, warnings));
  const auth = objectOf(config?.auth);
  if (config !== undefined && ("$include" in config || (auth !== undefined && "$include" in auth))) {
    warnings.push(`${place.configPath}: an order in a file that it includes is not read`);
  }
  return ordersIn(auth?.order);
}

async function readIfThere(
  path: string,
  syntax: "json" | "json5",
  context: ImportContext,
  warnings: string[],
): Promise<unknown> {
  if ((await kindOfPath(path)) === "absent") return undefined;
  try {
    return await readJsonFile(path, syntax, context.pause);
  } catch (cause) {
    if (!(cause instanceof ImportError)) throw cause;
    warnings.push(`orders and limits there are not taken over: ${cause.message}`);
    return undefined;
  }
}
