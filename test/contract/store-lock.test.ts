import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { acquireLock } from "../../src/store/lock.ts";
import { compiled } from "../support/compiled.ts";
import { openTestStore } from "../support/keys.ts";
import type { Running } from "../support/process.mjs";
import { run, start } from "../support/process.mjs";

let program: Awaited<ReturnType<typeof compiled>>;
let directory: string;
const running: Running[] = [];

beforeAll(async () => {
  program = await compiled("test/support/store-program.ts");
});
afterAll(() => program.remove());

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "store-")), "state");
  mkdirSync(directory);
});
afterEach(async () => {
  for (const process of running.splice(0)) await process.kill("SIGKILL");
  rmSync(join(directory, ".."), { recursive: true });
});

function open() {
  return openTestStore(directory);
}

async function holder(): Promise<Running> {
  const process = await start(globalThis.process.execPath, [program.file, "open", directory], {
    keepStdin: true,
  });
  running.push(process);
  await process.line(/^open$/);
  return process;
}

describe("two processes and one store", () => {
  it("the second is told who owns it", async () => {
    const first = await holder();
    await expect(open()).rejects.toMatchObject({ name: "StoreError", code: "locked", pid: first.pid });
  });

  it("a second process is told too, whoever the first is", async () => {
    const store = await open();
    const second = await run(process.execPath, [program.file, "open", directory]);
    expect(JSON.parse(second.stdout)).toMatchObject({ code: "locked", pid: process.pid });
    await store.close();
  });

  it("nor does one process open it twice", async () => {
    const store = await open();
    await expect(open()).rejects.toMatchObject({ code: "locked", pid: process.pid });
    await store.close();
  });

  it("a stopped owner is still the owner", async () => {
    const first = await holder();
    process.kill(first.pid, "SIGSTOP");
    await expect(open()).rejects.toMatchObject({ code: "locked", pid: first.pid });
  });

  it("the next takes over at once from a killed owner", async () => {
    const first = await holder();
    await first.kill("SIGKILL");
    const store = await open();
    expect(readFileSync(join(directory, "lock"), "latin1").trim()).toBe(`${process.pid}`);
    await store.close();
  });

  it("the next takes over at once from an owner that closed it", async () => {
    await (await open()).close();
    const first = await holder();
    expect(first.stdout()).toBe("open\n");
  });

  it("a loser leaves nothing behind and touches nothing", async () => {
    const store = await open();
    const leftover = join(directory, "profiles", "x.json.0123456789ab.tmp");
    writeFileSync(leftover, "");
    await expect(open()).rejects.toMatchObject({ code: "locked" });
    expect(readFileSync(leftover, "latin1")).toBe("");
    expect(readFileSync(join(directory, "lock"), "latin1").trim()).toBe(`${process.pid}`);
    await store.close();
  });
});

describe.runIf(process.platform === "linux")("the lock on Linux", () => {
  it("is not inherited by children", async () => {
    const path = join(directory, "lock");
    const lock = await acquireLock(path);
    const seen = execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "latin1" });
    lock.release();
    expect(seen).not.toContain(path);
    expect(seen).toContain("/proc/");
  });

  it("stays with this process after the program that took it has ended, and goes with release", async () => {
    const path = join(directory, "lock");
    const lock = await acquireLock(path);
    await expect(acquireLock(path)).rejects.toMatchObject({ code: "locked" });
    lock.release();
    (await acquireLock(path)).release();
  });

  it("says what to install when there is no flock", async () => {
    const { PATH } = process.env;
    process.env.PATH = directory;
    const error = await acquireLock(join(directory, "lock")).catch((caught: unknown) => caught);
    process.env.PATH = PATH;
    expect(error).toMatchObject({ code: "io", mend: expect.stringContaining("util-linux") });
  });

  it("passes on what flock complains of", async () => {
    const { PATH } = process.env;
    writeFileSync(join(directory, "flock"), "#!/bin/sh\necho no locks here >&2\nexit 1\n", { mode: 0o755 });
    process.env.PATH = `${directory}:${PATH}`;
    const error = await acquireLock(join(directory, "lock")).catch((caught: unknown) => caught);
    process.env.PATH = PATH;
    expect(error).toMatchObject({ code: "io", message: expect.stringContaining("no locks here") });
  });

  it("a shorter pid leaves no rest of a longer one", async () => {
    const path = join(directory, "lock");
    writeFileSync(path, "99999999999\n");
    const lock = await acquireLock(path);
    expect(readFileSync(path, "latin1").trim()).toBe(`${process.pid}`);
    lock.release();
  });
});
