import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { emptyCli, MAIN } from "../support/cli.ts";

/** A broker whose standard error is a pipe that is full before its first line. */
async function servingIntoFullPipe() {
  const cli = await emptyCli();
  const path = join(cli.home, "pipe");
  execFileSync("mkfifo", [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(pipe));
  let filled = 0;
  for (const size of [4096, 1]) filled += fill(pipe, size);
  const child = spawn(process.execPath, [MAIN, "serve"], { env: cli.env, stdio: ["ignore", "ignore", pipe] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit");
  while ((await cli("status")).code !== 0);
  /** What is in the pipe now, without what filled it. */
  const read = (): string => {
    const bytes = Buffer.alloc(1024 * 1024);
    const read = bytes.subarray(0, readSync(pipe, bytes)).toString();
    const fresh = read.slice(filled);
    filled = Math.max(0, filled - read.length);
    return fresh;
  };
  return { child, exited, read };
}

function fill(pipe: number, size: number): number {
  let filled = 0;
  try {
    for (;;) filled += writeSync(pipe, Buffer.alloc(size, "."));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    return filled;
  }
}

test.skipIf(process.platform === "win32")(
  "a standard error that nobody reads holds neither the broker nor its end",
  async () => {
    const { child, exited } = await servingIntoFullPipe();
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  },
);

test.skipIf(process.platform === "win32")(
  "a reader that comes late gets every line, the last one too",
  async () => {
    const { child, exited, read } = await servingIntoFullPipe();
    let text = read();
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    text += read();
    const said = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).msg);
    expect(said[0]).toBe("the broker serves");
    expect(said.at(-1)).toBe("the broker has stopped");
  },
);
