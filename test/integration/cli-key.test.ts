import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { brokerCli, type Cli, emptyCli, errorJson } from "../support/cli.ts";

const A = "openai-api:a";

/** A home in which a broker has run and stopped. */
async function sealedHome(): Promise<{ cli: Cli; start: () => Promise<void>; stop: () => Promise<void> }> {
  const { broker, cli } = await brokerCli();
  await broker.putKey(A);
  await broker.stop();
  return { cli, start: () => broker.start(), stop: () => broker.stop() };
}

test("key show tells which key is in use and where it is kept, and never the key", async () => {
  const { cli } = await sealedHome();
  const key = (await readFile(join(cli.home, "key"), "latin1")).trim();
  const shown = await cli("key show");
  expect(shown.code).toBe(0);
  expect(shown.stdout).toContain(join(cli.home, "key"));
  const json = JSON.parse((await cli("key show --json")).stdout);
  expect(json).toMatchObject({ source: "file", place: join(cli.home, "key"), isRotating: false });
  expect(json.key).toMatch(/^[0-9a-f]{8}$/);
  for (let i = 0; i + 8 <= key.length; i += 8) expect(shown.stdout).not.toContain(key.slice(i, i + 8));
});

test("before any broker has run there is no key, and that is said", async () => {
  const cli = await emptyCli();
  const refused = await cli("key show --json");
  expect(refused.code).toBe(74);
  expect(errorJson(refused).help).toBe("auth-broker serve");
});

test("key export gives a code from which key restore puts the key back, byte for byte and private", async () => {
  const { cli, start, stop } = await sealedHome();
  const path = join(cli.home, "key");
  const before = await readFile(path);
  const { stdout: code } = await cli("key export");
  await rm(path);
  expect((await cli("key restore", { input: code })).code).toBe(0);
  expect((await readFile(path)).equals(before)).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await cli("key restore --hex", { input: code })).stdout).toBe(before.toString());
  expect((await cli("key export --hex")).stdout).toBe(before.toString());
  await start();
  expect((await cli("token openai-api")).stdout).toBe("sk-FAKE-a\n");
  await stop();
});

test("key restore overwrites no other key and takes no other code", async () => {
  const { cli } = await sealedHome();
  const { cli: other } = await sealedHome();
  const path = join(cli.home, "key");
  const { stdout: code } = await cli("key export");
  const foreign = await cli("key restore --json", { input: (await other("key export")).stdout });
  expect([foreign.code, errorJson(foreign).message]).toEqual([74, expect.stringContaining("another key")]);
  await writeFile(path, `${"ab".repeat(32)}\n`);
  const refused = await cli("key restore --json", { input: code });
  expect([refused.code, errorJson(refused).help]).toEqual([74, "move that one away first"]);
  expect(await readFile(path, "latin1")).toBe(`${"ab".repeat(32)}\n`);
  expect((await cli("key restore", { input: "0000000-hello" })).code).toBe(65);
});

test("key rotate seals everything anew; a running broker is in its way and is named", async () => {
  const { cli, start, stop } = await sealedHome();
  const id = async () => JSON.parse((await cli("key show --json")).stdout).key as string;
  const former = await id();
  await start();
  const refused = await cli("key rotate --json");
  expect([refused.code, errorJson(refused).message]).toEqual([75, expect.stringContaining(`${process.pid}`)]);
  await stop();
  expect((await cli("key rotate")).code).toBe(0);
  expect(await id()).not.toBe(former);
  await start();
  expect((await cli("token openai-api")).stdout).toBe("sk-FAKE-a\n");
  await stop();
});

test("another key.source than the one in use ends serve with 78; key rotate moves the records to it", async () => {
  const { cli } = await sealedHome();
  const program = join(cli.home, "give-key");
  const key = "cd".repeat(32);
  await writeFile(program, `#!/bin/sh\necho ${key}\n`, { mode: 0o755 });
  const config = { key: { source: "command", command: [program] } };
  await writeFile(join(cli.home, "config.json"), JSON.stringify(config));
  const refused = await cli("serve");
  expect([refused.code, refused.stderr]).toEqual([78, expect.stringContaining("auth-broker key rotate")]);
  expect((await cli("key rotate")).code).toBe(0);
  const broker = await cli.start("serve");
  await broker.line(/the broker serves/);
  expect((await cli("token openai-api")).stdout).toBe("sk-FAKE-a\n");
  await broker.kill();
  await rename(program, `${program}.away`);
  const without = await cli("serve");
  expect([without.code, without.stderr]).toEqual([74, expect.stringContaining("give-key")]);
  expect(without.stderr).not.toContain(key);
});

test("lock and unlock, for people and for programs", async () => {
  const { broker, cli } = await brokerCli();
  await broker.putKey(A);
  expect((await cli("lock")).stdout).toBe("locked\n");
  const refused = await cli("acquire openai-api --json");
  expect(refused.code).toBe(74);
  expect(errorJson(refused)).toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
  expect(errorJson(refused).message).toContain("auth-broker unlock");
  expect((await cli("status")).stdout).toContain("auth-broker unlock");
  expect(JSON.parse((await cli("status --json")).stdout).store).toMatchObject({
    locked: true,
    writable: false,
  });
  expect(JSON.parse((await cli("lock --json")).stdout)).toEqual({});
  expect((await cli("unlock")).stdout).toBe("unlocked\n");
  expect((await cli("token openai-api")).stdout).toBe("sk-FAKE-a\n");
});
