import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { hasNamespaces } from "../support/codex-world.ts";
import { npmRegistry } from "../support/npm-registry.ts";
import { type OpenclawBackend, startOpenclawBackend } from "../support/openclaw-backend.mjs";
import { LOGIN, logIn } from "../support/openclaw-login.ts";
import { type OpenclawPlace, openclawPlace, serve } from "../support/openclaw-place.ts";
import { type OpenclawProgram, openclawProgram } from "../support/openclaw-program.mjs";
import { run } from "../support/process.mjs";
import { hasTerminal } from "../support/terminal.ts";
import { wayOut } from "../support/way-out.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const LONG = 900_000;

describe.skipIf(!(await hasNamespaces()) || !hasTerminal)("OpenClaw without the broker again", () => {
  let program: OpenclawProgram;
  beforeAll(async () => {
    program = await openclawProgram();
  }, LONG);

  test("all three ways set up, used and taken out: it is as it was, and answers by its own login", {
    timeout: LONG,
  }, async () => {
    const w = await withOwnLogin(program);
    expect(await w.ask()).toBe("hello from own");
    const before = await w.state();

    const main = await installedIn(w.home);
    await w.cli("profiles add anthropic:work --from-file -", { apiKey: { key: "sk-FAKE-work" } });
    for (const way of ["plugin", "secrets --provider anthropic"])
      await w.cli(`openclaw setup ${way} --write`, undefined, main);
    await w.logIn();
    expect(await w.ask()).toBe("hello from a");
    // Set up without the harness installed, each command of OpenClaw would first try to install it.
    for (const how of ["--write", "--undo"]) await w.cli(`openclaw setup codex ${how}`, undefined, main);

    await w.openclaw("models auth --agent main logout authbroker:pool --yes");
    for (const way of ["secrets", "plugin"]) await w.cli(`openclaw setup ${way} --undo`, undefined, main);
    await w.forgetModel();
    expect(await w.state()).toEqual(before);
    expect(await w.ask()).toBe("hello from own");
  });

  test("the package as npm packs it is installed by OpenClaw, serves, and leaves nothing when uninstalled", {
    timeout: LONG,
  }, async () => {
    const w = await withOwnLogin(program);
    await w.ask();
    const before = await w.state();

    const env = await npmRegistry(w.home, w.network);
    const source = `npm-pack:${await packedIn(w.home)} --force --accept-capabilities`;
    await w.openclaw(`plugins install ${source}`, { env });
    await w.logIn();
    expect(await w.ask()).toBe("hello from a");

    await w.openclaw("models auth --agent main logout authbroker:pool --yes");
    await w.openclaw("plugins uninstall authbroker --force");
    await w.forgetModel();
    expect(await w.state()).toEqual(before);
    expect(await w.ask()).toBe("hello from own");
  });
});

/** An OpenClaw that has a login of its own, and a broker with one account. */
async function withOwnLogin(program: OpenclawProgram) {
  const place = await openclawPlace(program);
  const { backend, baseUrl } = await backendFor(place);
  const config = join(place.home, ".openclaw/openclaw.json");
  await mkdir(join(place.home, ".openclaw"));
  await writeFile(config, ownConfig(baseUrl, join(place.home, "work")), { mode: 0o600 });
  await place.openclaw("models auth --agent main paste-token --provider own --profile-id own:mine", {
    input: "at-FAKE-own\n",
  });
  await serve(place);
  const cli = async (args: string, input?: object, main?: string) => {
    const options = { ...(input && { input: JSON.stringify(input) }), ...(main && { main }) };
    const ended = await place.cli(args, options);
    expect(ended, args).toMatchObject({ code: 0 });
  };
  await cli("profiles add openai-codex:a --from-file -", {
    oauth: { accessToken: "at-FAKE-a", refreshToken: "rt-FAKE-a", accountId: "acct-a" },
  });
  return {
    ...place,
    cli,
    /** One turn; gives the answer. */
    async ask() {
      const stdout = await place.openclaw("agent --local --agent main --message hi --json");
      expect(backend.requests.length).toBeGreaterThan(0);
      return JSON.parse(stdout).payloads[0].text;
    },
    logIn: async () => logIn(await place.onTerminal(`models auth --agent main ${LOGIN.join(" ")}`), baseUrl),
    /** What the login wrote, as the README takes it out. */
    async forgetModel() {
      for (const path of ["models.providers.authbroker", "plugins.entries.authbroker"])
        await place.openclaw(`config unset ${path}`);
      await place.openclaw('config unset agents.defaults.models["authbroker/gpt-5.6-terra"]');
      await place.openclaw("config set agents.defaults.model.primary own/m");
    },
    /** All that OpenClaw keeps of settings, plugins and logins, but for times. */
    async state() {
      const { meta, ...settings } = JSON.parse(await readFile(config, "utf8"));
      const { plugins } = JSON.parse(await place.openclaw("plugins list --json"));
      const { order } = JSON.parse(
        await place.openclaw("models auth order get --agent main --provider own --json"),
      );
      return {
        settings: withoutEmpty(settings),
        plugins: plugins
          .map(({ id, enabled }: { id: string; enabled: boolean }) => `${id} ${enabled}`)
          .sort(),
        logins: JSON.parse(await place.openclaw("models auth list --json")).profiles,
        order,
      };
    },
  };
}

/** OpenClaw leaves the last object around a value that it takes out. */
function withoutEmpty(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const parts = Object.entries(value).map(([key, part]) => [key, withoutEmpty(part)] as const);
  const kept = parts.filter(([, part]) => part !== undefined);
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** The package as npm packs it, built already. Gives the path. */
async function packedIn(place: string): Promise<string> {
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", place];
  const [{ filename }] = JSON.parse((await run("npm", args, { cwd: ROOT })).stdout) as [{ filename: string }];
  return join(place, filename);
}

/** The package installed as for a user: OpenClaw reads the whole directory of a plugin. Gives its program. */
async function installedIn(place: string): Promise<string> {
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
  const args = ["install", ...quiet, "--prefix", join(place, "lib"), await packedIn(place)];
  expect(await run("npm", args)).toMatchObject({ code: 0 });
  return join(place, "lib/node_modules/auth-broker/bin/auth-broker.js");
}

async function backendFor(place: OpenclawPlace): Promise<{ backend: OpenclawBackend; baseUrl: string }> {
  const socket = join(place.home, "backend.sock");
  const backend = await startOpenclawBackend({ socket });
  onTestFinished(() => backend.close());
  const port = await wayOut(place.network, socket);
  return { backend, baseUrl: `http://127.0.0.1:${port}/v1` };
}

function ownConfig(baseUrl: string, workspace: string): string {
  const own = { baseUrl, api: "openai-responses", auth: "token", models: [{ id: "m", name: "m" }] };
  return `// written by hand\n${JSON.stringify({
    models: { mode: "merge", providers: { own } },
    plugins: { slots: { memory: "none" } },
    agents: {
      ownership: "explicit",
      defaults: {
        systemAgent: { agentId: "main" },
        workspace,
        skipBootstrap: true,
        model: { primary: "own/m" },
      },
      entries: { main: {}, solenne: {} },
    },
  })}\n`;
}
