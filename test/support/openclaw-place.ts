import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { MAIN } from "./cli.ts";
import type { OpenclawProgram } from "./openclaw-program.mjs";
import { type Finished, type ProcessOptions, type Running, run, start } from "./process.mjs";
import { startOnTerminal, WIDE } from "./terminal.ts";

/** A user with a real OpenClaw in the PATH, on a network that has nothing but loopback. */
export interface OpenclawPlace {
  /** The user's home directory, which is the broker's too. */
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `openclaw` with these arguments. Throws if it fails. */
  openclaw(args: string, options?: ProcessOptions & { readonly program?: OpenclawProgram }): Promise<string>;
  /** `auth-broker` with these arguments, on the Node that OpenClaw has. `main`: of another installation. */
  cli(args: string, options?: ProcessOptions & { readonly main?: string }): Promise<Finished>;
  /** The same, left running. */
  startCli(args: string): Promise<Running>;
  /** `openclaw` left running, in the network of `cli`. */
  startOpenclaw(args: string): Promise<Running>;
  /** The same with a terminal. */
  onTerminal(args: string): Promise<Running>;
  /** A process that lives in this network. */
  readonly network: number;
}

/** All that is started runs in one network. */
export async function openclawPlace(program: OpenclawProgram): Promise<OpenclawPlace> {
  const home = await mkdtemp(join(tmpdir(), "claw-"));
  onTestFinished(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  const bin = join(home, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "openclaw"), `#!/bin/sh\nexec "${program.node}" "${program.main}" "$@"\n`);
  await chmod(join(bin, "openclaw"), 0o755);
  await mkdir(join(home, "broker"), { mode: 0o700 });
  const env = {
    PATH: `${bin}:${dirname(program.node)}:/usr/bin:/bin`,
    HOME: home,
    AUTH_BROKER_HOME: join(home, "broker"),
    TZ: "UTC",
    NO_COLOR: "1",
  };
  const network = await start("unshare", ["-n", "sh", "-c", "ip link set lo up && echo up && exec cat"], {
    keepStdin: true,
  });
  onTestFinished(() => network.kill("SIGKILL").then(() => {}));
  await network.line(/^up$/);
  const within = (command: readonly string[]) => [`--net=/proc/${network.pid}/ns/net`, "--", ...command];
  const words = (text: string) => text.split(" ").filter((word) => word !== "");
  const whole = (options: ProcessOptions = {}) => ({
    cwd: home,
    ...options,
    env: { ...env, ...options.env },
  });
  const cliCommand = (args: string, main = MAIN) => within([program.node, main, ...words(args)]);
  const clawCommand = ({ node, main }: OpenclawProgram, args: string) => within([node, main, ...words(args)]);
  return {
    ...{ home, env, network: network.pid },
    async openclaw(args, { program: other = program, ...options } = {}) {
      const { code, stdout, stderr } = await run("nsenter", clawCommand(other, args), whole(options));
      if (code !== 0) throw new Error(`openclaw ${args} ended with ${code}\n${stdout}\n${stderr}`);
      return stdout;
    },
    cli: (args, { main, ...options } = {}) => run("nsenter", cliCommand(args, main), whole(options)),
    startCli: (args) => start("nsenter", cliCommand(args), whole()),
    startOpenclaw: (args) => start("nsenter", clawCommand(program, args), whole()),
    onTerminal: (args) => startOnTerminal([...WIDE, "nsenter", ...clawCommand(program, args)], whole()),
  };
}

/** A broker in a process of its own, on the Node that OpenClaw has. */
export async function serve(place: OpenclawPlace): Promise<void> {
  const broker = await place.startCli("serve");
  onTestFinished(() => broker.kill().then(() => {}));
  await broker.line(/the broker serves/);
}
