import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Cli, emptyCli, MAIN } from "./cli.ts";
import { type Running, start } from "./process.mjs";
import type { Json } from "./wire-json.ts";

export interface Serving {
  readonly cli: Cli;
  readonly daemon: Running;
  /** Runs a command at the endpoint of that name. */
  readonly at: (endpoint: string) => { readonly AUTH_BROKER_SOCKET: string };
}

/**
 * `auth-broker serve` as a process, with endpoints of these names and policies, and a key of one provider. Sockets for
 * others lie in a directory that others may enter.
 */
export async function serving(
  endpoints: Readonly<Record<string, Json>> = {},
  options: {
    readonly config?: Json;
    readonly node?: readonly string[];
    readonly env?: Record<string, string>;
  } = {},
): Promise<Serving> {
  const cli = await emptyCli(options.env);
  const open = join(cli.home, "open");
  await mkdir(open, { mode: 0o755 });
  const pathOf = (name: string) => join(open, `${name}.sock`);
  const config = {
    endpoints: Object.entries(endpoints).map(([name, policy]) => ({ name, path: pathOf(name), ...policy })),
    ...options.config,
  };
  await writeFile(join(cli.home, "config.json"), JSON.stringify(config));
  const daemon = await start(process.execPath, [...(options.node ?? []), MAIN, "serve", "--json"], {
    env: cli.env,
  });
  onTestFinished(async () => void (await daemon.kill("SIGKILL")));
  await daemon.line(/the broker serves/);
  // The broker closes the directory of its key to others.
  await chmod(cli.home, 0o711);
  const put = await cli("profiles add openrouter:work --api-key", { input: "sk-FAKE-0001\n" });
  if (put.code !== 0) throw new Error(put.stderr);
  return { cli, daemon, at: (endpoint) => ({ AUTH_BROKER_SOCKET: pathOf(endpoint) }) };
}
