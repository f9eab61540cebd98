import { lstatSync, type Stats } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { type Address, addressText, checkAddress, socketPath } from "./address.ts";
import { errorCode } from "./error.ts";
import { strangerAt } from "./pipe-owner.ts";

/** What is found at an address, and the sentence for a person. */
export interface Probe {
  /**
   * `live`: somebody accepts connections. `absent`: nobody does (no file, or a socket nobody listens on).
   * `denied`: this user may not connect, or must not, since the pipe is not its own. `not_a_socket`: something else
   * lies there.
   */
  readonly state: "live" | "absent" | "denied" | "not_a_socket";
  readonly message: string;
}

const ABSENT = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET"]);
const DENIED = new Set(["EACCES", "EPERM"]);
/** The queue of a listener is full: it lives, though it may be stopped. */
const BUSY = new Set(["EAGAIN", "EBUSY"]);

/**
 * Connects once and hangs up. Resolves for every state of the address; throws `EndpointError`
 * (exit 78) for one that cannot be used on this system, and the system's error for an unknown one.
 */
export async function probe(address: Address): Promise<Probe> {
  checkAddress(address);
  const shown = addressText(address);
  let stranger: string | undefined;
  const failure = await attempt(socketPath(address), async () => {
    stranger = await strangerAt(address);
  });
  const code = errorCode(failure);
  if (stranger !== undefined) return { state: "denied", message: stranger };
  if (failure === undefined || BUSY.has(code ?? "")) {
    return { state: "live", message: `a broker is listening at ${shown}` };
  }
  if (DENIED.has(code ?? "")) return { state: "denied", message: denial(address) };
  const obstacle = address.kind === "unix" ? obstacleAt(address.path) : undefined;
  if (obstacle !== undefined) return { state: "not_a_socket", message: obstacle };
  if (ABSENT.has(code ?? "")) {
    return {
      state: "absent",
      message: `no broker is listening at ${shown}; start one with \`auth-broker serve\``,
    };
  }
  if (code === "EPROTOTYPE") return { state: "not_a_socket", message: `${shown} is no stream socket` };
  throw failure;
}

/** Resolves with the error, or undefined if the connection was made; while it stands, `look` is called. */
function attempt(path: string, look: () => Promise<void>): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("error", resolve);
    socket.once("connect", () => {
      look()
        .then(
          () => undefined,
          (error: Error) => error,
        )
        .then(resolve)
        .finally(() => socket.destroy());
    });
  });
}

/** The kind of a directory entry, for messages. */
export function kindOfEntry(stats: Stats): string {
  if (stats.isSocket()) return "a socket";
  if (stats.isDirectory()) return "a directory";
  if (stats.isSymbolicLink()) return "a symbolic link";
  if (stats.isFile()) return "a plain file";
  return "a special file";
}

/** Says what lies in the way at `path` or above it; undefined if it is a socket or nothing. */
function obstacleAt(path: string): string | undefined {
  const { at, stats } = nearest(path);
  if (at === path)
    return stats.isSocket() || stats.isSymbolicLink()
      ? undefined
      : `${at} is ${kindOfEntry(stats)}, not a socket`;
  return stats.isDirectory() || stats.isSymbolicLink()
    ? undefined
    : `${at} is ${kindOfEntry(stats)}, not a directory`;
}

function denial(address: Address): string {
  if (address.kind === "pipe") return `permission denied on ${addressText(address)}`;
  const { at, stats } = nearest(address.path);
  return `permission denied on ${at}, owned by uid ${stats.uid}`;
}

/** The path itself, or the closest entry above it that this user can see. */
function nearest(path: string): { readonly at: string; readonly stats: Stats } {
  for (let at = path; ; at = dirname(at)) {
    try {
      return { at, stats: lstatSync(at) };
    } catch (error) {
      if (at === "/") throw error;
    }
  }
}
