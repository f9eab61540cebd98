import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { World } from "../support/broker-world.ts";
import { brokerCli, type Cli, errorJson } from "../support/cli.ts";

const CODEX = "openai-codex";
const PRINT_ENV = "console.log(JSON.stringify(process.env))";

/** The environment that a program gets. */
async function environment(
  cli: Cli,
  args: string,
  env: Record<string, string> = {},
): Promise<Record<string, string>> {
  const ended = await cli(["run", ...args.split(" "), "--", process.execPath, "-e", PRINT_ENV], { env });
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(ended.stdout);
}

async function withLogins(config?: Record<string, unknown>): Promise<{ broker: World; cli: Cli }> {
  const { broker, cli } = await brokerCli(config === undefined ? {} : { config });
  if (config !== undefined) await writeFile(join(cli.home, "config.json"), JSON.stringify(config));
  await broker.put(`${CODEX}:a`, {}, { baseUrl: "http://127.0.0.1:9/v1" });
  await broker.put("anthropic:o");
  await broker.putKey("openai-api:k");
  return { broker, cli };
}

describe("a program finds the credential under the names in use for the provider:", () => {
  test("an OAuth login, its base URL, and whose it is", async () => {
    const { cli } = await withLogins();
    expect(await environment(cli, CODEX)).toMatchObject({
      OPENAI_API_KEY: "at-FAKE-a",
      OPENAI_BASE_URL: "http://127.0.0.1:9/v1",
      AUTH_BROKER_PROFILE: `${CODEX}:a`,
      AUTH_BROKER_LEASE: expect.stringMatching(/^\S{20,}$/),
      AUTH_BROKER_HOME: cli.home,
    });
  });

  test("anthropic has one name for logins and one for keys, and only one of them is set", async () => {
    const { broker, cli } = await withLogins();
    const inherited = { ANTHROPIC_API_KEY: "sk-FAKE-other", ANTHROPIC_AUTH_TOKEN: "tok-FAKE-other" };
    const login = await environment(cli, "anthropic", inherited);
    expect(login).toMatchObject({ ANTHROPIC_AUTH_TOKEN: "at-FAKE-o", ANTHROPIC_BETAS: "oauth-2025-04-20" });
    expect(login).not.toHaveProperty("ANTHROPIC_API_KEY");
    const mine = await environment(cli, "anthropic", { ANTHROPIC_BETAS: "mine-2026-01-01" });
    expect(mine).toMatchObject({ ANTHROPIC_BETAS: "mine-2026-01-01,oauth-2025-04-20" });
    const nested = await environment(cli, "anthropic", { ANTHROPIC_BETAS: mine.ANTHROPIC_BETAS ?? "" });
    expect(nested.ANTHROPIC_BETAS).toBe(mine.ANTHROPIC_BETAS);
    await broker.putKey("anthropic:k");
    const key = await environment(cli, "anthropic --kind api_key --profile anthropic:k", inherited);
    expect(key).toMatchObject({ ANTHROPIC_API_KEY: "sk-FAKE-k" });
    expect(key).not.toHaveProperty("ANTHROPIC_AUTH_TOKEN");
    expect(key).not.toHaveProperty("ANTHROPIC_BETAS");
  });

  test("keys, Gemini, and a provider that nobody knows names for", async () => {
    const { broker, cli } = await withLogins({ providers: { "my-company.eu": { type: "api-key" } } });
    await broker.put("google-gemini-cli:g");
    await broker.putKey("my-company.eu:m");
    expect(await environment(cli, "openai-api")).toMatchObject({ OPENAI_API_KEY: "sk-FAKE-k" });
    expect(await environment(cli, "google-gemini-cli")).toMatchObject({
      GEMINI_API_KEY: "at-FAKE-g",
      GOOGLE_CLOUD_ACCESS_TOKEN: "at-FAKE-g",
      GOOGLE_GENAI_USE_GCA: "true",
    });
    await broker.putKey("google-gemini-cli:k");
    const inherited = { GOOGLE_CLOUD_ACCESS_TOKEN: "tok-FAKE-other", GOOGLE_GENAI_USE_GCA: "true" };
    const key = await environment(
      cli,
      "google-gemini-cli --kind api_key --profile google-gemini-cli:k",
      inherited,
    );
    expect(key).toMatchObject({ GEMINI_API_KEY: "sk-FAKE-k" });
    for (const name of Object.keys(inherited)) expect(key).not.toHaveProperty(name);
    expect(await environment(cli, "my-company.eu")).toMatchObject({ MY_COMPANY_EU_API_KEY: "sk-FAKE-m" });
  });

  test("the operator's own names win", async () => {
    const env = { token: "CODEX_TOKEN", baseUrl: "CODEX_URL" };
    const { cli } = await withLogins({ providers: { [CODEX]: { env } } });
    const seen = await environment(cli, CODEX);
    expect(seen).toMatchObject({ CODEX_TOKEN: "at-FAKE-a", CODEX_URL: "http://127.0.0.1:9/v1" });
    expect(seen).not.toHaveProperty("OPENAI_API_KEY");
  });
});

test("a configuration that cannot be used ends it with 78, and the program is not run", async () => {
  const { cli } = await withLogins();
  await writeFile(join(cli.home, "config.json"), "{");
  const ended = await cli(`run ${CODEX} --json -- echo here`);
  expect(ended).toMatchObject({ code: 78, stdout: "" });
  expect(errorJson(ended).message).toContain("config.json");
});

describe("the program's end is passed on:", () => {
  test("its exit code, streams and arguments as they are", async () => {
    const { cli } = await withLogins();
    const ended = await cli(
      ["run", CODEX, "--", "sh", "-c", 'cat; echo "$0 $1" >&2; exit 7', "--json", "a b"],
      { input: "in" },
    );
    expect(ended).toEqual({ code: 7, signal: null, stdout: "in", stderr: "--json a b\n" });
  });

  test("128+n after a signal", async () => {
    const { cli } = await withLogins();
    expect(await cli(["run", CODEX, "--", "sh", "-c", "kill -KILL $$"])).toMatchObject({
      code: 137,
      stderr: "",
    });
  });

  test("127 if there is no such program, 126 if it cannot be run", async () => {
    const { cli } = await withLogins();
    const absent = await cli(`run ${CODEX} -- no-such-program-here`);
    expect(absent).toMatchObject({
      code: 127,
      stdout: "",
      stderr: "auth-broker: no-such-program-here: no such program\n",
    });
    const file = join(cli.home, "plain");
    await writeFile(file, "", { mode: 0o600 });
    expect(await cli(`run ${CODEX} -- ${file}`)).toMatchObject({ code: 126 });
    await chmod(file, 0o600);
    await mkdir(join(cli.home, "directory"));
    expect(await cli(`run ${CODEX} -- ${cli.home}/directory`)).toMatchObject({ code: 126 });
  });

  test("the broker's refusal if there is no credential, and then nothing is run", async () => {
    const { cli } = await withLogins();
    const ended = await cli("run qwen --json -- echo here");
    expect(ended).toMatchObject({ code: 78, stdout: "" });
    expect(errorJson(ended).reason).toBe("NO_PROFILE");
  });
});

test.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH"] as const)(
  "%s is passed on to the program",
  async (signal) => {
    const { cli } = await withLogins();
    const script = `process.on("${signal}", () => { console.log("got it"); process.exit(9); }); setInterval(() => {}, 1e6); console.log("ready")`;
    const running = await cli.start(["run", CODEX, "--", process.execPath, "-e", script]);
    await running.line(/^ready$/);
    expect(await running.kill(signal)).toEqual({ code: 9, signal: null });
    expect(running.stdout()).toBe("ready\ngot it\n");
  },
);

test("a program that a signal ends, ends us with 128+n", async () => {
  const { cli } = await withLogins();
  const running = await cli.start(["run", CODEX, "--", "sh", "-c", "echo ready; exec sleep 1000"]);
  await running.line(/^ready$/);
  expect(await running.kill("SIGTERM")).toEqual({ code: 143, signal: null });
});

test("a signal that comes before the program is heard of reaches the program", async () => {
  const { cli } = await withLogins();
  const ended = await cli(["run", CODEX, "--", "sh", "-c", "kill -TERM $PPID; exec sleep 1000"]);
  expect(ended).toMatchObject({ code: 143, signal: null });
});

test("the lease is released at the end, and a trial with it", async () => {
  const { broker, cli } = await withLogins();
  await broker.fails(CODEX, "USAGE_LIMIT");
  await broker.advance(16 * 60_000);
  const script = 'process.stdin.on("end", () => {}).resume(); console.log("ready")';
  const running = await cli.start(["run", CODEX, "--", process.execPath, "-e", script], { keepStdin: true });
  await running.line(/^ready$/);
  await expect(broker.acquire(CODEX)).rejects.toThrow();
  await running.kill("SIGTERM");
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
});

test("a broker that goes away meanwhile does not change how the program ended", async () => {
  const { broker, cli } = await withLogins();
  const script = 'process.stdin.on("end", () => process.exit(3)).resume(); console.log("ready")';
  const running = await cli.start(["run", CODEX, "--", process.execPath, "-e", script], { keepStdin: true });
  await running.line(/^ready$/);
  await broker.stop();
  await running.kill("SIGTERM");
  expect((await running.exited).code).toBe(143);
  expect(running.stderr()).toBe("");
});
