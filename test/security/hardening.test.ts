import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Cli, emptyCli, errorJson, MAIN } from "../support/cli.ts";
import { ownDirectory } from "../support/endpoint-fixture.ts";
import { withoutKoffi } from "../support/no-koffi.ts";
import { mayBeOther, OTHER_UID, runAsOther, startAsOther } from "../support/other-user.ts";
import { type Running, run, start } from "../support/process.mjs";

const canBeOther = mayBeOther();
const canDump = spawnSync("gcore", ["--help"]).error === undefined;
if (!canDump) console.warn("SKIPPED: gcore is missing, so dumping by a debugger is NOT tried");

/** A broker of an ordinary user: nobody can keep anything from root. */
async function ordinary(): Promise<Running> {
  const home = ownDirectory();
  chownSync(home, OTHER_UID, OTHER_UID);
  const env = { PATH: process.env.PATH, HOME: home, AUTH_BROKER_HOME: home };
  const daemon = await startAsOther(process.execPath, [MAIN, "serve", "--json"], { env });
  onTestFinished(async () => void (await daemon.kill("SIGKILL")));
  await daemon.line(/the broker serves/);
  await expect.poll(() => coreLimit(daemon.pid)).toMatch(/ 0 +0 +bytes/);
  return daemon;
}

function coreLimit(pid: number): string {
  return /^Max core file size.*$/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[0] ?? "";
}

describe.runIf(canBeOther)("a broker that holds tokens", () => {
  test.each(["mem", "environ", "maps", "auxv", "fd", "fdinfo/1", "exe", "cwd"])(
    "lets its own user not look at /proc/PID/%s",
    async (entry) => {
      const { pid } = await ordinary();
      const path = `/proc/${pid}/${entry}`;
      const look = `const fs = require("fs"); for (const f of ["readlinkSync", "readdirSync", "openSync"])
        try { fs[f](process.argv[1]); console.log(f); } catch (e) { if (f === "openSync") console.log(e.code); }`;
      const { stdout } = await runAsOther(process.execPath, ["-e", look, path]);
      // Which files can be listed depends on the kernel; what stands in them is what counts.
      if (entry === "fdinfo/1") expect(["EACCES\n", "openSync\n"]).toContain(stdout);
      else expect(stdout).toBe("EACCES\n");
    },
  );

  test.runIf(canDump)("cannot be dumped or debugged by its own user", async () => {
    const { pid } = await ordinary();
    const place = ownDirectory();
    chmodSync(place, 0o777);
    const dumped = await runAsOther("gcore", ["-o", join(place, "core"), String(pid)], {
      env: { PATH: process.env.PATH, HOME: place },
    });
    expect(dumped.code).not.toBe(0);
    expect(`${dumped.stdout}${dumped.stderr}`).toMatch(/not permitted|attach/);
  });

  test("leaves no core file when it is killed by a signal that makes one", async () => {
    const daemon = await ordinary();
    expect(await daemon.kill("SIGABRT")).toMatchObject({ signal: "SIGABRT" });
  });

  test("opens no inspector on SIGUSR1", async () => {
    const daemon = await ordinary();
    for (let i = 0; i < 3; i += 1) process.kill(daemon.pid, "SIGUSR1");
    const { stdout } = await runAsOther(process.execPath, [
      "-e",
      `const s = require("net").connect(9229, "127.0.0.1"); s.on("connect", () => { console.log("open"); s.destroy(); });
       s.on("error", (e) => console.log(e.code));`,
    ]);
    expect(stdout).toBe("ECONNREFUSED\n");
    expect(daemon.stderr()).not.toContain("Debugger listening");
  });
});

describe('with "hardening": "strict"', () => {
  async function strict(): Promise<Cli> {
    const cli = await emptyCli();
    writeFileSync(join(cli.home, "config.json"), '{ "hardening": "strict" }');
    return cli;
  }

  test.each([
    ["NODE_OPTIONS", "--trace-warnings"],
    ["LD_PRELOAD", "/no/such.so"],
  ])("a %s that would bring foreign code is refused, not mended", async (name, value) => {
    const cli = await strict();
    const refused = await cli("serve --json", { env: { [name]: value } });
    expect(refused.code).toBe(78);
    expect(
      errorJson({ ...refused, stderr: refused.stderr.split("\n").find((l) => l.startsWith("{")) ?? "" }),
    ).toMatchObject({
      message: expect.stringContaining("foreign code"),
    });
  });

  test("a broker that cannot shield itself does not start", async () => {
    const cli = await strict();
    const refused = await run(process.execPath, [...withoutKoffi(), MAIN, "serve", "--json"], {
      env: cli.env,
    });
    expect(refused.code).toBe(78);
    expect(errorJson(refused).message).toContain("koffi");
  });

  test("all else is as ever, and the shield is there before the state is read", async () => {
    const cli = await strict();
    const daemon = await start(process.execPath, [MAIN, "serve", "--json"], { env: cli.env });
    onTestFinished(async () => void (await daemon.kill("SIGKILL")));
    await daemon.line(/the broker serves/);
    expect(coreLimit(daemon.pid)).toMatch(/ 0 +0 +bytes/);
    expect(await cli("status")).toMatchObject({ code: 0 });
  });
});

test("without the package that shields it, a broker serves and says so", async () => {
  const cli = await emptyCli();
  const daemon = await start(process.execPath, [...withoutKoffi(), MAIN, "serve", "--json"], {
    env: cli.env,
  });
  onTestFinished(async () => void (await daemon.kill("SIGKILL")));
  await daemon.line(/not shielded as it should be/);
  expect(await cli("status")).toMatchObject({ code: 0 });
});
