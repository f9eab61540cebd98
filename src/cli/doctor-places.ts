import { existsSync, lstatSync, readdirSync, type Stats } from "node:fs";
import { dirname, join } from "node:path";
import type { Places } from "../places.ts";
import { type Check, fail, ok, warn } from "./doctor-check.ts";

/** Group's and others' rights. */
const OTHERS = 0o077;
/** Nothing of ours lies deeper. */
const DEEPEST = 3;

/** Whether everything that is there belongs to this user and to nobody else. Windows keeps no modes. */
export function placeChecks(where: Places): readonly Check[] {
  if (process.platform === "win32") return [];
  return [
    ...own("directory", dirname(where.configFile)),
    ...own("directory", where.stateDir),
    ...own("directory", where.runDir),
    ...own("key", where.keyFile),
    ...own("key", where.countersFile).filter(({ status }) => status !== "ok"),
    ...configFile(where.configFile),
    ...stateFiles(where.stateDir),
    ...sockets(where),
  ];
}

/** Nothing at all for what is not there: the broker makes it. */
function own(topic: string, path: string): readonly Check[] {
  const found = look(topic, path);
  if (!("mode" in found)) return found;
  const mode = found.mode & 0o777;
  const me = process.geteuid?.();
  if (found.uid !== me)
    return [fail(topic, `${path} belongs to uid ${found.uid}, not to uid ${me}`, `chown ${me} ${path}`)];
  if ((mode & OTHERS) === 0) return [ok(topic, `${path} is private`)];
  return [fail(topic, `${path} is open to others (mode ${mode.toString(8)})`, `chmod go= ${path}`)];
}

/** It holds a secret only if the operator wrote one there. */
function configFile(path: string): readonly Check[] {
  return own("config", path).flatMap((check) =>
    check.status === "fail" ? [{ ...check, status: "warn" as const }] : [],
  );
}

function stateFiles(stateDir: string): readonly Check[] {
  const open = filesUnder(stateDir, DEEPEST).flatMap((path) =>
    own("state", path).filter(({ status }) => status === "fail"),
  );
  return open.length > 0
    ? open
    : !existsSync(stateDir)
      ? []
      : [ok("state", `all files in ${stateDir} are private`)];
}

function filesUnder(directory: string, depth: number): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() && depth > 0 ? [path, ...filesUnder(path, depth - 1)] : [path];
    });
  } catch {
    return [];
  }
}

/** A socket elsewhere may be one that serves other users on purpose. */
function sockets({ runDir, agentAddress, adminAddress }: Places): readonly Check[] {
  return [agentAddress, adminAddress].flatMap((address) =>
    address.kind === "unix" && dirname(address.path) === runDir ? own("socket", address.path) : [],
  );
}

function look(topic: string, path: string): Stats | readonly Check[] {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    return [warn(topic, `${path} cannot be looked at (${code})`, "run this as the user who owns it")];
  }
}
