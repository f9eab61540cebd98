import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { runs, says } from "../support/codex-backend.mjs";
import { type CodexWorld, codexWorld, hasNamespaces } from "../support/codex-world.ts";
import { usageLimitReached } from "../support/model-api.mjs";
import { npmRegistry } from "../support/npm-registry.ts";
import { type OpenclawProgram, openclawProgram } from "../support/openclaw-program.mjs";

/** OpenClaw's harness for Codex; its versions are not those of OpenClaw. */
const HARNESS = "@openclaw/codex@2026.9.5";
const MODEL = "openai/gpt-5.6-terra";
const LONG = 900_000;

describe.skipIf(!(await hasNamespaces()))("the Codex harness of the real OpenClaw", () => {
  let program: OpenclawProgram;
  beforeAll(async () => {
    program = await openclawProgram();
  }, LONG);

  test("a turn that meets a limit in the middle of its work is finished by the next account, and no login is barred", {
    timeout: LONG,
  }, async () => {
    const { world, openclaw } = await withHarness(program);
    await world.login("a");
    await world.login("b");
    world.backend.model = ({ account, body }) => {
      if (!body.includes("function_call_output")) return runs("echo half of it");
      return account === "acct-a"
        ? usageLimitReached({ resetsAtMs: Date.now() + 3 * HOUR })
        : says("all of it");
    };
    const ask = async (agent: string) =>
      JSON.parse(await openclaw(["agent", "--local", "--agent", agent, "--message", "hello", "--json"]));
    const first = await ask("main");
    expect(first).toMatchObject({
      payloads: [{ text: "all of it" }],
      meta: { agentMeta: { agentHarnessId: "codex" } },
    });
    const accounts = () => world.backend.modelRequests().map(({ account }) => account);
    expect(accounts()).toEqual(["acct-a", "acct-a", "acct-b"]);
    expect((await world.broker.get("openai-codex:a")).state).toBe("PROFILE_STATE_COOLING_DOWN");
    expect(await ask("solenne")).toMatchObject({ payloads: [{ text: "all of it" }] });
    expect(accounts().slice(3)).toEqual(["acct-b", "acct-b"]);
  });
});

/** An OpenClaw with two agents whose turns Codex does, set up as a person would do it. */
async function withHarness(program: OpenclawProgram) {
  const world = await codexWorld({ tls: true });
  const user = dirname(world.codexHome);
  const stateDir = join(user, ".openclaw");
  const registry = await npmRegistry(user, world.network);
  const env = {
    ...registry,
    PATH: `${user}:${dirname(program.node)}:${world.env.PATH}`,
    TERM: "dumb",
    NO_COLOR: "1",
  };
  const path = join(user, "openclaw");
  await writeFile(path, `#!/bin/sh\nexec "${program.node}" "${program.main}" "$@"\n`);
  await chmod(path, 0o755);
  const done = async (command: string, args: readonly string[]) => {
    const { code, stdout, stderr } = await world.inside(command, args, { env });
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}\n${stdout}\n${stderr}`);
    return { stdout, stderr };
  };
  await done(path, ["plugins", "install", `npm:${HARNESS}`]);
  await writeConfig(join(stateDir, "openclaw.json"), world);
  for (const agent of ["main", "solenne"])
    await pointToBackend(join(stateDir, `agents/${agent}/agent`), world);
  const setup = await world.cli(["openclaw", "setup", "codex", "--write"], { env });
  expect(setup).toMatchObject({ code: 0 });
  const [login = ""] = /^echo .* \| openclaw .*$/m.exec(setup.stderr) ?? [];
  await done("sh", ["-c", login]);
  return { world, openclaw: async (args: readonly string[]) => (await done(path, args)).stdout };
}

/** Adds the agents. */
async function writeConfig(path: string, { work }: CodexWorld): Promise<void> {
  const config = JSON.parse(await readFile(path, "utf8"));
  config.plugins.slots = { memory: "none" };
  // On a busy machine a start of Codex takes longer than the minute that OpenClaw gives it.
  config.plugins.entries.codex.config = {
    ...config.plugins.entries.codex.config,
    appServer: { requestTimeoutMs: 300_000 },
  };
  config.agents = {
    ownership: "explicit",
    defaults: {
      systemAgent: { agentId: "main" },
      workspace: work,
      skipBootstrap: true,
      model: { primary: MODEL },
      models: { [MODEL]: { agentRuntime: { id: "codex" } } },
    },
    entries: { main: {}, solenne: {} },
  };
  await writeFile(path, JSON.stringify(config));
}

/** Codex asks the backend of the test as it would ask ChatGPT. */
async function pointToBackend(agentDir: string, { codexHome }: CodexWorld): Promise<void> {
  const own = await readFile(join(codexHome, "config.toml"), "utf8");
  const [, base] = /chatgpt_base_url = "(.*)"/.exec(own) ?? [];
  const home = join(agentDir, "codex-home");
  await mkdir(home, { recursive: true });
  await writeFile(
    join(home, "config.toml"),
    `chatgpt_base_url = "${base}"\nopenai_base_url = "${base}/codex"\n${own.slice(own.indexOf("[features]"))}`,
  );
}
