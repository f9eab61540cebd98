import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
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
    for (const pid of world.processes()) process.kill(pid, "SIGKILL");
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

  test("no refresh token is in the home, the environment, the process list, the sessions or the output", async () => {
    const world = await codexWorld();
    await world.login("a");
    const { running, goOn } = await waitingRun(world);
    const places = [...homesOf(running.pid), world.codexHome].flatMap(filesBelow);
    const processes = world.processes().flatMap((pid) => [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`]);
    expect(places.map((path) => path.replace(/.*\//, ""))).toContain("auth.json");
    expect(processes.length).toBeGreaterThanOrEqual(6);
    expect([...places, ...processes].filter(holdsRefreshToken)).toEqual([]);
    goOn();
    await running.exited;
    expect(filesBelow(world.codexHome).filter(holdsRefreshToken)).toEqual([]);
    expect(running.stdout() + running.stderr()).not.toContain("rt-FAKE");
    expect(world.backend.requests.filter(({ body, token }) => `${body}${token}`.includes("rt-FAKE"))).toEqual(
      [],
    );
  });
});

function ownNamespace(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "";
}

function holdsRefreshToken(path: string): boolean {
  return readFileSync(path, "latin1").includes("rt-FAKE");
}
