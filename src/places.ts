import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { posix, win32 } from "node:path";
import { type Address, parseAddress } from "./endpoint/address.ts";
import { EndpointError } from "./endpoint/error.ts";

/** Where everything of one installation lies. Paths are absolute; nothing needs to exist. */
export interface Places {
  readonly configFile: string;
  readonly keyFile: string;
  /** What tells a restored older copy of the state; beside the key, so that no copy of the state holds it. */
  readonly countersFile: string;
  readonly stateDir: string;
  /** The log of who did what. */
  readonly auditDir: string;
  readonly runDir: string;
  readonly agentAddress: Address;
  readonly adminAddress: Address;
}

/** The places of the user who runs this process. Throws `EndpointError` as `places` does. */
export function ownPlaces(env: Surroundings["env"]): Places {
  const { platform } = process;
  const given = env.AUTH_BROKER_HOME;
  if (given && isFile(given)) {
    throw new EndpointError(78, `AUTH_BROKER_HOME must name a directory; ${given} is a file`);
  }
  // A user without an entry in the password file has no name; only pipes need it.
  const user = platform === "win32" ? userInfo().username : "";
  return places({ env, platform, home: ownHome(env), user });
}

/** False also for what cannot be looked at; whoever opens it says why. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The home directory of the user who runs this process. Throws `EndpointError` (78) if there is none. */
export function ownHome(env: Surroundings["env"]): string {
  try {
    return homedir();
  } catch (cause) {
    if (env.AUTH_BROKER_HOME) return "/";
    throw new EndpointError(78, "this user has no home directory; set HOME or AUTH_BROKER_HOME", { cause });
  }
}

/**
 * Where what can be made again may be kept; nothing needs to exist. Undefined: nowhere, since
 * `AUTH_BROKER_HOME` names no directory that is there. Throws `EndpointError` as `ownHome` does.
 */
export function cacheDirectory(
  env: Surroundings["env"],
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const { isAbsolute, join } = pathOf(platform);
  const given = env.AUTH_BROKER_HOME;
  if (given) {
    const isThere = isAbsolute(given) && statSync(given, { throwIfNoEntry: false })?.isDirectory();
    return isThere ? join(given, "cache") : undefined;
  }
  const rooted = (variable: string, ...otherwise: string[]): string => {
    const value = env[variable];
    return join(value && isAbsolute(value) ? value : join(ownHome(env), ...otherwise), "auth-broker");
  };
  if (platform === "win32") return join(rooted("LOCALAPPDATA", "AppData", "Local"), "cache");
  return rooted("XDG_CACHE_HOME", ".cache");
}

/** What the places depend on; `process.env`, `process.platform`, `os.homedir()` and `os.userInfo().username`. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly user: string;
}

/**
 * Finds every place from the environment alone. `XDG_RUNTIME_DIR` is not used on purpose: cron, ssh,
 * sudo and services do not share it, and all of them must find the same socket.
 * Throws `EndpointError` (exit 78) for a relative `AUTH_BROKER_HOME` or an address in no known form. A relative
 * `XDG_*` directory is ignored, as the XDG Base Directory Specification demands.
 */
export function places(around: Surroundings): Places {
  const roots = around.env.AUTH_BROKER_HOME ? homeRoots(around) : defaultRoots(around);
  const address = (variable: string, end: string): Address => {
    const override = around.env[variable];
    if (override) return addressIn(variable, override, around.platform);
    if (around.platform === "win32") return { kind: "pipe", name: `${roots.pipePrefix}-${end}` };
    return { kind: "unix", path: posix.join(roots.runDir, `${end}.sock`) };
  };
  return {
    configFile: roots.configFile,
    keyFile: roots.keyFile,
    countersFile: `${roots.keyFile}.counters`,
    stateDir: roots.stateDir,
    // Beside the state: a copy of the state stays a copy of what it was, whatever was asked.
    auditDir: pathOf(around.platform).join(roots.stateDir, "..", "audit"),
    runDir: roots.runDir,
    agentAddress: address("AUTH_BROKER_SOCKET", "agent"),
    adminAddress: address("AUTH_BROKER_ADMIN_SOCKET", "admin"),
  };
}

function addressIn(variable: string, text: string, platform: NodeJS.Platform): Address {
  try {
    return parseAddress(text, platform);
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    throw new EndpointError(error.exit, `${variable}: ${error.message}`, { cause: error });
  }
}

interface Roots {
  readonly configFile: string;
  readonly keyFile: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly pipePrefix: string;
}

function homeRoots({ env, platform, user }: Surroundings): Roots {
  const { isAbsolute, join, normalize } = pathOf(platform);
  const given = env.AUTH_BROKER_HOME ?? "";
  if (!isAbsolute(given)) {
    throw new EndpointError(78, `AUTH_BROKER_HOME must be an absolute path, not ${JSON.stringify(given)}`);
  }
  const home = normalize(given);
  return {
    configFile: join(home, "config.json"),
    keyFile: join(home, "key"),
    stateDir: join(home, "state"),
    runDir: join(home, "run"),
    pipePrefix: `auth-broker-${user}-${tagOf(home)}`,
  };
}

function defaultRoots({ env, platform, home, user }: Surroundings): Roots {
  const { isAbsolute, join } = pathOf(platform);
  const pipePrefix = `auth-broker-${user}`;
  const rooted = (variable: string, otherwise: string): string => {
    const value = env[variable];
    return join(value && isAbsolute(value) ? value : otherwise, "auth-broker");
  };
  if (platform === "win32") {
    const root = rooted("LOCALAPPDATA", join(home, "AppData", "Local"));
    return {
      configFile: join(root, "config.json"),
      keyFile: join(root, "key"),
      stateDir: join(root, "state"),
      runDir: join(root, "run"),
      pipePrefix,
    };
  }
  const config = rooted("XDG_CONFIG_HOME", join(home, ".config"));
  const state = rooted("XDG_STATE_HOME", join(home, ".local", "state"));
  return {
    configFile: join(config, "config.json"),
    keyFile: join(config, "key"),
    stateDir: join(state, "state"),
    runDir: join(state, "run"),
    pipePrefix,
  };
}

function pathOf(platform: NodeJS.Platform): typeof posix {
  return platform === "win32" ? win32 : posix;
}

/** Pipe names are one flat space for the whole machine, and Windows paths ignore case. */
function tagOf(home: string): string {
  return createHash("sha256").update(home.toLowerCase()).digest("hex").slice(0, 8);
}
