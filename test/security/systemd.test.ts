import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { emptyCli, MAIN } from "../support/cli.ts";
import { ownDirectory } from "../support/endpoint-fixture.ts";
import { type Running, start } from "../support/process.mjs";

const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
const canActivate = has("systemd-socket-activate", "--version");
if (!canActivate)
  console.warn("SKIPPED: systemd-socket-activate is missing, so socket activation is NOT tried");
const canVerify = has("systemd-analyze", "--version");
if (!canVerify) console.warn("SKIPPED: systemd-analyze is missing, so the unit files are NOT verified");

interface Activated {
  readonly starter: Running;
  readonly cli: Awaited<ReturnType<typeof emptyCli>>;
  readonly path: (name: string) => string;
}

/** Opens sockets as systemd would, and passes them to the broker with the first connection. */
async function activated(names: string, mode = 0o600, env: Record<string, string> = {}): Promise<Activated> {
  const cli = await emptyCli(env);
  const directory = join(cli.home, "run");
  mkdirSync(directory, { mode: 0o700 });
  const path = (name: string) => join(directory, `${name}.sock`);
  const sockets = ["agent", "admin"].flatMap((name) => ["-l", path(name)]);
  const passed = Object.keys({ AUTH_BROKER_HOME: "", HOME: "", ...env }).flatMap((name) => ["-E", name]);
  const program = [process.execPath, MAIN, "serve", "--json"];
  const starter = await start(
    "systemd-socket-activate",
    [...passed, ...sockets, `--fdname=${names}`, ...program],
    {
      env: cli.env,
    },
  );
  onTestFinished(async () => void (await starter.kill("SIGKILL")));
  await starter.line(/Listening on .*admin.sock/);
  for (const name of ["agent", "admin"]) chmodSync(path(name), mode);
  return { starter, cli, path };
}

describe.runIf(canActivate)("sockets that systemd opened", () => {
  test("are served by their names, with the first question, and stay when the broker goes", async () => {
    const { starter, cli, path } = await activated("agent:admin");
    const inode = statSync(path("agent")).ino;
    expect(await cli("profiles add openrouter:work --api-key", { input: "sk-FAKE-1\n" })).toMatchObject({
      code: 0,
    });
    expect(await cli("acquire openrouter")).toMatchObject({ code: 0 });
    expect(await starter.kill("SIGTERM")).toMatchObject({ code: 0 });
    expect(statSync(path("agent")).ino).toBe(inode);
    expect(readdirSync(join(cli.home, "run")).sort()).toEqual(["admin.sock", "agent.sock"]);
  });

  test.each([
    ["of a name that no endpoint has", "agent:other", 0o600, /called .*"other\\?" was passed/],
    [
      "in another's place",
      "admin:agent",
      0o600,
      /the socket that was passed is .*agent.sock, not .*admin.sock|admin.sock, not .*agent.sock/,
    ],
    ["open to others", "agent:admin", 0o666, /open to others; set SocketMode=0600/],
  ])("%s are refused", async (_what, names, mode, message) => {
    const { starter, cli } = await activated(names, mode);
    await cli("status");
    await starter.line(message);
    expect(await starter.exited).toMatchObject({ code: 78 });
  });
});

describe("a service manager", () => {
  test.runIf(process.platform === "linux").each(["path", "abstract"])(
    "that waits at a socket with a name (%s) is told of the start, the life and the end",
    async (kind) => {
      const name = kind === "path" ? join(ownDirectory(), "notify") : `@auth-broker-test-${process.pid}`;
      const listen = `use Socket; $| = 1; socket(S, PF_UNIX, SOCK_DGRAM, 0) or die; my $n = shift; $n =~ s/^@/\\0/;
        bind(S, pack("S a*", AF_UNIX, $n)) or die $!; print "bound\\n"; my $b; while (defined recv(S, $b, 999, 0)) { print "$b\\n" }`;
      const manager = await start("perl", ["-e", listen, name]);
      onTestFinished(async () => void (await manager.kill("SIGKILL")));
      await manager.line(/bound/);
      const cli = await emptyCli({ NOTIFY_SOCKET: name, WATCHDOG_USEC: "200000" });
      const daemon = await cli.start("serve --json");
      onTestFinished(async () => void (await daemon.kill("SIGKILL")));
      await manager.line(/^READY=1$/);
      await expect
        .poll(() => manager.stdout().match(/WATCHDOG=1/g)?.length ?? 0, { timeout: 10_000 })
        .toBeGreaterThan(3);
      expect(daemon.stderr()).toContain("the broker serves");
      await daemon.kill("SIGTERM");
      await manager.line(/^STOPPING=1$/);
    },
  );
});

test.runIf(canVerify)("the unit files are what systemd takes, and each program in them is found", () => {
  const folder = resolve(import.meta.dirname, "../../systemd");
  const user = readdirSync(join(folder, "user")).map((name) => join(folder, "user", name));
  for (const path of [...user, join(folder, "system", "auth-broker@.service")])
    expect(existsSync(path)).toBe(true);
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", ...user], { encoding: "utf8" });
  expect(stderr.split("\n").filter((line) => line.includes("auth-broker"))).toEqual([]);
  expect(status).toBe(0);
});
