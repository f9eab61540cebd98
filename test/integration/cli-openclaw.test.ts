import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { wrapperText, writeWrapper } from "../../src/openclaw/wrapper.ts";
import { brokerCli, emptyCli, errorJson, MAIN } from "../support/cli.ts";
import { run } from "../support/process.mjs";

const asked = (...ids: string[]) => ({ input: JSON.stringify({ protocolVersion: 1, provider: "x", ids }) });

test("OpenClaw gets every value that there is, and an error for every other id, in one answer", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put("openai-codex:a");
  await broker.putKey("anthropic:b@example.test");
  const { code, stdout } = await cli(
    "openclaw secrets",
    asked("openai-codex", "anthropic:b#example.test", "qwen", "anthropic:none"),
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    protocolVersion: 1,
    values: { "openai-codex": "at-FAKE-a", "anthropic:b#example.test": "sk-FAKE-b@example.test" },
    errors: { qwen: { code: "NOT_FOUND" }, "anthropic:none": { code: "NOT_FOUND" } },
  });
  expect(stdout).not.toContain("rt-FAKE");
});

test("no request is exit 65, no broker exit 69, and ids without --watch exit 64", async () => {
  const cli = await emptyCli();
  expect((await cli("openclaw secrets", { input: "hello" })).code).toBe(65);
  const none = await cli("openclaw secrets", asked("openai-codex"));
  expect(none).toMatchObject({ code: 69, stdout: "" });
  expect((await cli("openclaw secrets openai-codex")).code).toBe(64);
  expect((await cli("openclaw secrets --watch")).code).toBe(64);
});

test("its helper needs no environment, and is a private file of its own", async () => {
  const { broker, cli } = await brokerCli();
  await broker.putKey("anthropic:a");
  const path = join(cli.user, "it's here", "secrets");
  await writeWrapper(path, wrapperText(process.execPath, MAIN, ["openclaw", "secrets"], cli.env));
  await writeWrapper(path, wrapperText(process.execPath, MAIN, ["openclaw", "secrets"], cli.env));
  const found = await stat(path);
  expect([found.isFile(), found.mode & 0o777, found.nlink]).toEqual([true, 0o700, 1]);
  const { stdout } = await run(path, [], { ...asked("anthropic"), env: {} });
  expect(JSON.parse(stdout).values).toEqual({ anthropic: "sk-FAKE-a" });
});

test("setup writes nothing unless told to, and says what is wrong with its arguments", async () => {
  const cli = await emptyCli();
  const { code, stdout } = await cli("openclaw setup secrets --provider anthropic=anthropic:work --json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    route: "secrets",
    patch: { models: { providers: { anthropic: { apiKey: { id: "anthropic:work" } } } } },
  });
  // Node keeps there what it compiled, from version 22 on.
  expect((await readdir(cli.home)).filter((name) => name !== "cache")).toEqual(["user"]);
  for (const args of ["nowhere", "codex --provider a", "secrets --provider a@b", "codex --write --undo"])
    expect((await cli(`openclaw setup ${args}`)).code).toBe(64);
  const missing = await cli("openclaw setup codex --write --json", { env: { PATH: "/nowhere" } });
  expect(missing.code).toBe(78);
  expect(errorJson(missing).message).toContain("OpenClaw cannot be run");
});
