import { ChildProcess, spawn } from "node:child_process";
import type { Notice } from "./domain/notice.ts";

/** A program that takes longer is ended, with all that it started. */
const LONGEST_RUN_MS = 30_000;
/** Notices that wait while a program runs; older ones are dropped first. */
const MOST_WAITING = 16;

export interface NotifierOptions {
  /** The operator's program with its arguments. It reads the notice as one JSON object from standard input. */
  readonly command?: readonly string[];
  /** Show notices on the desktop as well, with the system's own tool. */
  readonly desktop: boolean;
  /** Told once for each program that cannot be run or does not end well. */
  readonly warn: (message: string) => void;
  readonly platform?: NodeJS.Platform;
  /** Default: 30 s. */
  readonly longestRunMs?: number;
}

export interface Notifier {
  /** Never throws and never waits. */
  tell(notice: Notice): void;
  /** Ends what still runs and drops what waits. */
  stop(): void;
}

interface Errand {
  readonly argv: readonly string[];
  readonly input: string;
}

/** Runs the programs for notices, one at a time and each for a limited time. */
export function createNotifier(options: NotifierOptions): Notifier {
  const { command, desktop, warn, platform = process.platform, longestRunMs = LONGEST_RUN_MS } = options;
  const waiting: Errand[] = [];
  const complained = new Set<string>();
  let running: ChildProcess | undefined;
  let isStopped = false;

  const complain = (program: string, why: string) => {
    if (isStopped || complained.has(program)) return;
    complained.add(program);
    warn(`the program for notices, "${program}", ${why}; notices stand in this log too`);
  };
  const next = () => {
    const errand = running === undefined && !isStopped ? waiting.shift() : undefined;
    if (errand !== undefined) run(errand);
  };
  const run = ({ argv: [program = "", ...args], input }: Errand) => {
    const child = started(program, args);
    if (!(child instanceof ChildProcess)) {
      complain(program, `cannot be run (${child.code ?? "unknown error"})`);
      next();
      return;
    }
    running = child;
    const overdue = setTimeout(() => {
      complain(program, `was ended after ${longestRunMs / 1_000} s`);
      endGroup(child);
    }, longestRunMs);
    overdue.unref();
    const done = (why?: string) => {
      clearTimeout(overdue);
      if (why !== undefined) complain(program, why);
      if (running !== child) return;
      running = undefined;
      next();
    };
    child.once("error", (error: NodeJS.ErrnoException) =>
      done(`cannot be run (${error.code ?? "unknown error"})`),
    );
    child.once("exit", (code) => done(code === 0 || code === null ? undefined : `ended with ${code}`));
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    child.unref();
  };
  return {
    tell: (notice) => {
      if (isStopped) return;
      const errands = [
        ...(command === undefined
          ? []
          : [{ argv: command, input: `${JSON.stringify(noticeJson(notice))}\n` }]),
        ...(desktop ? desktopErrand(notice, platform) : []),
      ];
      waiting.push(...errands);
      waiting.splice(0, waiting.length - MOST_WAITING);
      next();
    },
    stop: () => {
      isStopped = true;
      waiting.length = 0;
      if (running !== undefined) endGroup(running);
    },
  };
}

/** The program, or why there is none: some failures of a start are thrown, others are told by an event. */
function started(program: string, args: readonly string[]): ChildProcess | NodeJS.ErrnoException {
  try {
    // A group of its own, so that whatever it started ends with it.
    return spawn(program, args, { stdio: ["pipe", "ignore", "ignore"], detached: true, windowsHide: true });
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

/** True where a person may be looking: a graphical session of Linux, or macOS. */
export function hasDesktop(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (platform === "darwin") return true;
  return platform === "linux" && Boolean(env.DISPLAY || env.WAYLAND_DISPLAY);
}

/** What the operator's program reads. */
function noticeJson({ kind, provider, profile, message, help, untilMs }: Notice) {
  const untilTime = untilMs === undefined ? null : new Date(untilMs).toISOString();
  return { kind, provider, profile, message, help, untilTime };
}

/** The standard tool of the system; none on Windows, which has none that takes a text. */
function desktopErrand({ message, help }: Notice, platform: NodeJS.Platform): readonly Errand[] {
  const text = plain(help === "" ? message : `${message}: ${help}`);
  if (platform === "linux") {
    // The body may be read as markup.
    const body = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return [{ argv: ["notify-send", "--app-name=auth-broker", "--", "auth-broker", body], input: "" }];
  }
  if (platform !== "darwin") return [];
  const script = 'display notification (item 1 of argv) with title "auth-broker"';
  const lines = ["on run argv", script, "end run"].flatMap((line) => ["-e", line]);
  return [{ argv: ["osascript", ...lines, text], input: "" }];
}

/** Without characters that drive something; labels are the operator's, but from files of others. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}

function endGroup(child: ChildProcess): void {
  try {
    if (child.pid === undefined || process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
