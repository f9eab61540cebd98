import { rm } from "node:fs/promises";
import { type Acquired, type Broker, connect } from "../client/index.ts";
import { ownPlaces } from "../places.ts";
import { type CodexCall, readCall } from "./arguments.ts";
import { startChild } from "./child.ts";
import { copyDatabases, databasesPlace, makeDatabases } from "./databases.ts";
import { LaunchError } from "./error.ts";
import { linkUserHome, userHomeOf } from "./home.ts";
import { hireJanitor } from "./janitor.ts";
import { letGo } from "./lease.ts";
import { keepsThreads, planOf } from "./plan.ts";
import { homesRoot, makeHome, sweepHomes } from "./private-home.ts";
import { codexArguments, codexEnvironment, findCodex } from "./program.ts";
import { runToTheEnd } from "./run.ts";

const PROVIDER = "openai-codex";
/** Commands that ask nobody anything: they run on the user's own home, without a credential. */
const OFFLINE = new Set(["completion", "features", "help", "mcp", "sandbox", "update"]);
/** What the person at the keyboard wants of the broker. */
export interface LaunchOptions {
  readonly profile?: string | undefined;
  /** Default: the model that the arguments for Codex name. */
  readonly model?: string | undefined;
  readonly session?: string | undefined;
  /** False: a limit ends the run. */
  readonly failover: boolean;
}

/** Where it runs. */
export interface LaunchPlace {
  readonly env: NodeJS.ProcessEnv;
  /** This program's own file: it may have been installed under the name `codex`. */
  readonly self: string;
  /** Says one line to the person. */
  readonly note: (line: string) => void;
}

/**
 * Runs Codex on a credential of the broker, and gives Codex's own exit code. Rejects with `LaunchError` or
 * `BrokerError` if Codex was not started.
 */
export async function launchCodex(
  args: readonly string[],
  options: LaunchOptions,
  place: LaunchPlace,
): Promise<number> {
  const call = readCall(args);
  refuse(call);
  const program = findCodex(place.env, place.self);
  if (call.isHelp || OFFLINE.has(call.command) || isTool(call)) {
    return (await startChild(program, args, { env: place.env })).ended;
  }
  await using broker = await connect({ env: place.env });
  const model = options.model ?? call.model;
  if (call.isAppServer) {
    const { serveAppServer } = await import("./serve.ts");
    const { session: sessionId, profile, failover } = options;
    const { env, note } = place;
    const wanted = { provider: PROVIDER, sessionId, profile, model, failover };
    return await serveAppServer({ broker, program, args, env, note, options: wanted });
  }
  const acquired = broker.acquire({
    provider: PROVIDER,
    ...(options.profile !== undefined && { profile: options.profile }),
    ...(options.session !== undefined && { sessionId: options.session }),
    ...(model !== undefined && { model }),
  });
  return await runOnHome(call, args, options.failover, { ...place, broker, program, acquired });
}

/** What a run on a private home needs. */
interface Start extends LaunchPlace {
  readonly broker: Broker;
  readonly program: string;
  /** On its way: what needs no credential is done meanwhile. */
  readonly acquired: Promise<Acquired>;
}

/** Runs Codex on a private home that is gone afterwards. */
async function runOnHome(
  call: CodexCall,
  args: readonly string[],
  failover: boolean,
  { broker, program, acquired, note, env: whole }: Start,
): Promise<number> {
  acquired.catch(() => {});
  const { stateDir } = ownPlaces(whole);
  const { env, setAside } = codexEnvironment(whole);
  const root = homesRoot(stateDir);
  const sweep = sweepHomes(root).catch(() => {});
  const home = makeHome(root);
  const janitor = hireJanitor(home);
  const databases = databasesPlace(program, stateDir);
  let makesDatabases = false;
  try {
    linkUserHome(home, userHomeOf(whole, root), keepsThreads(call, failover));
    const hasDatabases = copyDatabases(databases, home);
    const granted = await acquired;
    for (const name of setAside) note(`${name} is set aside: this run uses ${granted.lease.profile}`);
    const exact = await withThread(call, args, home, granted);
    const plan = planOf(readCall(exact), codexArguments(home), exact, failover);
    const ownEnv = { ...env, CODEX_HOME: home };
    const setting = { ...plan, broker, program, env: ownEnv, home, janitor, note };
    const code = await runToTheEnd(granted, setting).catch(async (error: unknown) => {
      await letGo(broker, granted.lease);
      throw error;
    });
    makesDatabases = code === 0 && !hasDatabases;
    return code;
  } finally {
    await rm(home, { recursive: true, force: true });
    await sweep;
    janitor.dismiss();
    if (makesDatabases) await makeDatabases(program, databases, env);
  }
}

/** The last thread may be one of another account, which Codex finds only by its id. */
async function withThread(
  call: CodexCall,
  args: readonly string[],
  home: string,
  { credential }: Acquired,
): Promise<readonly string[]> {
  if (call.last === "") return args;
  const { findLastThread } = await import("./last-thread.ts");
  const last = await findLastThread(home, call.last === "all" ? undefined : (call.directory ?? "."));
  const isOthers = last !== undefined && last.accountId !== (credential.oauth?.accountId ?? "");
  return isOthers ? call.named(last.id) : args;
}

/** Login and logout would reach only the private home; another store would not read its file. */
function refuse({ command, subcommand, isHelp, isAppServer, overrides }: CodexCall): void {
  if (isHelp || isAppServer) return;
  const isLogin = command === "login" && subcommand === "";
  if (isLogin || command === "logout") {
    const help = isLogin ? "auth-broker login openai-codex" : "auth-broker profiles remove PROFILE";
    throw new LaunchError(
      64,
      `the broker keeps the logins, so \`codex ${command}\` would change nothing`,
      help,
    );
  }
  if (overrides.includes("cli_auth_credentials_store")) {
    throw new LaunchError(
      64,
      "the credential is handed over in a file, so cli_auth_credentials_store cannot be set for this run",
      "leave that -c away; what config.toml says about it does no harm",
    );
  }
}

/** What stands under `app-server` speaks with servers that run already, or with nobody. */
function isTool({ command, subcommand }: CodexCall): boolean {
  return command === "app-server" && subcommand !== "";
}
