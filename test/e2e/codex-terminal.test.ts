import { readFileSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { says } from "../support/codex-backend.mjs";
import { type CodexWorld, codexWorld, hasNamespaces, homesOf, onlyThread } from "../support/codex-world.ts";
import { usageLimitReached } from "../support/model-api.mjs";
import type { Running } from "../support/process.mjs";
import { hasTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";

const ESC = "\u001b";
/** No question whether another model is to be used. */
const QUIET = "[notice]\nhide_rate_limit_model_nudge = true\n";

describe.skipIf(!(await hasNamespaces()) || !hasTerminal)("codex on a terminal", () => {
  test("at a usage limit it says which command goes on with the next account, and that does", async () => {
    const world = await codexWorld({ tls: true });
    const { backend, codexHome, work, login, startOnTerminal } = world;
    for (const name of ["a", "b"]) await login(name);
    await appendFile(
      join(codexHome, "config.toml"),
      `[projects."${work}"]\ntrust_level = "trusted"\n${QUIET}`,
    );
    const resetsAtMs = Date.now() + 3 * HOUR;
    backend.model = ({ account }) =>
      account === "acct-a" ? usageLimitReached({ resetsAtMs }) : says("whistling");

    const first = await startOnTerminal(["a task for the terminal"]);
    await greet(first);
    await until(() => first.stdout().includes("state=error"));
    await quit(world, first);
    const thread = await onlyThread(codexHome);
    expect(first.stdout()).toMatch(/auth-broker: openai-codex:a is at its limit until .*/);
    expect(first.stdout()).toContain(
      `\`auth-broker codex -- resume ${thread}\` goes on with the next account`,
    );

    const second = await startOnTerminal(["resume", thread, "go on"]);
    await greet(second);
    await backend.seen(({ body }) => body.includes("go on"));
    await quit(world, second);
    // Codex may also ask for a title or the like.
    const going = backend.modelRequests().filter(({ body }) => body.includes("go on"));
    expect(new Set(going.map(({ account }) => account))).toEqual(new Set(["acct-b"]));
    expect(going.some(({ body }) => body.includes("a task for the terminal"))).toBe(true);
    expect([...homesOf(first.pid), ...homesOf(second.pid)]).toEqual([]);
    await until(() => world.processes().length === 0);
  });
});

/** Answers where the cursor is, as a terminal does. */
async function greet(running: Running): Promise<void> {
  await until(() => running.stdout().includes(`${ESC}[6n`));
  running.type(`${ESC}[1;1R`);
}

/** Ends Codex itself, and waits for the launcher. A Ctrl-C may only close something, or come too late. */
async function quit({ processes }: CodexWorld, running: Running): Promise<void> {
  const isCodex = (pid: number) => /bin\/codex\0/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  for (const pid of processes().filter(isCodex)) process.kill(pid, "SIGTERM");
  await running.exited;
}
