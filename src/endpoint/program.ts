import {
  type FileIdentity,
  fileIdentity,
  type Sameness,
  sameness,
  unitOfProcess,
} from "../system/process-facts.ts";
import type { Identity } from "./peer.ts";
import type { EndpointPolicy } from "./policy.ts";

/** An update of an allowed program is noticed after so long. */
const FILES_HOLD_MS = 1_000;

type Judgement = "allowed" | "forbidden" | "unverified";

/**
 * Gives what judges the program behind a connection of an endpoint at this moment: `unverified` if it is not the one that
 * connected, or the system does not tell, `forbidden` if it is none that the policy names.
 */
export function programJudge({
  executables,
  units,
}: Pick<EndpointPolicy, "executables" | "units">): (identity: Identity) => Judgement {
  const isListed = fileList(executables);
  return ({ pid, program: first }) => {
    if (executables.length === 0 && units.length === 0) return "allowed";
    const now = pid === undefined || first === undefined ? undefined : sameness(pid);
    if (pid === undefined || first === undefined || now === undefined) return "unverified";
    if (!isSameProgram(first, now)) return "unverified";
    if (executables.length > 0) {
      if (now.executable === undefined) return "unverified";
      if (!isListed(now.executable)) return "forbidden";
    }
    if (units.length > 0 && !units.includes(unitOfProcess(pid) ?? "")) return "forbidden";
    return "allowed";
  };
}

/** Whether a file is at one of the paths, as they are now and then. */
function fileList(paths: readonly string[]): (file: FileIdentity) => boolean {
  let files: readonly (FileIdentity | undefined)[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  return (file) => {
    const nowMs = performance.now();
    if (nowMs - readAtMs > FILES_HOLD_MS) {
      files = paths.map(fileIdentity);
      readAtMs = nowMs;
    }
    return files.some((one) => isSameFile(file, one));
  };
}

/** False after exec, and for another process that got the number. */
function isSameProgram(first: Sameness, now: Sameness): boolean {
  if (first.start !== now.start) return false;
  if (first.executable === undefined || now.executable === undefined)
    return first.executable === now.executable;
  return isSameFile(first.executable, now.executable);
}

function isSameFile(a: FileIdentity, b: FileIdentity | undefined): boolean {
  return b !== undefined && a.device === b.device && a.inode === b.inode;
}
