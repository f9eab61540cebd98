import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { codexWorld, hasNamespaces, RELAY } from "../support/codex-world.ts";
import { installed } from "../support/installed.ts";
import { says, startOpenclawBackend } from "../support/openclaw-backend.mjs";
import { start } from "../support/process.mjs";

const ASK = ["-p", "hello", "--output-format", "json"];

let bin = "";

describe.skipIf(!(await hasNamespaces()))("the real Claude Code", () => {
  beforeAll(async () => {
    bin = await installed("@anthropic-ai/claude-code", "2.1.197");
  }, 300_000);

  test("once taken over it goes on with its access token and renews nothing; then the broker serves it; undo gives it the current login", async () => {
    const { broker, backend, cli, claude, file, env } = await withClaude();
    const before = await file();
    const taken = await cli(["import", "claude", "--take-over", "--json"], { env });
    expect(taken).toMatchObject({ code: 0 });
    expect(JSON.parse(taken.stdout)).toMatchObject({
      taken: ["anthropic:a@example.test"],
      check: "checked: `claude auth status` reads it",
    });
    const stub = await file();
    expect(stub).not.toContain("rt-FAKE");

    expect(await claude(ASK)).toMatchObject({ code: 0 });
    expect(backend.requests.map(({ token }) => token)).toEqual(["at-FAKE-a"]);
    expect(await file()).toBe(stub);

    broker.token.next(() =>
      Response.json({ access_token: "at-FAKE-a-2", refresh_token: "rt-FAKE-a-2", expires_in: 36_000 }),
    );
    await broker.refresh("anthropic:a@example.test");
    expect(await cli(["run", "anthropic", "--", "claude", ...ASK], { env })).toMatchObject({ code: 0 });
    const { token, headers } = backend.requests.at(-1) ?? expect.unreachable();
    expect(token).toBe("at-FAKE-a-2");
    // Without this one Anthropic refuses the token of a login.
    expect(headers["anthropic-beta"]).toContain("oauth-2025-04-20");

    expect(await cli(["import", "claude", "--undo"])).toMatchObject({ code: 0 });
    const { claudeAiOauth } = JSON.parse(await file());
    expect(claudeAiOauth).toMatchObject({ accessToken: "at-FAKE-a-2", refreshToken: "rt-FAKE-a-2" });
    expect(JSON.parse(before).claudeAiOauth).toMatchObject({ scopes: claudeAiOauth.scopes });
    expect(await claude(["auth", "status"])).toMatchObject({ code: 0 });
  });

  test("while it runs nothing is taken, and the command names its process", async () => {
    const { backend, cli, starts, file, env } = await withClaude();
    const before = await file();
    const [asked, isAsked] = signal();
    const [held, answer] = signal();
    backend.model = async () => {
      isAsked();
      await held;
      return says("at last");
    };
    const running = await starts(ASK);
    await asked;
    const refused = await cli(["import", "claude", "--take-over"], { env });
    expect(refused).toMatchObject({ code: 75, stderr: expect.stringMatching(/process(es)? \d+/) });
    answer();
    expect((await running.exited).code).toBe(0);
    expect(await file()).toBe(before);
  });

  test("its access token over, it says that it is not let in, and renews nothing", async () => {
    const { backend, claude, cli, file, env } = await withClaude();
    await cli(["import", "claude", "--take-over"], { env });
    const stub = await file();
    backend.refuse("at-FAKE-a");
    const { code, stdout } = await claude(ASK);
    expect(code, stdout).toBe(1);
    expect(JSON.parse(stdout).result).toMatch(/authenticate/);
    expect(await file()).toBe(stub);
  });
});

/** A user who is logged in there, with a backend of Anthropic's kind on a network of their own. */
async function withClaude() {
  const world = await codexWorld();
  const user = dirname(world.codexHome);
  const socket = join(user, "anthropic.sock");
  const backend = await startOpenclawBackend({ socket });
  onTestFinished(() => backend.close());
  const net = [`--net=/proc/${world.network}/ns/net`, "--"];
  const relay = await start("nsenter", [...net, process.execPath, RELAY, "--out", socket], {
    keepStdin: true,
  });
  onTestFinished(() => relay.kill().then(() => {}));
  const [, port = ""] = await relay.line(/^port (\d+)$/);
  const path = join(user, ".claude/.credentials.json");
  await mkdir(dirname(path), { recursive: true });
  const login = {
    accessToken: "at-FAKE-a",
    refreshToken: "rt-FAKE-a",
    expiresAt: world.broker.nowMs + 10 * HOUR,
    scopes: ["user:inference", "user:profile"],
    subscriptionType: "max",
  };
  await writeFile(path, JSON.stringify({ claudeAiOauth: login }), { mode: 0o600 });
  const account = { accountUuid: "user-a", emailAddress: "a@example.test", organizationUuid: "org-a" };
  await writeFile(
    join(user, ".claude.json"),
    JSON.stringify({ hasCompletedOnboarding: true, oauthAccount: account }),
  );
  const env = {
    PATH: `${bin}:${world.env.PATH}`,
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  };
  const command = join(bin, "claude");
  return {
    ...{ ...world, backend, env },
    file: () => readFile(path, "utf8"),
    claude: (args: readonly string[]) => world.inside(command, args, { env }),
    starts: (args: readonly string[]) =>
      start("nsenter", [...net, command, ...args], { cwd: world.work, env: { ...world.env, ...env } }),
  };
}

function signal(): readonly [Promise<void>, () => void] {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return [given, give];
}
