import { lstatSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { EndpointError, errorCode } from "./error.ts";
import { asEndpointError, checkDirectory } from "./path-check.ts";
import type { SocketMode } from "./policy.ts";
import { kindOfEntry, probe } from "./probe.ts";

/**
 * Makes sure that a socket may be put at `path`: the way there is safe, and what lies there is
 * nothing or a dead socket of our own. Removes nothing. The directory of a private socket is made
 * if it is missing; that of a shared one is the operator's. Rejects with `EndpointError`: exit 75
 * for a live broker, 77 or 78 for anything else, naming it.
 */
export async function claim(path: string, mode: SocketMode, uid: number): Promise<void> {
  checkDirectory(dirname(path), uid, mode === "private");
  const stats = statsAt(path);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw untouched(`${path} is ${kindOfEntry(stats)}`);
  if (stats.uid !== uid) throw untouched(`${path} is a socket of uid ${stats.uid}`);
  // Whether it is alive only a connection tells: bind says EADDRINUSE for both.
  const found = await probe({ kind: "unix", path });
  if (found.state === "live") throw new EndpointError(75, `a broker is already listening at ${path}`);
  if (found.state !== "absent") throw untouched(found.message);
}

function statsAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw asEndpointError(error, path);
  }
}

function untouched(what: string): EndpointError {
  return new EndpointError(78, `${what}; it was left alone: move it away or use another path`);
}
