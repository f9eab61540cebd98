import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Cli, emptyCli, MAIN } from "../support/cli.ts";
import { type Running, start } from "../support/process.mjs";

/** A module that writes down which processes load it, and does more if it is told to. */
async function intruder(cli: Cli, more = ""): Promise<{ path: string; loadedBy: () => Promise<number[]> }> {
  const path = join(cli.home, "intruder.cjs");
  const list = join(cli.home, "loaded");
  await writeFile(path, `require("fs").appendFileSync(${JSON.stringify(list)}, process.pid + "\\n");${more}`);
  const loadedBy = async () => (await readFile(list, "utf8")).trim().split("\n").map(Number);
  return { path, loadedBy };
}

async function serving(cli: Cli, options: readonly string[], env: Record<string, string>): Promise<Running> {
  const daemon = await start(process.execPath, [...options, MAIN, "serve"], { env: { ...cli.env, ...env } });
  onTestFinished(async () => void (await daemon.kill("SIGKILL")));
  await daemon.line(/the broker serves/);
  return daemon;
}

/** The process that owns the state. */
async function ownerOf(cli: Cli): Promise<number> {
  const { stderr } = await cli("serve");
  return Number(/process (\d+)/.exec(stderr)?.[1]);
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const opened = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return opened;
}

test.each([
  ["by an option", "", ["--inspect=127.0.0.1:0"]],
  [
    "by SIGUSR1 before the broker takes that signal",
    `process.kill(process.pid, "SIGUSR1")`,
    ["--inspect-port=127.0.0.1:0"],
  ],
])("an inspector that was opened %s is closed before there are tokens", async (_how, more, options) => {
  const cli = await emptyCli();
  const { path } = await intruder(cli, more);
  const daemon = await serving(cli, [...options, "--require", path], {});
  const [, port] = await daemon.line(/Debugger listening on ws:\/\/127\.0\.0\.1:(\d+)/);
  expect(await isOpen(Number(port))).toBe(false);
});

test("what NODE_OPTIONS loads is not in the broker, whose signals and exit code pass through", async () => {
  const cli = await emptyCli();
  const { path, loadedBy } = await intruder(cli);
  const first = await serving(cli, [], { NODE_OPTIONS: `--require ${path} --max-old-space-size=512` });
  const owner = await ownerOf(cli);
  expect(await loadedBy()).toEqual([first.pid]);
  expect(owner).not.toBe(first.pid);
  expect(await readFile(`/proc/${owner}/environ`, "utf8")).toContain(
    "NODE_OPTIONS=--max-old-space-size=512\0",
  );
  expect(await first.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(await cli("status")).toMatchObject({ code: 69 });
});

test.each(["LD_PRELOAD", "LD_AUDIT"])("%s is not in the broker's environment", async (variable) => {
  const cli = await emptyCli();
  const first = await serving(cli, [], { [variable]: join(cli.home, "no-such.so") });
  const owner = await ownerOf(cli);
  expect(owner).not.toBe(first.pid);
  expect(await readFile(`/proc/${owner}/environ`, "utf8")).not.toContain(variable);
});

test("a broker that was started clean ends with the process that was asked for, also by SIGKILL", async () => {
  const cli = await emptyCli();
  const first = await serving(cli, [], { NODE_OPTIONS: "--trace-warnings" });
  await first.kill("SIGKILL");
  while ((await cli("status")).code !== 69);
  await serving(cli, [], {});
});

test("an environment without any of these costs no second process", async () => {
  const cli = await emptyCli();
  const daemon = await serving(cli, [], { NODE_OPTIONS: "--max-old-space-size=512 --no-warnings" });
  expect(await ownerOf(cli)).toBe(daemon.pid);
});
