import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { says } from "../support/codex-backend.mjs";
import {
  type CodexWorld,
  codexWorld,
  filesBelow,
  HOMES,
  hasNamespaces,
  homesOf,
  realCodex,
} from "../support/codex-world.ts";
import type { Running } from "../support/process.mjs";
import { until } from "../support/until.ts";

const EXEC = ["exec", "--skip-git-repo-check", "-s", "danger-full-access"];
const ENDING = "0123456789ab";

/** A run whose model does not answer before `goOn`. */
async function waitingRun({ backend, start }: CodexWorld): Promise<{ running: Running; goOn: () => void }> {
  let goOn = () => {};
  const answered = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  backend.model = async () => {
    await answered;
    return says("done");
  };
  const running = await start([...EXEC, "wait"]);
  await backend.seen(({ path }) => path.endsWith("/responses"));
  return { running, goOn };
}

/** A home as a process leaves it behind. */
function leftHome(pid: number, startTicks: string, namespace = ownNamespace()): string {
  const home = join(HOMES, `${pid}.${startTicks}.${namespace}.${ENDING}`);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

describe.skipIf(!(await hasNamespaces()))("what a run of codex leaves", () => {
  test("a launcher that is killed takes Codex and the credential with it", async () => {
    const world = await codexWorld();
    await world.login("a");
    const { running } = await waitingRun(world);
    expect(homesOf(running.pid)).toHaveLength(1);
    await running.kill("SIGKILL");
    await until(() => world.processes().length === 0);
    expect(homesOf(running.pid)).toEqual([]);
  });

  test("what is left when everything is killed at once is swept by the next start", async () => {
    const world = await codexWorld();
    await world.login("a");
    const { running, goOn } = await waitingRun(world);
    for (const pid of world.processes()) kill(pid);
    await running.exited;
    await until(() => world.processes().length === 0);
    expect(homesOf(running.pid)).toHaveLength(1);
    goOn();
    expect(await world.codex([...EXEC, "again"])).toMatchObject({ code: 0 });
    expect(homesOf(running.pid)).toEqual([]);
  });

  test("a home whose process lives is not swept, nor one whose process cannot be seen", async () => {
    const world = await codexWorld();
    await world.login("a");
    const [, ticks = ""] = /^.*\) (?:\S+ ){19}(\d+)/.exec(readFileSync("/proc/self/stat", "utf8")) ?? [];
    const living = leftHome(process.pid, ticks);
    const idCameAgain = leftHome(process.pid, "1");
    const elsewhere = leftHome(process.pid, "1", "1");
    expect(await world.codex([...EXEC, "tidy"])).toMatchObject({ code: 0 });
    expect([living, idCameAgain, elsewhere].map(existsSync)).toEqual([true, false, true]);
  });

  test("a terminated launcher ends Codex in good order", async () => {
    const world = await codexWorld();
    await world.login("a");
    const { running } = await waitingRun(world);
    const { code } = await running.kill("SIGTERM");
    expect(code).toBe(143);
    await until(() => world.processes().length === 0);
    expect(homesOf(running.pid)).toEqual([]);
  });

  test("the first run of an installed Codex keeps empty databases for the next ones, and those of no other", async () => {
    const world = await codexWorld();
    await world.login("a");
    const codex = join(world.work, "codex");
    const env = { PATH: `${world.work}:/usr/bin:/bin` };
    const place = join(world.broker.home, "state/codex-databases");
    const install = async (version: number) =>
      writeFile(codex, `#!/bin/sh\n# ${version}\nexec ${await realCodex()} "$@"`, { mode: 0o755 });
    const kept: string[][] = [];
    for (const version of [1, undefined, 22]) {
      if (version !== undefined) await install(version);
      expect(await world.codex([...EXEC, "whistle"], { env })).toMatchObject({ code: 0, stdout: "done\n" });
      kept.push(readdirSync(place));
    }
    const [first, again, other] = kept;
    expect([first?.length, other?.length]).toEqual([1, 1]);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    const files = filesBelow(place);
    expect(files.map((path) => path.replace(/.*\//, ""))).toContain("state_5.sqlite");
    expect(files.filter((path) => readFileSync(path, "latin1").includes("whistle"))).toEqual([]);
  });

  test("no refresh token is in the home, the environment, the process list, the sessions, the log or the output, and the access token is in one file", async () => {
    const world = await codexWorld();
    const token = await world.login("a");
    const { running, goOn } = await waitingRun(world);
    const homes = homesOf(running.pid);
    const places = [...homes, world.codexHome].flatMap(filesBelow);
    const processes = world.processes().flatMap((pid) => [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`]);
    expect(processes.length).toBeGreaterThanOrEqual(6);
    const holding = (secret: string) => [...places, ...processes].filter((path) => holds(path, secret));
    expect(holding("rt-FAKE")).toEqual([]);
    expect(holding(token)).toEqual([join(homes[0] ?? "", "auth.json")]);
    goOn();
    await running.exited;
    for (const secret of ["rt-FAKE", token]) {
      const left = [world.codexHome, world.work].flatMap(filesBelow).filter((path) => holds(path, secret));
      expect(left).toEqual([]);
      expect(running.stdout() + running.stderr() + JSON.stringify(world.broker.log)).not.toContain(secret);
    }
    expect(world.backend.requests.filter((request) => JSON.stringify(request).includes("rt-FAKE"))).toEqual(
      [],
    );
    expect(world.backend.requests.filter(({ body }) => body.includes(token))).toEqual([]);
  });
});

/** A process may be gone by then. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function ownNamespace(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "";
}

/** A process may be gone by the time it is looked at. */
function holds(path: string, secret: string): boolean {
  try {
    return readFileSync(path, "latin1").includes(secret);
  } catch (error) {
    if (path.startsWith("/proc/")) return false;
    throw error;
  }
}
