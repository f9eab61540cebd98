import { type FileIdentity, fileIdentity, type ProcessFacts, processFacts } from "../system/process-facts.ts";
import type { Identity } from "./peer.ts";
import type { EndpointPolicy } from "./policy.ts";

/**
 * Judges the program behind a connection at this moment: `unverified` if it is not the one that connected, or the
 * system does not tell, `forbidden` if it is none that the policy names.
 */
export function judgeProgram(
  policy: Pick<EndpointPolicy, "executables" | "units">,
  { pid, program: first }: Identity,
): "allowed" | "forbidden" | "unverified" {
  const { executables, units } = policy;
  if (executables.length === 0 && units.length === 0) return "allowed";
  const now = pid === undefined || first === undefined ? undefined : processFacts(pid);
  if (first === undefined || now === undefined || !isSameProgram(first, now)) return "unverified";
  if (executables.length > 0) {
    if (now.executable === undefined) return "unverified";
    const { executable } = now;
    if (!executables.some((path) => isSameFile(executable, fileIdentity(path)))) return "forbidden";
  }
  if (units.length > 0 && (now.unit === undefined || !units.includes(now.unit))) return "forbidden";
  return "allowed";
}

/** False after exec, and for another process that got the number. */
function isSameProgram(first: ProcessFacts, now: ProcessFacts): boolean {
  if (first.start !== now.start) return false;
  if (first.executable === undefined || now.executable === undefined)
    return first.executable === now.executable;
  return isSameFile(first.executable, now.executable);
}

function isSameFile(a: FileIdentity, b: FileIdentity | undefined): boolean {
  return b !== undefined && a.device === b.device && a.inode === b.inode;
}
