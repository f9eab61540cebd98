import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cacheDirectory, places, type Surroundings } from "../../src/places.ts";

const linux: Surroundings = { env: {}, platform: "linux", home: "/home/ann", user: "ann" };
const windows: Surroundings = {
  env: { LOCALAPPDATA: "C:\\Users\\ann\\AppData\\Local" },
  platform: "win32",
  home: "C:\\Users\\ann",
  user: "ann",
};

describe("without any setting", () => {
  test("config and key lie under .config, state and sockets under .local/state", () => {
    expect(places(linux)).toEqual({
      configFile: "/home/ann/.config/auth-broker/config.json",
      keyFile: "/home/ann/.config/auth-broker/key",
      countersFile: "/home/ann/.config/auth-broker/key.counters",
      stateDir: "/home/ann/.local/state/auth-broker/state",
      auditDir: "/home/ann/.local/state/auth-broker/audit",
      runDir: "/home/ann/.local/state/auth-broker/run",
      agentAddress: { kind: "unix", path: "/home/ann/.local/state/auth-broker/run/agent.sock" },
      adminAddress: { kind: "unix", path: "/home/ann/.local/state/auth-broker/run/admin.sock" },
    });
  });

  test("macOS has the same places as Linux", () => {
    expect(places({ ...linux, platform: "darwin" })).toEqual(places(linux));
  });

  test("a session's runtime directory changes nothing, so that cron and ssh find the same socket", () => {
    expect(places({ ...linux, env: { XDG_RUNTIME_DIR: "/run/user/1000" } })).toEqual(places(linux));
  });

  test("Windows has files under LocalAppData and two pipes of the user's name", () => {
    expect(places(windows)).toMatchObject({
      configFile: "C:\\Users\\ann\\AppData\\Local\\auth-broker\\config.json",
      stateDir: "C:\\Users\\ann\\AppData\\Local\\auth-broker\\state",
      agentAddress: { kind: "pipe", name: "auth-broker-ann-agent" },
      adminAddress: { kind: "pipe", name: "auth-broker-ann-admin" },
    });
    expect(places({ ...windows, env: {} })).toEqual(places(windows));
  });
});

describe("XDG directories", () => {
  test("are followed when absolute", () => {
    const env = { XDG_CONFIG_HOME: "/c", XDG_STATE_HOME: "/s" };
    expect(places({ ...linux, env })).toMatchObject({
      configFile: "/c/auth-broker/config.json",
      stateDir: "/s/auth-broker/state",
      agentAddress: { path: "/s/auth-broker/run/agent.sock" },
    });
  });

  test("are ignored when relative or empty", () => {
    const env = { XDG_CONFIG_HOME: "c", XDG_STATE_HOME: "" };
    expect(places({ ...linux, env })).toEqual(places(linux));
  });
});

describe("AUTH_BROKER_HOME", () => {
  test("puts everything under one directory, whatever XDG says", () => {
    const env = { AUTH_BROKER_HOME: "/srv/broker/", XDG_CONFIG_HOME: "/c" };
    expect(places({ ...linux, env })).toEqual({
      configFile: "/srv/broker/config.json",
      keyFile: "/srv/broker/key",
      countersFile: "/srv/broker/key.counters",
      stateDir: "/srv/broker/state",
      auditDir: "/srv/broker/audit",
      runDir: "/srv/broker/run",
      agentAddress: { kind: "unix", path: "/srv/broker/run/agent.sock" },
      adminAddress: { kind: "unix", path: "/srv/broker/run/admin.sock" },
    });
  });

  test.each(["broker", "./broker", "~/broker"])("is refused when relative: %s", (home) => {
    expect(() => places({ ...linux, env: { AUTH_BROKER_HOME: home } })).toThrow(
      expect.objectContaining({
        exit: 78,
        message: `AUTH_BROKER_HOME must be an absolute path, not "${home}"`,
      }),
    );
  });

  test("counts as unset when empty", () => {
    expect(places({ ...linux, env: { AUTH_BROKER_HOME: "" } })).toEqual(places(linux));
  });

  test("gives each home on Windows pipes of its own, however its path is spelled", () => {
    const agentOf = (home: string) =>
      places({ ...windows, env: { AUTH_BROKER_HOME: home } }).agentAddress as { name: string };
    expect(agentOf("D:\\a").name).toMatch(/^auth-broker-ann-[0-9a-f]{8}-agent$/);
    expect(agentOf("D:\\a")).toEqual(agentOf("d:/A"));
    expect(agentOf("D:\\a")).not.toEqual(agentOf("D:\\b"));
  });
});

describe("addresses of the environment", () => {
  test.each(["x.sock", "tcp://127.0.0.1:1", "npipe:"])("are refused when unusable, by name: %s", (text) => {
    expect(() => places({ ...linux, env: { AUTH_BROKER_SOCKET: text } })).toThrow(
      expect.objectContaining({
        exit: 78,
        message: expect.stringMatching(/^AUTH_BROKER_SOCKET: .*absolute/),
      }),
    );
  });

  test("an override replaces only its own endpoint", () => {
    const env = { AUTH_BROKER_SOCKET: "/srv/a.sock" };
    const found = places({ ...linux, env });
    expect(found.agentAddress).toEqual({ kind: "unix", path: "/srv/a.sock" });
    expect(found.adminAddress).toEqual(places(linux).adminAddress);
    expect(places({ ...linux, env: { AUTH_BROKER_ADMIN_SOCKET: "npipe:x" } }).adminAddress).toEqual({
      kind: "pipe",
      name: "x",
    });
  });
});

describe("what can be made again", () => {
  test("is kept with the user's other caches", () => {
    expect(cacheDirectory({}, "linux")).toBe(join(homedir(), ".cache/auth-broker"));
    expect(cacheDirectory({ XDG_CACHE_HOME: "/c" }, "linux")).toBe("/c/auth-broker");
    expect(cacheDirectory({ XDG_CACHE_HOME: "c" }, "linux")).toBe(join(homedir(), ".cache/auth-broker"));
    expect(cacheDirectory({ LOCALAPPDATA: "C:\\L" }, "win32")).toBe("C:\\L\\auth-broker\\cache");
  });

  test("is kept in AUTH_BROKER_HOME if that is there, which asking never makes", () => {
    const home = mkdtempSync(join(tmpdir(), "places-"));
    expect(cacheDirectory({ AUTH_BROKER_HOME: home }, "linux")).toBe(join(home, "cache"));
    rmSync(home, { recursive: true });
    expect(cacheDirectory({ AUTH_BROKER_HOME: home }, "linux")).toBeUndefined();
    expect(cacheDirectory({ AUTH_BROKER_HOME: "here" }, "linux")).toBeUndefined();
  });
});
