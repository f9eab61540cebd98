import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FIXED_NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { compiled } from "../support/compiled.ts";
import { openTestStore } from "../support/keys.ts";
import { run, start } from "../support/process.mjs";
import type { FileCall, Trace } from "../support/strace.ts";
import { straceWorks, trace } from "../support/strace.ts";

const usable = await straceWorks();
if (!usable)
  console.warn("SKIPPED: the store is not interrupted at its system calls, strace does not work here");

const RECORD = "profiles/openai-codex%3awork.json";
/** What can fail in a way that the program sees. */
const FAILING = ["openat", "write", "ftruncate", "fsync", "close", "rename"];

let program: Awaited<ReturnType<typeof compiled>>;
let scratch: string;
let directory: string;

/** `write` with or without a spare: both ways of writing a record. */
const ways = { "a new file": false, "the reserved space": true };

beforeAll(async () => {
  program = await compiled("test/support/store-program.ts");
  scratch = mkdtempSync(join(tmpdir(), "store-"));
  directory = join(scratch, "state");
});
afterAll(() => {
  program.remove();
  rmSync(scratch, { recursive: true });
});

/** A store with generation 1, as `store-program` would write it. */
async function prepare(): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  const store = await openTestStore(directory);
  await store.replace(profileWith({ grant: oauthGrantWith() }), 0);
  await store.close();
}

function write(reserved: boolean, inject?: string): Promise<Trace> {
  const task = reserved ? "write-reserved" : "write";
  const args = [task, directory, "1000"];
  const subject = { file: program.file, args, ready: /^ready$/, input: "", done: /^(written|failed)/ };
  return trace(subject, scratch, inject);
}

/** What a new process finds. Fails if the record is not whole. */
async function generation(): Promise<number> {
  const store = await openTestStore(directory);
  const { profiles, corrupt } = await store.readAll(FIXED_NOW);
  await store.close();
  expect(corrupt).toEqual([]);
  const profile = profiles[0]?.profile;
  if (profile?.grant.kind !== "oauth") throw new Error("the grant is gone");
  const tokens = [profile.grant.accessToken.reveal(), profile.grant.refreshToken?.reveal()];
  const tail = profile.generation === 1 ? "1" : `${profile.generation}-${"x".repeat(1000)}`;
  expect(tokens).toEqual([`at-FAKE-${tail}`, `rt-FAKE-${tail}`]);
  return profile.generation;
}

/** The calls that belong to the record, told by the path that strace shows. */
function onState(calls: readonly FileCall[]): FileCall[] {
  return calls.filter(({ text }) => text.includes(directory));
}

describe.runIf(usable).each(Object.keys(ways) as (keyof typeof ways)[])("a write into %s", (way) => {
  const reserved = ways[way];

  it("is durable before it is reported: content, then name, then directory", async () => {
    await prepare();
    const { calls, stdout } = await write(reserved);
    expect(stdout).toContain("written 2");
    const order = calls.map(({ name, text }) => {
      if (text.includes(`${RECORD}`) && name !== "close" && name !== "openat") return name;
      if (name === "fsync" && text.includes("/profiles>")) return "fsync directory";
      return text.startsWith("writev(1<") ? "report" : "";
    });
    const steps = order.filter((step) => step !== "");
    expect(steps).toEqual(["write", "ftruncate", "fsync", "rename", "fsync directory", "report"]);
    expect(await generation()).toBe(2);
  });

  it("leaves the whole old or the whole new record when the process is killed at any system call", async () => {
    await prepare();
    const { calls } = await write(reserved);
    expect(onState(calls).length).toBeGreaterThanOrEqual(9);
    for (const { name, ordinal, text } of calls) {
      await prepare();
      const { stdout, signal } = await write(reserved, `${name}:signal=KILL:when=${ordinal}`);
      expect(signal, text).toBe("SIGKILL");
      const found = await generation();
      expect(stdout.includes("written") ? [2] : [1, 2], text).toContain(found);
      expect(readdirSync(join(directory, "profiles")), "swept").toHaveLength(1);
    }
  });

  it.each(["EIO", "ENOSPC"])(
    "is refused, and the old record stays, when any step fails with %s",
    async (errno) => {
      await prepare();
      const { calls } = await write(reserved);
      for (const { name, ordinal, text } of onState(calls)) {
        // That there is no spare to open is no failure.
        if (!FAILING.includes(name) || text.includes("ENOENT")) continue;
        await prepare();
        const { stdout } = await write(reserved, `${name}:error=${errno}:when=${ordinal}`);
        const found = await generation();
        if (reserved) {
          // The ordinary way is taken when the spare fails.
          expect([stdout.match(/^written|^failed/m)?.[0], found], text).toEqual(["written", 2]);
          continue;
        }
        expect(stdout, text).toContain(`failed ${errno === "EIO" ? "io" : "full"}`);
        const renamed = text.includes("/profiles>") || text.includes('/profiles"');
        expect(found, text).toBe(renamed ? 2 : 1);
      }
    },
  );
});

describe.runIf(usable)("a new store", () => {
  it("is durable itself: each directory is synced into the one above it", async () => {
    rmSync(directory, { recursive: true, force: true });
    const log = join(scratch, "open.log");
    const strace = ["-f", "-y", "-e", "trace=mkdir,mkdirat,fsync", "-o", log];
    await run("strace", [...strace, process.execPath, program.file, "open", directory]);
    const steps = readFileSync(log, "utf8").split("\n");
    for (const [above, below] of [
      [scratch, directory],
      [directory, join(directory, "profiles")],
    ]) {
      const made = steps.findIndex(
        (line) => line.includes("mkdir") && line.includes(`"${below}"`) && / = 0$/.test(line),
      );
      const synced = steps.findLastIndex((line) => line.includes("fsync(") && line.includes(`<${above}>`));
      expect(made, below).toBeGreaterThanOrEqual(0);
      expect(synced, above).toBeGreaterThan(made);
    }
  });
});

describe("a write that stops short", () => {
  it("at the largest size a process may write is refused, and the old record stays", async () => {
    await prepare();
    const limited = `ulimit -f 64; exec "$0" "$@"`;
    const args = ["--norc", "-c", limited, process.execPath, program.file, "write", directory, "100000"];
    const child = await start("bash", args, { keepStdin: true });
    await child.line(/^ready$/);
    child.send("");
    expect((await child.line(/^(written|failed).*/))[0]).toBe("failed full");
    await child.kill();
    expect(await generation()).toBe(1);
  });
});

describe.runIf(usable)("a write that the system refuses", () => {
  it.each([
    ["EDQUOT", "full"],
    ["EROFS", "read_only"],
    ["EACCES", "denied"],
    ["EPERM", "denied"],
    ["EIO", "io"],
  ])("with %s fails as %s", async (errno, code) => {
    await prepare();
    const { stdout } = await write(false, `openat:error=${errno}:when=1+`);
    expect(stdout).toContain(`failed ${code}`);
    expect(await generation()).toBe(1);
  });
});
