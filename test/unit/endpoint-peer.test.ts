import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectionOf, identify, peerText } from "../../src/endpoint/peer.ts";
import { unitOf } from "../../src/system/process-facts.ts";

describe("the connection behind a call", () => {
  const program = {
    start: "123",
    executable: { device: 1, inode: 2, path: '/opt/a "b"/\n#1/{}' },
    unit: "a.service",
  };
  test.each([
    { endpoint: "agent", number: 12, uid: 1000 },
    { endpoint: "admin", number: 1, uid: 0, gid: 0, pid: 4711, program },
    { endpoint: "my-ci.2_x", number: 7 },
  ])("survives the way through getPeer(): $endpoint", (connection) => {
    expect(connectionOf(peerText(connection))).toEqual(connection);
  });

  test.each([
    "unknown",
    "",
    "127.0.0.1:4711",
    "[::1]:4711",
    "agent#",
    "#1",
    "agent#1",
    "agent#1/",
    "agent#1/x",
  ])("is none for %j", (peer) => {
    expect(connectionOf(peer)).toBeUndefined();
  });
});

describe("a peer of whom the kernel tells nothing", () => {
  const gate = { mode: "private", needsProgram: false } as const;
  const socketFile = (mode: number) => {
    const directory = mkdtempSync(join(tmpdir(), "gate-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "agent.sock");
    writeFileSync(path, "", { mode });
    return path;
  };

  test("is our own user where nobody else may open the socket", () => {
    const path = socketFile(0o600);
    expect(identify(new Socket(), { ...gate, path })).toEqual({ uid: process.geteuid?.() });
  });

  test("is nobody once others may, and on a shared socket", () => {
    expect(identify(new Socket(), { ...gate, path: socketFile(0o604) })).toEqual({});
    expect(identify(new Socket(), { ...gate, path: join(tmpdir(), "no-such-socket") })).toEqual({});
    expect(identify(new Socket(), { ...gate, path: socketFile(0o600), mode: "shared" })).toEqual({});
  });
});

describe("the unit of a process", () => {
  test.each([
    ["0::/system.slice/codex.service\n", "codex.service"],
    ["0::/system.slice/codex.service/inner/x.service\n", "codex.service"],
    ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n", "user@1000.service/a.service"],
    ["0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"],
    ["0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "user@1000.service/init.scope"],
    ["9:name=systemd:/system.slice/a.service\n4:memory:/x/b.service\n0::/\n", "a.service"],
    ["9:name=systemd:/\n0::/system.slice/docker-12ab.scope\n", "docker-12ab.scope"],
    ["0::/system.slice/_cgroup.service\n", "cgroup.service"],
    ["0::/\n", undefined],
    ["", undefined],
  ])("of %j is %s", (cgroup, unit) => {
    expect(unitOf(cgroup)).toBe(unit);
  });
});
