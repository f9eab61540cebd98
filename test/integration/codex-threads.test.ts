import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LOCKS } from "../../src/codex/home.ts";
import { type Threads, watchThreads } from "../../src/codex/threads.ts";
import { start } from "../support/process.mjs";
import { until } from "../support/until.ts";

const ID = (n: number) => `01a217d2-0000-7000-8000-00000000000${n}`;
/** Holds locks as Codex does: opens what `+NAME` names, removes and closes what `-NAME` names. */
const HOLDER = `
const fs = require("node:fs");
const open = new Map();
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const path = line.slice(1);
  if (line[0] === "+") open.set(path, fs.openSync(path, "w"));
  else { fs.unlinkSync(path); fs.closeSync(open.get(path)); }
  console.log("done " + line);
});
console.log("ready");`;

let home: string;
let threads: Threads;
let closings: number;
let codex: Awaited<ReturnType<typeof holder>>;
let another: Awaited<ReturnType<typeof holder>>;

async function holder() {
  const child = await start(process.execPath, ["-e", HOLDER], { keepStdin: true });
  await child.line(/^ready$/);
  const does = async (what: "+" | "-", n: number) => {
    const line = `${what}${join(home, LOCKS, `${ID(n)}.lock`)}`;
    child.send(line);
    await child.line(new RegExp(`^done ${line.replace(/[+.]/g, "\\$&")}$`));
  };
  return { child, opens: (n: number) => does("+", n), closes: (n: number) => does("-", n) };
}

describe.runIf(process.platform === "linux")("the threads of a Codex", () => {
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "threads-"));
    mkdirSync(join(home, LOCKS));
    closings = 0;
    [codex, another] = await Promise.all([holder(), holder()]);
    threads = watchThreads(home, () => {
      closings += 1;
    });
    threads.follows(codex.child.pid);
  });

  afterEach(async () => {
    threads.stop();
    await Promise.all([codex.child.kill("SIGKILL"), another.child.kill("SIGKILL")]);
    rmSync(home, { recursive: true });
  });

  test("are over when the last of its locks is gone, and again when a later one is", async () => {
    await codex.opens(1);
    await codex.opens(2);
    await until(() => threads.soFar().length === 2);
    await codex.closes(1);
    await codex.opens(3);
    await until(() => threads.soFar().length === 3);
    expect(closings).toBe(0);
    await codex.closes(2);
    await codex.closes(3);
    await until(() => closings === 1);
    await codex.opens(4);
    await until(() => threads.soFar().length === 4);
    await codex.closes(4);
    await until(() => closings === 2);
    expect(threads.stop()).toEqual([ID(1), ID(2), ID(3), ID(4)]);
  });

  test("are not those of another one that shares the directory", async () => {
    await another.opens(1);
    await codex.opens(2);
    await until(() => threads.soFar().length === 1);
    await another.closes(1);
    await codex.opens(3);
    await until(() => threads.soFar().length === 2);
    expect(closings).toBe(0);
    expect(threads.soFar()).toEqual([ID(2), ID(3)]);
  });
});
