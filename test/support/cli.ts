import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { type World, type WorldOptions, world } from "./broker-world.ts";
import { type Finished, type ProcessOptions, type Running, run, start } from "./process.mjs";

/** The built command line. */
export const MAIN = resolve(import.meta.dirname, "../../bin/auth-broker.js");

/** A command line as a user of its own runs it: nothing of this machine's user is seen. */
export interface Cli {
  readonly home: string;
  /** The user's home directory. */
  readonly user: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Runs a command to its end. Arguments are one text split at blanks, or a list. */
  (args: string | readonly string[], options?: ProcessOptions): Promise<Finished>;
  /** Starts a command and leaves it running. */
  readonly start: (args: string | readonly string[], options?: ProcessOptions) => Promise<Running>;
}

/** The command line of the broker that keeps everything in `home`. */
function cliOf(home: string, more: Readonly<Record<string, string | undefined>> = {}): Cli {
  const user = join(home, "user");
  const env = { PATH: process.env.PATH, TZ: "UTC", HOME: user, AUTH_BROKER_HOME: home, ...more };
  const words = (args: string | readonly string[]) =>
    typeof args === "string" ? args.split(" ").filter((word) => word !== "") : args;
  const whole = (options: ProcessOptions = {}) => ({ ...options, env: { ...env, ...options.env } });
  const cli = (args: string | readonly string[], options?: ProcessOptions) =>
    run(process.execPath, [MAIN, ...words(args)], whole(options));
  return Object.assign(cli, {
    home,
    user,
    env,
    start: (args: string | readonly string[], options?: ProcessOptions) =>
      start(process.execPath, [MAIN, ...words(args)], whole(options)),
  });
}

/** An empty home for one test, without a broker. */
export async function emptyCli(more?: Readonly<Record<string, string | undefined>>): Promise<Cli> {
  const home = await mkdtemp(join(tmpdir(), "cli-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return emptyCliIn(home, more);
}

/** The same in a directory that its owner removes. */
export async function emptyCliIn(
  home: string,
  more?: Readonly<Record<string, string | undefined>>,
): Promise<Cli> {
  const cli = cliOf(home, more);
  await mkdir(cli.user);
  return cli;
}

/** A running broker for one test, whose clock begins now, and its command line. */
export async function brokerCli(options: WorldOptions = {}): Promise<{ broker: World; cli: Cli }> {
  const broker = await world({ startMs: Date.now(), ...options });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  const cli = cliOf(broker.home);
  await mkdir(cli.user);
  return { broker, cli };
}

/** What a failed command says with `--json`. */
export function errorJson({ stderr }: Finished): {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
  readonly retryTime: string | null;
  readonly help: string;
  readonly profiles: readonly { readonly profile: string; readonly reason: string }[];
} {
  return JSON.parse(stderr);
}
