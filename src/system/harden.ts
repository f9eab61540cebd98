import { native } from "./native.ts";
import { knowsPipes } from "./pipe.ts";

/** What could not be done, for people; empty if all is done. */
export type Missing = readonly string[];

const OPEN_PIPES =
  "the package koffi is not there, so that other users may connect to the pipes, and read, though not ask";
const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;

/**
 * Keeps this process's memory from other programs of the same user: no core file, no reading through /proc or by a
 * debugger (Linux), no diagnostic report. Root may still do all of it. Loads the native calls.
 */
export function harden(): Missing {
  const missing: string[] = [];
  noReports();
  if (process.platform === "win32") return knowsPipes() ? missing : [OPEN_PIPES];
  const calls = native();
  if (calls === undefined)
    return ["the package koffi is not there, so this process can be dumped and debugged"];
  // Two numbers of the system's word size; zero in any.
  if (calls.setrlimit(RLIMIT_CORE, Buffer.alloc(16)) !== 0) missing.push("core files cannot be switched off");
  if (process.platform === "linux" && calls.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) !== 0) {
    missing.push("this process can be dumped and debugged");
  }
  return missing;
}

/** They hold the environment and the heap's figures, and somebody else's options may ask for them. */
function noReports(): void {
  const { report } = process;
  if (report === undefined) return;
  report.reportOnFatalError = false;
  report.reportOnSignal = false;
  report.reportOnUncaughtException = false;
}
