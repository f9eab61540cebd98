import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";

/** A terminal sends these to the program itself, so it would get them twice. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGWINCH"];
const FORWARDED: readonly NodeJS.Signals[] = [...FROM_TERMINAL, "SIGTERM", "SIGHUP"];

/** A program that runs in place of this one. */
export interface Child {
  readonly pid: number;
  /** Its own exit code, or 128+n for a signal, as a shell would give it. */
  readonly ended: Promise<number>;
}

/**
 * Starts a program on our own standard streams (`input`: text in place of standard input) and passes
 * signals on to it until it has ended. Rejects with the error of the system if it cannot be run.
 */
export async function startChild(
  program: string,
  args: readonly string[],
  { env, input }: { readonly env: NodeJS.ProcessEnv; readonly input?: string | undefined },
): Promise<Child> {
  const stdio: SpawnOptions["stdio"] = [input === undefined ? "inherit" : "pipe", "inherit", "inherit"];
  const { child, ended } = await spawned(program, args, { stdio, env });
  // A program that ends before it has read everything is no failure of ours.
  child.stdin?.on("error", () => {}).end(input);
  return { pid: child.pid ?? 0, ended };
}

/** A program whose standard input and output are ours to write and read. */
export interface PipedChild extends Child {
  readonly stdin: Writable;
  readonly stdout: Readable;
  kill(signal: NodeJS.Signals): void;
}

/** The same, but between the program and our own standard input and output stands the caller. */
export async function startPipedChild(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stderr: "inherit" | "ignore" = "inherit",
): Promise<PipedChild> {
  const { child, ended } = await spawned(program, args, { stdio: ["pipe", "pipe", stderr], env });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new TypeError("these are pipes");
  // A program that ends before it has read everything is no failure of ours.
  stdin.on("error", () => {});
  const kill = (signal: NodeJS.Signals) => void child.kill(signal);
  return { pid: child.pid ?? 0, stdin, stdout, kill, ended };
}

/** Signals are passed on from before the program starts: one that came in between would end us alone. */
async function spawned(program: string, args: readonly string[], options: SpawnOptions) {
  const isOnTerminal = process.stdin.isTTY === true;
  let child: ChildProcess | undefined;
  const forward = (signal: NodeJS.Signals) => {
    if (!(isOnTerminal && FROM_TERMINAL.includes(signal))) child?.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  const stop = () => {
    for (const signal of FORWARDED) process.off(signal, forward);
  };
  try {
    child = spawn(program, args, options);
    const ended = endOf(child).finally(stop);
    // Told by the event below if there is no such program.
    ended.catch(() => {});
    await once(child, "spawn");
    return { child, ended };
  } catch (error) {
    stop();
    throw error;
  }
}

async function endOf(child: ChildProcess): Promise<number> {
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
