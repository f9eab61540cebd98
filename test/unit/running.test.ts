import { expect, test } from "vitest";
import { installationHome, processesOf } from "../../src/import/running.ts";

const context = { env: {}, home: "/home/me", now: { wallMs: 0, monoMs: 0 } };
const env = { HOME: "/home/me" };
const running = (source: "codex" | "claude" | "openclaw", home: string, args: string[], more = {}) =>
  processesOf(source, home, context, [{ pid: 7, args, env: { ...env, ...more } }]).length > 0;

test.each([
  ["codex", ["/opt/bin/codex", "exec", "x"]],
  ["codex", ["node", "--no-warnings", "/lib/node_modules/@openai/codex/bin/codex.js"]],
  ["claude", ["claude"]],
  ["openclaw", ["openclaw-gateway"]],
  ["openclaw", ["openclaw-gateway: running"]],
  ["openclaw", ["/usr/bin/node", "/lib/node_modules/openclaw/openclaw.mjs", "gateway", "run"]],
] as const)("%s is known by %j", (source, args) => {
  expect(running(source, `/home/me/.${source}`, [...args])).toBe(true);
});

test.each([
  ["openclaw", ["node", "/x/auth-broker/dist/cli/main.js", "import", "openclaw"]],
  ["codex", ["/usr/bin/vi", "codex"]],
  ["codex", ["/opt/bin/codex-helper"]],
  ["claude", ["node", "/x/claude.test.ts"]],
] as const)("%s is not what %j runs", (source, args) => {
  expect(running(source, `/home/me/.${source}`, [...args])).toBe(false);
});

test("a process on another home does not count, one whose home nobody tells does", () => {
  const codex = ["/opt/bin/codex"];
  expect(running("codex", "/home/me/.codex", codex, { CODEX_HOME: "/dev/shm/private" })).toBe(false);
  expect(running("openclaw", "/srv/claw", ["openclaw"], { OPENCLAW_STATE_DIR: "/srv/claw" })).toBe(true);
  expect(processesOf("codex", "/home/me/.codex", context, [{ pid: 7, args: codex }])).toEqual([7]);
});

test("a directory or a file names the home of its installation", () => {
  expect(installationHome("codex", "/a/.codex/auth.json")).toBe("/a/.codex");
  expect(installationHome("openclaw", "/a/claw/agents/main/agent/auth-profiles.json")).toBe("/a/claw");
  expect(installationHome("openclaw", "/a/claw/state/openclaw.sqlite")).toBe("/a/claw");
  expect(installationHome("openclaw", "/a/claw")).toBe("/a/claw");
});
