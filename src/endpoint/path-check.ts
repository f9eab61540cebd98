import { lstatSync, mkdirSync, readlinkSync, type Stats } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { EndpointError, errorCode } from "./error.ts";

/** As many symbolic links as the Linux kernel follows on one path. */
const MOST_LINKS = 40;

/**
 * Walks to a directory from the root and refuses every component that a user other than root or
 * `uid` could replace: owned by somebody else, or writable for group or others without the sticky
 * bit. Links of root or `uid` are followed, and what they lead through is checked too. What is
 * missing is made, mode 0700, if `create` is set. Throws `EndpointError` naming the component.
 */
export function checkDirectory(directory: string, uid: number, create: boolean): void {
  let current = "/";
  let links = 0;
  refuseReplaceable(current, lstatSync(current), uid);
  const ahead = components(directory);
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === "..") {
      current = dirname(current);
      continue;
    }
    const next = join(current, name);
    const stats = entry(next, create);
    refuseReplaceable(next, stats, uid);
    if (!stats.isSymbolicLink()) {
      current = next;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) throw new EndpointError(78, `too many symbolic links on the way to ${directory}`);
    const target = readlinkSync(next);
    if (isAbsolute(target)) current = "/";
    ahead.unshift(...components(target));
  }
}

function components(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function entry(path: string, create: boolean): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" && create) return make(path);
    if (errorCode(error) === "ENOENT") throw new EndpointError(78, `the directory ${path} does not exist`);
    throw asEndpointError(error, path);
  }
}

function make(path: string): Stats {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Made by somebody else meanwhile: it is judged like any other.
    if (errorCode(error) !== "EEXIST") throw asEndpointError(error, path);
  }
  return lstatSync(path);
}

function refuseReplaceable(path: string, stats: Stats, uid: number): void {
  if (stats.uid !== 0 && stats.uid !== uid) {
    throw new EndpointError(78, `${path} belongs to uid ${stats.uid}, who could replace the socket`);
  }
  if (stats.isSymbolicLink()) return;
  if (!stats.isDirectory()) throw new EndpointError(78, `${path} is not a directory`);
  const openToOthers = (stats.mode & 0o022) !== 0 && (stats.mode & 0o1000) === 0;
  if (openToOthers) {
    throw new EndpointError(
      78,
      `${path} is writable for its group or others, who could replace the socket; chmod go-w ${path}`,
    );
  }
}

/** A refusal of the file system, as one of ours. */
export function asEndpointError(cause: unknown, path: string): EndpointError {
  const code = errorCode(cause);
  if (code === "EACCES" || code === "EPERM") {
    return new EndpointError(77, `permission denied on ${path}`, { cause });
  }
  return new EndpointError(78, `${path} cannot be used: ${code ?? String(cause)}`, { cause });
}
