import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MINUTE, type World } from "../support/broker-world.ts";
import { brokerCli, type Cli, MAIN } from "../support/cli.ts";
import { run } from "../support/process.mjs";
import { json as answer } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const AGAIN = `token ${CODEX} --refused-if-within 10m`;

async function scene(): Promise<{ broker: World; cli: Cli; tokens: () => string }> {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  return { broker, cli, tokens: () => join(cli.home, "run", "tokens") };
}

/** What is remembered, as if it had been so long ago. */
async function makeOlder(directory: string, byMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const { atMs, forcedAtMs, ...rest } = JSON.parse(await readFile(path, "utf8"));
    const older = { ...rest, atMs: atMs - byMs, ...(forcedAtMs && { forcedAtMs: forcedAtMs - byMs }) };
    await writeFile(path, JSON.stringify(older));
  }
}

test("asked again by the same parent, it forces one refresh, at most one a minute, and holds nothing against the profile", async () => {
  const { broker, cli, tokens } = await scene();
  expect((await cli(AGAIN)).stdout).toBe("at-FAKE-a\n");
  expect(broker.token.requests).toHaveLength(0);
  expect(await cli(AGAIN)).toMatchObject({ code: 0, stdout: "at-FAKE-new-1\n", stderr: "" });
  expect(await cli(AGAIN)).toMatchObject({ code: 0, stdout: "at-FAKE-new-1\n" });
  expect(broker.token.requests).toHaveLength(1);
  await makeOlder(tokens(), 61_000);
  await broker.advance(61_000);
  expect((await cli(AGAIN)).stdout).toBe("at-FAKE-new-2\n");
  expect(await broker.get(`${CODEX}:a`)).toMatchObject({
    state: "PROFILE_STATE_READY",
    stateReason: "",
    cooldowns: [],
    generation: 3,
  });
});

test("it is off unless given, and for another parent, another request or a later time", async () => {
  const { broker, cli, tokens } = await scene();
  await cli(AGAIN);
  await cli(`token ${CODEX}`);
  const shell = `"$0" "$1" ${AGAIN}; true`;
  expect((await run("sh", ["-c", shell, process.execPath, MAIN], { env: cli.env })).stdout).toBe(
    "at-FAKE-a\n",
  );
  await cli(`${AGAIN} --model m`);
  await makeOlder(tokens(), 11 * 60_000);
  await cli(AGAIN);
  expect(broker.token.requests).toHaveLength(0);
});

test("a token that was replaced meanwhile is handed out without a refresh", async () => {
  const { broker, cli } = await scene();
  await cli(AGAIN);
  await broker.put(`${CODEX}:a`, { accessToken: "at-FAKE-newer" });
  expect((await cli(AGAIN)).stdout).toBe("at-FAKE-newer\n");
  expect(broker.token.requests).toHaveLength(0);
});

test("another profile of the same generation is not refreshed in its place", async () => {
  const { broker, cli } = await scene();
  await broker.put(`${CODEX}:b`);
  await cli(AGAIN);
  await broker.fails(CODEX, "RATE_LIMIT");
  expect((await cli(AGAIN)).stdout).toBe("at-FAKE-b\n");
  expect(broker.token.requests).toHaveLength(0);
});

test("a refresh that fails leaves the token that there is", async () => {
  const { broker, cli } = await scene();
  await cli(AGAIN);
  broker.token.always(() => answer(503, {}));
  expect(await cli(AGAIN)).toMatchObject({ code: 0, stdout: "at-FAKE-a\n", stderr: "" });
  expect(broker.token.requests).toHaveLength(1);
});

test("a trial that it was given a moment ago does not keep it from refreshing", async () => {
  const { broker, cli } = await scene();
  await cli(AGAIN);
  await broker.fails(CODEX, "USAGE_LIMIT");
  await broker.advance(16 * MINUTE);
  expect((await cli(AGAIN)).stdout).toBe("at-FAKE-new-1\n");
});

test("a profile without anything to refresh is served as before", async () => {
  const { broker, cli } = await brokerCli();
  await broker.putKey("openai-api:k");
  for (let i = 0; i < 2; i += 1) {
    expect((await cli("token openai-api --refused-if-within 10m")).stdout).toBe("sk-FAKE-k\n");
  }
});

test("what is remembered holds no token, is private, and is cleared away after a day", async () => {
  const { cli, tokens } = await scene();
  await mkdir(tokens());
  const old = join(tokens(), "old");
  await writeFile(old, "{}");
  const yesterday = Date.now() / 1000 - 25 * 3_600;
  await utimes(old, yesterday, yesterday);
  await cli(AGAIN);
  const names = await readdir(tokens());
  expect(names).toHaveLength(1);
  const path = join(tokens(), names[0] ?? "");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const text = await readFile(path, "utf8");
  expect(Object.keys(JSON.parse(text)).sort()).toEqual(["atMs", "generation", "profile"]);
  expect(text).not.toContain("FAKE");
});

test.each(["", "{", "[]", "null", '{"profile":1}', '{"profile":"openai-codex:a","generation":1,"atMs":"x"}'])(
  "a memory that says %j is none",
  async (text) => {
    const { broker, cli, tokens } = await scene();
    await cli(AGAIN);
    for (const name of await readdir(tokens())) await writeFile(join(tokens(), name), text);
    expect(await cli(AGAIN)).toMatchObject({ code: 0, stdout: "at-FAKE-a\n", stderr: "" });
    expect(broker.token.requests).toHaveLength(0);
  },
);

test("where nothing can be remembered the token is printed all the same, with a remark", async () => {
  const { cli, tokens } = await scene();
  await writeFile(tokens(), "");
  const ended = await cli(AGAIN);
  expect(ended).toMatchObject({ code: 0, stdout: "at-FAKE-a\n" });
  expect(ended.stderr).toMatch(/^auth-broker: --refused-if-within has no effect, .+\n$/);
});
