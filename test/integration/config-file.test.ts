import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { defaultConfig, loadConfig } from "../../src/config.ts";
import { run } from "../support/process.mjs";

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "config-"));
  file = join(directory, "config.json");
});

afterEach(() => rm(directory, { recursive: true }));

const refusal = (message: RegExp) =>
  expect.objectContaining({
    name: "ConfigError",
    exitCode: 78,
    file,
    message: expect.stringMatching(message),
  });

test("no file means defaults", async () => {
  expect(await loadConfig(file)).toEqual(defaultConfig());
});

test("a file is read", async () => {
  await writeFile(file, '\uFEFF{"log": {"level": "warn"}} // ours\n');
  expect((await loadConfig(file)).log.level).toBe("warn");
});

test("an empty file is refused", async () => {
  await writeFile(file, "");
  await expect(loadConfig(file)).rejects.toThrow(refusal(/the file is empty/));
});

test("a directory in its place is refused", async () => {
  await mkdir(file);
  await expect(loadConfig(file)).rejects.toThrow(refusal(/is a directory/));
});

test.skipIf(process.platform === "win32")("a pipe or a device in its place is refused at once", async () => {
  await run("mkfifo", [file]);
  await expect(loadConfig(file)).rejects.toThrow(refusal(/no ordinary file/));
  await rm(file);
  await symlink("/dev/zero", file);
  await expect(loadConfig(file)).rejects.toThrow(refusal(/no ordinary file/));
});

test("a file of 10 MB is refused", async () => {
  await writeFile(file, Buffer.alloc(10_000_000, " "));
  await expect(loadConfig(file)).rejects.toThrow(refusal(/larger than 1024 KiB/));
});

test("a file that is not UTF-8 is refused", async () => {
  await writeFile(file, Buffer.from('\uFEFF{"log": {}}', "utf16le"));
  await expect(loadConfig(file)).rejects.toThrow(refusal(/not UTF-8/));
});

test("a file in the place of its directory is refused", async () => {
  await writeFile(file, "{}");
  const inside = join(file, "config.json");
  await expect(loadConfig(inside)).rejects.toThrow(/cannot be read \(ENOTDIR\)/);
});

test.skipIf(process.getuid?.() === 0)("a file without permission is refused", async () => {
  await writeFile(file, "{}");
  await chmod(file, 0);
  await expect(loadConfig(file)).rejects.toThrow(refusal(/no permission/));
});
