import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Exit } from "./process.mjs";
import { run, start } from "./process.mjs";

const FILE_CALLS =
  "openat,read,write,writev,pwrite64,ftruncate,fsync,fdatasync,close,rename,renameat2,unlink,unlinkat";

/** One system call on a path. */
export interface FileCall {
  /** The thread that made it; 0 in the log of a single one. */
  readonly tid: number;
  /** Name of the call, such as `fsync`. */
  readonly name: string;
  /** How manieth call of this name in its thread it is, from 1, as strace counts for `when=`. */
  readonly ordinal: number;
  /** The call as strace prints it, with paths, without content. */
  readonly text: string;
}

export interface TracedProgram {
  readonly file: string;
  readonly args: readonly string[];
  /** A line that the program prints when it waits for `input`. Only what follows is traced. */
  readonly ready: RegExp;
  readonly input: string;
  /** A line that it prints when it is done. */
  readonly done: RegExp;
}

export interface Trace extends Exit {
  readonly stdout: string;
  /** In the order in which they were made. */
  readonly calls: readonly FileCall[];
}

/** True if strace is there and may be used. */
export async function straceWorks(): Promise<boolean> {
  return run("strace", ["-qq", "-e", "trace=none", "true"]).then(
    ({ code }) => code === 0,
    () => false,
  );
}

/**
 * Runs a Node program with one thread for file operations, from its `ready` line on under strace,
 * and with its `inject` expression if one is given, such as `fsync:signal=KILL:when=2`.
 */
export async function trace(program: TracedProgram, scratch: string, inject?: string): Promise<Trace> {
  const child = await start(process.execPath, [program.file, ...program.args], {
    env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
    keepStdin: true,
  });
  await child.line(program.ready);
  const log = join(scratch, "strace.log");
  const strace = await start("strace", [
    ...["-f", "-y", "-s", "0", "-o", log, "-p", `${child.pid}`, "-e", `trace=${FILE_CALLS}`],
    ...(inject === undefined ? [] : ["-e", `inject=${inject}`]),
  ]);
  await strace.line(/attached/);
  child.send(program.input);
  await Promise.race([child.line(program.done).catch(() => {}), child.exited]);
  const exit = await child.kill("SIGKILL");
  await strace.exited;
  return { ...exit, stdout: child.stdout(), calls: parseTrace(readFileSync(log, "utf8")) };
}

/**
 * The calls in a log of strace, in the order in which they were made. A call during which another thread had
 * something to say stands in two pieces, `openat(… <unfinished ...>` and `<... openat resumed>…) = 3`.
 */
export function parseTrace(log: string): FileCall[] {
  const counts = new Map<string, number>();
  const unfinished = new Map<string, number>();
  const calls: FileCall[] = [];
  for (const line of log.split("\n")) {
    const [, tid = "0", rest = ""] = line.match(/^(?:(\d+) +)?(.*)$/) ?? [];
    const [, end] = rest.match(/^<\.\.\. \w+ resumed>(.*)$/) ?? [];
    const begun = end === undefined ? undefined : calls[unfinished.get(tid) ?? -1];
    if (begun !== undefined) {
      calls[calls.indexOf(begun)] = {
        ...begun,
        text: begun.text.replace(/ <unfinished \.\.\.>$/, end ?? ""),
      };
      continue;
    }
    const [, name] = rest.match(/^(\w+)\(/) ?? [];
    if (name === undefined) continue;
    const ordinal = (counts.get(`${tid} ${name}`) ?? 0) + 1;
    counts.set(`${tid} ${name}`, ordinal);
    if (rest.endsWith("<unfinished ...>")) unfinished.set(tid, calls.length);
    calls.push({ tid: Number(tid), name, ordinal, text: rest });
  }
  return calls;
}
