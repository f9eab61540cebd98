import { appendFileSync, chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Cli, emptyCli, errorJson, MAIN } from "../support/cli.ts";
import { mountDisk } from "../support/mount.ts";
import { mayBeOther, OTHER_UID, runAsOther } from "../support/other-user.ts";
import { start } from "../support/process.mjs";
import { serving } from "../support/serving.ts";

const canBeOther = mayBeOther();
const fileOf = (cli: Cli) => join(cli.home, "audit", "audit.jsonl");

async function lines(cli: Cli): Promise<Record<string, unknown>[]> {
  const { stdout } = await cli("audit --json --last 0");
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

describe("the audit log", () => {
  test("says who did what, with which profile, and what came of it, within a second", async () => {
    const { cli } = await serving();
    const { lease } = JSON.parse((await cli("acquire openrouter --json")).stdout);
    await cli(["report", lease.leaseId, "RATE_LIMIT"]);
    await cli("acquire openrouter");
    await expect
      .poll(async () => (await lines(cli)).map((l) => [l.action, l.outcome, l.profile]))
      .toEqual([
        ["serve", "STARTED", undefined],
        ["put", "OK", "openrouter:work"],
        ["acquire", "GRANTED", "openrouter:work"],
        ["report", "RATE_LIMIT", "openrouter:work"],
        ["acquire", "ALL_COOLING_DOWN", undefined],
      ]);
    const [, put, acquire] = await lines(cli);
    const actor = {
      uid: process.getuid?.(),
      pid: expect.any(Number),
      program: expect.stringContaining("node"),
    };
    expect(put).toMatchObject({ actor: { endpoint: "admin", ...actor }, generation: 1 });
    expect(acquire).toMatchObject({ actor: { endpoint: "agent", ...actor }, fingerprint: put?.fingerprint });
    const { profiles } = JSON.parse((await cli("profiles list --json")).stdout);
    expect(acquire?.fingerprint).toBe(profiles[0].tokenFingerprint);
    expect(statSync(fileOf(cli)).mode & 0o777).toBe(0o600);
    expect((await cli("audit")).stdout).toMatch(
      /acquire {2}GRANTED {2}openrouter:work {2}generation 1 .* by uid \d+ pid/,
    );
  });

  test.runIf(canBeOther)("has a peer that was cut off, at once", async () => {
    const { cli } = await serving();
    const socket = join(cli.home, "run", "agent.sock");
    chmodSync(socket, 0o666);
    chmodSync(join(cli.home, "run"), 0o711);
    const knock = `require("net").connect(${JSON.stringify(socket)}).on("close", () => {}).on("error", () => {});`;
    await runAsOther(process.execPath, ["-e", knock]);
    await expect
      .poll(() => readFileSync(fileOf(cli), "utf8"), { interval: 10 })
      .toContain('"action":"connect"');
    expect((await lines(cli)).at(-1)).toMatchObject({
      outcome: "CLIENT_FORBIDDEN",
      actor: { uid: OTHER_UID },
    });
  });

  test("is followed as it is written", async () => {
    const { cli } = await serving();
    const follower = await cli.start("audit --follow --json");
    onTestFinished(async () => void (await follower.kill("SIGKILL")));
    await follower.line(/"action":"put"/);
    await cli("acquire openrouter");
    await follower.line(/"action":"acquire","outcome":"GRANTED"/);
  });

  test("tells with verify which line was edited, and is never damaged by the broker itself", async () => {
    const { cli, daemon } = await serving();
    for (let i = 0; i < 3; i += 1) await cli("acquire openrouter");
    await daemon.kill("SIGTERM");
    expect(await cli("audit verify")).toMatchObject({ code: 0 });
    const text = readFileSync(fileOf(cli), "utf8");
    writeFileSync(fileOf(cli), text.replace('"seq":3,', '"seq":3,"x":1,'));
    const told = await cli("audit verify");
    expect(told).toMatchObject({
      code: 74,
      stdout: expect.stringContaining("audit.jsonl, line 3: entry 3 was changed"),
    });
    const asJson = JSON.parse((await cli("audit verify --json")).stdout);
    expect(asJson).toMatchObject({ ok: false, breaks: [{ line: 3, seq: 3, what: "changed" }] });
  });

  test("survives a kill at any moment; a line that was cut off is told and mended with the next start", async () => {
    const { cli, daemon } = await serving();
    for (let i = 0; i < 3; i += 1) await cli("acquire openrouter");
    await daemon.kill("SIGKILL");
    const whole = await lines(cli);
    appendFileSync(fileOf(cli), '{"seq":99,"time":"20');
    const cut = await cli("audit verify");
    expect(cut).toMatchObject({ code: 0, stderr: expect.stringContaining("the next start mends it") });
    const again = await start(process.execPath, [MAIN, "serve"], { env: cli.env });
    onTestFinished(async () => void (await again.kill("SIGKILL")));
    await again.line(/the broker serves/);
    await expect
      .poll(async () => (await lines(cli)).slice(whole.length).map((l) => l.outcome))
      .toEqual(["UNFINISHED_LINE_REMOVED", "STARTED"]);
    expect(await cli("audit verify")).toMatchObject({ code: 0, stderr: "" });
  });

  test("is told to be missing where there is none", async () => {
    const cli = await emptyCli();
    expect(await cli("audit")).toMatchObject({ code: 0, stdout: "" });
    expect(errorJson(await cli("audit verify --json")).code).toBe("NOT_FOUND");
    expect(await cli("audit verify")).toMatchObject({ code: 66 });
  });
});

test("a full disk stops no credential; status and health say what is wrong, and that it is over", async (context) => {
  const disk = await mountDisk(2 * 1024 * 1024);
  if (disk === undefined) return context.skip("this process may not mount a tmpfs");
  onTestFinished(() => disk.unmount());
  const { cli, daemon } = await serving({}, { env: { AUTH_BROKER_HOME: disk.path } });
  const { rm } = await import("node:fs/promises");
  const ballast = disk.fill();
  // Until what has room in the last page of the file is full, too.
  for (let i = 0; i < 40 && !daemon.stderr().includes("cannot be written"); i += 1) {
    expect(await cli("acquire openrouter")).toMatchObject({ code: 0 });
  }
  expect(await cli("acquire openrouter")).toMatchObject({ code: 0 });
  await daemon.line(/the audit log cannot be written/);
  expect((await cli("status")).stdout).toContain("the audit log cannot be written (ENOSPC)");
  await rm(ballast);
  await daemon.line(/the audit log can be written again/);
  expect((await cli("status")).stdout).not.toContain("audit log");
  expect(await cli("audit verify")).toMatchObject({ code: 0 });
});
