import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { brokerCli, emptyCli, errorJson } from "../support/cli.ts";

test("schema prints a JSON Schema", async () => {
  const shown = await (await emptyCli())("config schema");
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(shown.stdout)).toMatchObject({
    type: "object",
    properties: { providers: {}, cooldown: {} },
  });
});

test("check says that the file is fine, or that there is none", async () => {
  const cli = await emptyCli();
  const file = join(cli.home, "config.json");
  expect(await cli("config check")).toMatchObject({
    code: 0,
    stdout: `${file} does not exist; the defaults apply\n`,
  });
  expect(JSON.parse((await cli("config check --json")).stdout)).toEqual({
    file,
    exists: false,
    warnings: [],
  });
  await writeFile(file, '\uFEFF// comment\r\n{ "session": { "idleLimit": "2h" }, }\r\n');
  expect(await cli("config check")).toMatchObject({ code: 0, stdout: `${file} is fine\n`, stderr: "" });
  expect(await cli(`config check ${file}`)).toMatchObject({ code: 0 });
});

test.each([
  ["", "empty"],
  ["{", "not valid JSON"],
  ['{"sesion":{}}', '"session"'],
  ['{"session":{"idleLimit":3}}', "session.idleLimit"],
  ['{"session":{"idleLimit":"-3s"}}', "negative"],
  ['{"refresh":{"lanes":0}}', "refresh.lanes"],
])("a file that says %j is refused with 78, naming the fault, by check and by serve", async (text, why) => {
  const cli = await emptyCli();
  await writeFile(join(cli.home, "config.json"), text);
  for (const args of ["config check", "serve"]) {
    const ended = await cli(args);
    expect(ended).toMatchObject({ code: 78, stdout: "" });
    expect(ended.stderr).toContain(why);
    // Of a text that is no JSON the schema says nothing.
    expect(ended.stderr.includes("auth-broker config schema")).toBe(text.length > 1);
  }
  expect(errorJson(await cli("config check --json"))).toMatchObject({ code: "FAILED_PRECONDITION" });
});

test("paths tell where the home, the configuration, the state and the sockets lie", async () => {
  const cli = await emptyCli();
  const { home } = cli;
  expect(JSON.parse((await cli("config paths --json")).stdout)).toEqual({
    home,
    configFile: join(home, "config.json"),
    keyFile: join(home, "key"),
    stateDir: join(home, "state"),
    agentSocket: join(home, "run/agent.sock"),
    adminSocket: join(home, "run/admin.sock"),
  });
  expect((await cli("config paths")).stdout).toMatch(/^log +standard error of auth-broker serve/m);
});

test("a home that is a file is refused with 78 by every command", async () => {
  const cli = await emptyCli();
  const file = join(cli.home, "file");
  await writeFile(file, "");
  for (const args of ["status", "serve"]) {
    const ended = await cli(args, { env: { AUTH_BROKER_HOME: file } });
    expect(ended).toMatchObject({ code: 78, stdout: "" });
    expect(ended.stderr).toContain("AUTH_BROKER_HOME must name a directory");
  }
});

test("check warns of a rule for nobody, and of a broker older than the file", async () => {
  const { cli } = await brokerCli({ startMs: Date.now() - 60_000 });
  const rule = { name: "r", match: { provider: "my-company", code: "E" }, outcome: "USAGE_LIMIT" };
  const file = join(cli.home, "config.json");
  await writeFile(file, JSON.stringify({ rules: [rule] }));
  const ended = await cli("config check");
  expect(ended).toMatchObject({ code: 0, stdout: `${file} is fine\n` });
  expect(ended.stderr).toContain('"my-company", which is neither built in nor configured');
  expect(ended.stderr).toContain("restart it");
  await writeFile(file, JSON.stringify({ rules: [rule], providers: { "my-company": { type: "api-key" } } }));
  expect((await cli("config check")).stderr).not.toContain("my-company");
});

test("providers are listed without a broker, the operator's own included; with one, their profiles", async () => {
  const { broker, cli } = await brokerCli();
  await broker.putKey("openai-api:k");
  await writeFile(join(cli.home, "config.json"), '{"providers":{"mine":{"type":"api-key"}}}');
  const listed = async (env = {}) => {
    const { providers } = JSON.parse((await cli("providers --json", { env })).stdout);
    return (id: string) => providers.find(({ provider }: { provider: string }) => provider === id);
  };
  const live = await listed();
  expect(live("openai-api")).toMatchObject({ takes: "keys", builtIn: true, profiles: 1 });
  expect(live("openai-codex")).toMatchObject({ takes: "logins", profiles: 0 });
  expect(live("anthropic")).toMatchObject({ takes: "both" });
  expect(live("mine")).toMatchObject({ takes: "keys", builtIn: false, configured: true });
  const alone = await listed({ AUTH_BROKER_ADMIN_SOCKET: join(cli.home, "none.sock") });
  expect(alone("mine")).toMatchObject({ takes: "keys", profiles: null });
  expect((await cli("providers")).stdout).toMatch(/^mine +keys +0 +config.json/m);
});

test("a named file that is missing is 66, a directory 78", async () => {
  const cli = await emptyCli();
  expect(await cli(`config check ${cli.home}/none.json`)).toMatchObject({ code: 66 });
  await mkdir(join(cli.home, "config.json"));
  expect(await cli("config check")).toMatchObject({ code: 78 });
});
