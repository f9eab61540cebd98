import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { brokerCli, type Cli, emptyCli, MAIN } from "../support/cli.ts";
import type { Running } from "../support/process.mjs";
import { hasTerminal, startOnTerminal } from "../support/terminal.ts";

if (!hasTerminal) console.warn("script of util-linux is missing: what a terminal shows is NOT tested");

function onTerminal(cli: Cli, args: string, env: Record<string, string> = {}): Promise<Running> {
  const whole = { TERM: "xterm", ...cli.env, ...env };
  return startOnTerminal([process.execPath, MAIN, ...args.split(" ")], { env: whole });
}

async function shown(cli: Cli, args: string, env?: Record<string, string>): Promise<string> {
  const running = await onTerminal(cli, args, env);
  await running.exited;
  return running.stdout();
}

describe.runIf(hasTerminal)("on a terminal", () => {
  test("tables have colour, unless NO_COLOR or TERM=dumb says otherwise, and fit its width", async () => {
    const { broker, cli } = await brokerCli();
    await broker.put("openai-codex:a");
    expect(await shown(cli, "explain openai-codex")).toContain("\u001b[1mRANK");
    for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
      expect(await shown(cli, "explain openai-codex", env)).not.toContain("\u001b");
    }
    const narrow = await shown(cli, "explain openai-codex", { NO_COLOR: "1", COLUMNS: "46" });
    for (const line of narrow.split("\r\n")) expect(line.length).toBeLessThanOrEqual(46);
    expect(narrow).toContain("…");
  });

  test("a secret is asked for and not shown, with mistakes taken back", async () => {
    const { cli } = await brokerCli();
    const running = await onTerminal(cli, "profiles add openai-api:k --api-key");
    await untilShown(running, "API key for openai-api:k: ");
    running.send("sk-FAKEx\u007f-1");
    expect(await running.exited).toMatchObject({ code: 0 });
    expect(running.stdout()).toContain("added openai-api:k");
    expect(running.stdout()).not.toContain("FAKE");
    expect((await cli("token openai-api")).stdout).toBe("sk-FAKE-1\n");
  });

  test("JSON is asked for up to Ctrl-D, and not shown either", async () => {
    const { cli } = await brokerCli();
    const running = await onTerminal(cli, "profiles add openai-api:k");
    await untilShown(running, "then Ctrl-D: ");
    running.send('{"apiKey":\n{"key":"sk-FAKE-1"}}\u0004');
    expect(await running.exited).toMatchObject({ code: 0 });
    expect(running.stdout()).not.toContain("FAKE");
  });

  test("Ctrl-C at the question ends it with 130", async () => {
    const { broker, cli } = await brokerCli();
    const running = await onTerminal(cli, "profiles add openai-api:k --token");
    await untilShown(running, "token for openai-api:k: ");
    running.send("tok\u0003");
    expect(await running.exited).toMatchObject({ code: 130 });
    expect((await broker.list()).profiles).toEqual([]);
  });

  test("serve logs for people and says where it serves", async () => {
    const cli = await emptyCli();
    const running = await onTerminal(cli, "serve", { NO_COLOR: "1" });
    onTestFinished(async () => void (await running.kill("SIGKILL")));
    await running.line(/INFO.*the broker serves/);
    await running.line(new RegExp(`serving at ${cli.home}/run/agent\\.sock`));
    running.send("\u0003");
    expect(await running.exited).toMatchObject({ code: 0 });
  });

  test("anything that takes over a second says that it waits", async () => {
    const cli = await emptyCli();
    const path = join(cli.home, "s.sock");
    // Takes connections and never says a word.
    const silent = createServer((socket) => socket.on("error", () => {})).listen(path);
    onTestFinished(() => void silent.close());
    await once(silent, "listening");
    const running = await onTerminal(cli, "token openai-codex", { AUTH_BROKER_SOCKET: path });
    onTestFinished(async () => void (await running.kill("SIGKILL")));
    await untilShown(running, "waiting for the broker… 1 s");
  });
});

/** Waits for a text that no line break follows. */
async function untilShown(running: Running, text: string): Promise<void> {
  while (!running.stdout().includes(text)) await new Promise((resolve) => setImmediate(resolve));
}
