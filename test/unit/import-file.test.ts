import { execFileSync } from "node:child_process";
import { chmod, mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fileProblem, ImportError, LIMIT_BYTES, readJsonFile } from "../../src/import/file.ts";
import { importHome } from "../support/import-home.ts";

const atOnce = async () => undefined;

async function problemOf(reading: Promise<unknown>): Promise<ImportError> {
  try {
    await reading;
  } catch (problem) {
    expect(problem).toBeInstanceOf(ImportError);
    return problem as ImportError;
  }
  throw new Error("it was read");
}

async function written(content: string | Uint8Array): Promise<string> {
  const path = join((await importHome()).home, "file.json");
  await writeFile(path, content);
  return path;
}

describe("a file of another program is read", () => {
  test("with a byte order mark and CRLF", async () => {
    const path = await written('\uFEFF{\r\n  "a": 1\r\n}\r\n');
    expect(await readJsonFile(path, "json", atOnce)).toEqual({ a: 1 });
  });

  test("as JSON5 where that is its syntax", async () => {
    const path = await written("{ // note\n a: 'x', b: [1,], }");
    expect(await readJsonFile(path, "json5", atOnce)).toEqual({ a: "x", b: [1] });
  });

  test("again when it was caught half written", async () => {
    const path = await written('{"a":');
    const pauses: number[] = [];
    const value = await readJsonFile(path, "json", async () => {
      pauses.push(pauses.length);
      if (pauses.length === 2) await writeFile(path, '{"a":1}');
    });
    expect(value).toEqual({ a: 1 });
    expect(pauses).toHaveLength(2);
  });

  test("three times at most", async () => {
    const path = await written("");
    let pauses = 0;
    await problemOf(
      readJsonFile(path, "json", async () => {
        pauses += 1;
      }),
    );
    expect(pauses).toBe(2);
  });
});

describe("what is wrong with a file is told by exit code and path, never by its content", () => {
  const secret = "rt-FAKE-NOT-SHOWN";

  test.each([
    ["broken", `{\n  "a": "x",\n  ${secret}\n}`, "json", "not valid JSON (line 3, column 3)"],
    ["cut off", `{"a":"${secret}`, "json", "not valid JSON (line 1, column 6)"],
    ["broken JSON5", `{ a: 1,\n b:: '${secret}' }`, "json5", "not valid JSON5 (line 2, column 4)"],
    ["commented JSON", `{ /* ${secret} */ }`, "json", "not valid JSON"],
    ["empty", " \r\n", "json", "is empty"],
    ["nested beyond all depth", "[".repeat(200_000), "json", "not valid JSON"],
    ["binary", new Uint8Array([0xff, 0xfe, 0x7b, 0x00]), "json", "is not UTF-8 text"],
  ] as const)("%s: 65", async (_, content, syntax, words) => {
    const path = await written(content);
    const problem = await problemOf(readJsonFile(path, syntax, atOnce));
    expect(problem).toMatchObject({ exit: 65, path });
    expect(problem.message).toContain(path);
    expect(problem.message).toContain(words);
    expect(problem.message).not.toContain(secret);
    expect(problem.message).toMatch(/mend the file/);
  });

  test("a directory in its place: 65", async () => {
    const { home } = await importHome();
    expect(await problemOf(readJsonFile(home, "json", atOnce))).toMatchObject({ exit: 65, path: home });
  });

  test("a named pipe in its place: 65, without waiting for a writer", async () => {
    const path = join((await importHome()).home, "pipe");
    execFileSync("mkfifo", [path]);
    expect(await problemOf(readJsonFile(path, "json", atOnce))).toMatchObject({ exit: 65 });
  });

  test("larger than 8 MiB: 65", async () => {
    const path = await written("{}");
    await truncate(path, LIMIT_BYTES + 1);
    expect((await problemOf(readJsonFile(path, "json", atOnce))).message).toContain("larger than 8 MiB");
  });

  test("exactly 8 MiB is read", async () => {
    const path = await written(`{}${" ".repeat(LIMIT_BYTES - 2)}`);
    expect(await readJsonFile(path, "json", atOnce)).toEqual({});
  });

  test("not there, nor its directory: 66, with what to do", async () => {
    const { home } = await importHome();
    for (const path of [join(home, "none.json"), join(home, "none", "none.json")]) {
      const problem = await problemOf(readJsonFile(path, "json", atOnce));
      expect(problem).toMatchObject({ exit: 66, path });
      expect(problem.message).toContain("--from");
    }
  });

  test("no permission: 77", async () => {
    const { home } = await importHome();
    await chmod(home, 0o755);
    const path = join(home, "closed", "file.json");
    await mkdir(join(home, "closed"), { mode: 0o755 });
    await writeFile(path, "{}", { mode: 0o000 });
    const problem = await asOrdinaryUser(() => problemOf(readJsonFile(path, "json", atOnce)));
    expect(problem).toMatchObject({ exit: 77, path });
    expect(problem.message).toContain("the user who owns it");
  });

  test.each([
    ["ENOENT", 66],
    ["ENOTDIR", 66],
    ["ELOOP", 66],
    ["EACCES", 77],
    ["EPERM", 77],
    ["EIO", 66],
  ])("%s is exit %d", (code, exit) => {
    expect(fileProblem("/x", Object.assign(new Error("x"), { code }))).toMatchObject({ exit });
  });
});

/** Root may read everything, so it takes off its rights for the time. */
async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65_534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
