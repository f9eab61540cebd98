import { once } from "node:events";
import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Cli, emptyCli } from "../support/cli.ts";
import type { Running } from "../support/process.mjs";

async function serving(cli: Cli, env: Record<string, string> = {}): Promise<Running> {
  const daemon = await cli.start("serve", { env });
  onTestFinished(async () => void (await daemon.kill("SIGKILL")));
  await daemon.line(/the broker serves/);
  return daemon;
}

test("serve answers, logs JSON to standard error, keeps everything private, and ends with 0 on SIGTERM", async () => {
  const cli = await emptyCli();
  const daemon = await serving(cli);
  expect(await cli("status")).toMatchObject({ code: 0 });
  for (const [path, mode] of [
    ["run", 0o700],
    ["state", 0o700],
    ["key", 0o600],
    ["run/agent.sock", 0o600],
    ["run/admin.sock", 0o600],
  ] as const) {
    expect((await stat(join(cli.home, path))).mode & 0o777, path).toBe(mode);
  }
  expect(await daemon.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(daemon.stdout()).toBe("");
  for (const line of daemon.stderr().trim().split("\n"))
    expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String), time: expect.any(Number) });
  expect(await readdir(join(cli.home, "run"))).toEqual([]);
  expect(await cli("status")).toMatchObject({ code: 69 });
});

test("serve tells at the start where it serves, and that it closed a home that was open to others", async () => {
  const cli = await emptyCli();
  await chmod(cli.home, 0o777);
  const daemon = await serving(cli);
  const lines = daemon.stderr().trim().split("\n");
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({
    endpoints: { agent: join(cli.home, "run/agent.sock"), admin: join(cli.home, "run/admin.sock") },
    configFile: join(cli.home, "config.json"),
    stateDir: join(cli.home, "state"),
  });
  expect(lines.map((line) => JSON.parse(line).msg)).toContain(
    `other users could enter ${cli.home}; it is now closed to them`,
  );
  expect((await stat(cli.home)).mode & 0o777).toBe(0o700);
});

test("what was put is there again after a restart", async () => {
  const cli = await emptyCli();
  const first = await serving(cli);
  await cli("profiles add openai-api:k --api-key", { input: "sk-FAKE-1" });
  await first.kill("SIGINT");
  await serving(cli);
  expect(await cli("token openai-api")).toMatchObject({ code: 0, stdout: "sk-FAKE-1\n" });
});

test("a second broker on the same state ends with 75, naming the process; after SIGKILL the next one takes over", async () => {
  const cli = await emptyCli();
  const first = await serving(cli);
  const second = await cli("serve");
  expect(second).toMatchObject({ code: 75, stdout: "" });
  expect(second.stderr).toContain(`process ${first.pid}`);
  expect(await cli("status")).toMatchObject({ code: 0 });
  await first.kill("SIGKILL");
  await serving(cli);
  expect(await cli("status")).toMatchObject({ code: 0 });
});

test("a second broker at the same socket but with another state ends with 75", async () => {
  const cli = await emptyCli();
  await serving(cli);
  const other = await emptyCli({ AUTH_BROKER_SOCKET: join(cli.home, "run", "agent.sock") });
  const ended = await other("serve");
  expect(ended).toMatchObject({ code: 75 });
  expect(ended.stderr).toContain("already listening");
});

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)(
  "%s waits for a refresh that is under way, a second one ends it at once with %d",
  async (signal, code) => {
    const cli = await emptyCli();
    const endpoint = createServer(() => {}).listen(0, "127.0.0.1");
    onTestFinished(() => endpoint.closeAllConnections());
    onTestFinished(() => void endpoint.close());
    await once(endpoint, "listening");
    const { port } = endpoint.address() as AddressInfo;
    const tokenUrl = `http://127.0.0.1:${port}/token`;
    await writeFile(
      join(cli.home, "config.json"),
      JSON.stringify({ providers: { "openai-codex": { tokenUrl } } }),
    );
    const daemon = await serving(cli);
    const expireTime = new Date(Date.now() - 1_000).toISOString();
    const oauth = { accessToken: "at-FAKE-1", refreshToken: "rt-FAKE-1", expireTime };
    expect(await cli("profiles add openai-codex:a", { input: JSON.stringify({ oauth }) })).toMatchObject({
      code: 0,
    });
    const asked = once(endpoint, "request");
    const waiting = cli("token openai-codex");
    await asked;
    process.kill(daemon.pid, signal);
    await daemon.line(new RegExp(`"signal":"${signal}"`));
    expect(await daemon.kill(signal)).toEqual({ code, signal: null });
    expect((await waiting).code).toBeGreaterThan(0);
  },
);

test("a place that cannot be used ends it with 78, one that belongs to nobody of ours stays as it was", async () => {
  const cli = await emptyCli();
  expect(await cli("serve", { env: { AUTH_BROKER_HOME: "relative" } })).toMatchObject({ code: 78 });
  const path = join(cli.home, "file");
  await writeFile(path, "mine");
  const ended = await cli("serve", { env: { AUTH_BROKER_SOCKET: path } });
  expect(ended).toMatchObject({ code: 78 });
  expect(ended.stderr).toContain(path);
  expect((await stat(path)).size).toBe(4);
});

test("a state that cannot be used ends it with 74 and says what to do", async () => {
  const cli = await emptyCli();
  await writeFile(join(cli.home, "state"), "");
  const ended = await cli("serve");
  expect(ended).toMatchObject({ code: 74 });
  expect(ended.stderr).toContain("what helps:");
  const other = await emptyCli();
  await mkdir(join(other.home, "state"));
  await writeFile(join(other.home, "key"), "no key");
  expect(await other("serve")).toMatchObject({ code: 74 });
});

// Node's own way of making directories tries this one for ever.
test.runIf(process.platform === "linux")(
  "a home below a place where nothing can be made ends it at once",
  async () => {
    const cli = await emptyCli();
    const ended = await cli("serve", { env: { AUTH_BROKER_HOME: "/proc/nope" } });
    expect(ended).toMatchObject({ code: 74 });
    expect(ended.stderr).toContain("/proc/nope");
  },
);

test("SIGUSR1 opens no inspector", async () => {
  const cli = await emptyCli();
  const daemon = await serving(cli);
  process.kill(daemon.pid, "SIGUSR1");
  expect(await cli("status")).toMatchObject({ code: 0 });
  expect(daemon.stderr()).not.toContain("Debugger");
});
