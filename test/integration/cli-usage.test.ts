import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { emptyCli, errorJson } from "../support/cli.ts";

const COMMANDS = [
  "serve",
  "status",
  "providers",
  "profiles",
  "profiles list",
  "profiles show",
  "profiles add",
  "profiles enable",
  "profiles disable",
  "profiles order",
  "profiles refresh",
  "profiles clear-cooldown",
  "profiles acknowledge",
  "profiles remove",
  "usage",
  "import",
  "acquire",
  "token",
  "report",
  "explain",
  "watch",
  "run",
  "codex",
  "openclaw",
  "openclaw setup",
  "openclaw secrets",
  "explain-response",
  "doctor",
  "config",
  "config schema",
  "config check",
  "config paths",
];
/** Only a group of commands. */
const GROUPS = ["config", "openclaw"];

test("every command has help with an example and takes --json, without a broker", async () => {
  const cli = await emptyCli();
  for (const command of COMMANDS) {
    const shown = await cli(`${command} --help`);
    expect(shown, command).toMatchObject({ code: 0, stderr: "" });
    expect(shown.stdout, command).toContain(`Usage: auth-broker ${command}`);
    expect(shown.stdout, command).toMatch(/Example:\n {2}\$ /);
    if (!GROUPS.includes(command)) expect(shown.stdout, command).toContain("--json");
  }
  const all = (await cli("--help")).stdout;
  for (const command of COMMANDS) expect(all).toContain(command.split(" ")[0]);
  expect((await cli("help token")).stdout).toContain("--refused-if-within");
});

test("the version is the package's", async () => {
  const cli = await emptyCli();
  const { version } = JSON.parse(await readFile("package.json", "utf8"));
  expect(await cli("--version")).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test.each([
  ["acqire x", "Did you mean acquire?"],
  ["--jsn", "--jsn"],
  ["token", "provider"],
  ["token a b", "too many arguments"],
  ["token a --modle m", "Did you mean --model?"],
  ["token a --max-wait", "argument missing"],
  ["token a --max-wait soon", "such as 500ms"],
  ["token a --max-wait 9999999999999d", "such as 500ms"],
  ["token a --min-valid-for 400d", "366 days"],
  ["token a --min-valid-for=-5s", "such as 500ms"],
  ["token a --kind password", "oauth, token, api_key; what helps"],
  ["token a --profile=", "must not be empty"],
  ["profiles lsit", "Did you mean list?"],
  ["profiles show", "auth-broker profiles show --help"],
  ["profiles add openai-api:a --api-key --token", "cannot be used with"],
  ["profiles add openai-api:a --ownership mine", "sole, shared, unknown"],
  ["profiles order openai-codex openai-codex:a --clear", "--clear takes no ids"],
  ["import codx", 'the nearest one is "codex"'],
  ["import --from /x", "--from needs the name of one source"],
  ["import codex claude --from /x", "--from needs the name of one source"],
  ["report lease", "give an outcome or --response"],
  ["report lease OK --response -", "not both"],
  ["report lease OOPS", "is no outcome"],
  ["report lease UNSPECIFIED", "is no outcome"],
  ["report lease OK --retry-time tomorrow", "retry_time"],
  ["watch --model m", "name its provider"],
  ["run openai-codex", "command"],
  ["config chekc", "Did you mean check?"],
])("called wrongly, as %j, it ends with 64 and says why", async (args, why) => {
  const cli = await emptyCli();
  const ended = await cli(args);
  expect(ended).toMatchObject({ code: 64, stdout: "" });
  expect(ended.stderr).toMatch(/^auth-broker: /);
  expect(ended.stderr).toContain(why);
});

test.each(["", "config"])("without a command, as %j, the help goes to standard error", async (args) => {
  const ended = await (await emptyCli())(args);
  expect(ended).toMatchObject({ code: 64, stdout: "" });
  expect(ended.stderr).toContain("Usage: auth-broker");
});

test("with --json an error is one JSON object, also when the command line itself is wrong", async () => {
  const cli = await emptyCli();
  const whole = { code: "INVALID_ARGUMENT", retryTime: null, profiles: [] };
  expect(errorJson(await cli("token a --nonsense --json"))).toMatchObject({ ...whole, reason: "" });
  const wrong = errorJson(await cli("token a --max-wait x --json"));
  expect(wrong).toEqual({
    ...whole,
    reason: "FIELD_INVALID",
    message: expect.any(String),
    help: expect.any(String),
  });
});

test("--json after -- belongs to the program, not to us", async () => {
  const ended = await (await emptyCli())("run openai-codex -- true --json");
  expect(ended).toMatchObject({ code: 69, stdout: "" });
  expect(ended.stderr).toMatch(/^auth-broker: /);
});

test("a secret given to an option that takes none is not repeated", async () => {
  const ended = await (await emptyCli())("profiles add openai-api:a --api-key=sk-FAKE-1");
  expect(ended).toMatchObject({ code: 64 });
  expect(ended.stderr).not.toContain("FAKE");
  const second = await (await emptyCli())("profiles add openai-api:a --api-key sk-FAKE-1");
  expect(second).toMatchObject({ code: 64 });
  expect(second.stderr).not.toContain("FAKE");
});
