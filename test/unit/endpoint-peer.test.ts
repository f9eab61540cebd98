import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectionOf, forget, identify, introduce } from "../../src/endpoint/peer.ts";
import { unitOf } from "../../src/system/process-facts.ts";

describe("the connection behind a call", () => {
  test("is found by what getPeer() gives, and for a while after its end", () => {
    const one = { endpoint: "agent", number: 1, uid: 1000 };
    const other = { endpoint: "agent", number: 1, uid: 1001 };
    const [first, second] = [introduce(one), introduce(other)];
    expect(first).toMatch(/^agent#1\/\d+$/);
    expect([connectionOf(first), connectionOf(second)]).toEqual([one, other]);
    forget(first);
    expect(connectionOf(first)).toEqual(one);
    for (let i = 0; i < 1_024; i += 1) forget(introduce(other));
    expect(connectionOf(first)).toBeUndefined();
    expect(connectionOf(second)).toEqual(other);
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
