import { readFileSync } from "node:fs";
import { copyFile, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { brokerCli, errorJson } from "../support/cli.ts";
import { chatgptTokens, SEED_PROFILES, writeJson, writeOpenclawHome } from "../support/openclaw-home.ts";
import { run, start } from "../support/process.mjs";
import { json, tokens } from "../support/token-endpoint.ts";
import { until } from "../support/until.ts";

const A = "openai-codex:a@example.test";

function codexFile(name: string, issuedAtMs: number, more: object = {}) {
  const { access, refresh, idToken } = chatgptTokens(name, issuedAtMs);
  const tokens = {
    id_token: idToken,
    access_token: access,
    refresh_token: refresh,
    account_id: `acct-${name}`,
  };
  return {
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    tokens,
    last_refresh: new Date(issuedAtMs).toISOString(),
    ...more,
  };
}

async function withCodex() {
  const { broker, cli } = await brokerCli();
  const path = join(cli.user, ".codex", "auth.json");
  const before = codexFile("a", broker.nowMs - HOUR, { kept: "by hand" });
  await writeJson(path, before);
  const there = async () => JSON.parse(await readFile(path, "utf8"));
  return { broker, cli, path, before, there };
}

/** What stands there of an entry, its end as its token tells it. */
const whole = (profiles: Record<string, { expires: number }>) =>
  Object.entries(profiles).map(([id, entry]) => [
    id,
    { ...entry, expires: Math.floor(entry.expires / 1_000) },
  ]);

test("Codex keeps an access token only, and the broker is the sole owner", async () => {
  const { broker, cli, path, before, there } = await withCodex();
  const { code, stdout, stderr } = await cli("import codex --take-over");
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toContain(`took ${A} over`);
  expect(stderr).toContain("auth-broker-codex");
  expect(await there()).toEqual({
    ...before,
    auth_mode: "chatgptAuthTokens",
    tokens: { ...before.tokens, refresh_token: "" },
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await broker.get(A)).toMatchObject({
    ownership: "OWNERSHIP_SOLE",
    hasRefreshToken: true,
    sourcePath: path,
  });
  expect(await cli("import codex --take-over")).toMatchObject({ code: 0 });
  expect(await broker.get(A)).toMatchObject({ ownership: "OWNERSHIP_SOLE", hasRefreshToken: true });
});

test("a login that was made there since is taken over the next time", async () => {
  const { broker, cli, path } = await withCodex();
  await cli("import codex --take-over");
  await broker.advance(HOUR);
  const anew = codexFile("a", broker.nowMs);
  await writeJson(path, anew);
  expect(await cli("import codex")).toMatchObject({ stdout: expect.stringContaining("login of its own") });
  expect(await cli("import codex --take-over")).toMatchObject({ code: 0 });
  expect(await broker.get(A)).toMatchObject({ ownership: "OWNERSHIP_SOLE", hasRefreshToken: true });
  const { credential } = await broker.acquire("openai-codex");
  expect(credential.oauth?.accessToken).toBe(anew.tokens.access_token);
});

test("an interrupted take-over is finished by doing it again, and the stub takes no login's place", async () => {
  const { broker, cli, before, path } = await withCodex();
  await cli("import codex");
  await writeJson(path, {
    ...before,
    auth_mode: "chatgptAuthTokens",
    tokens: { ...before.tokens, refresh_token: "" },
  });
  expect((await broker.get(A)).ownership).toBe("OWNERSHIP_SHARED");
  expect(await cli("import codex --take-over")).toMatchObject({ code: 0 });
  expect(await broker.get(A)).toMatchObject({ ownership: "OWNERSHIP_SOLE", hasRefreshToken: true });
});

test("what is left there of a login takes the place of none, neither in an import nor in a take-over", async () => {
  const { broker, cli } = await brokerCli();
  const path = join(cli.user, ".claude/.credentials.json");
  const login = { accessToken: "at-FAKE", refreshToken: "rt-FAKE", expiresAt: broker.nowMs + HOUR };
  await writeJson(path, { claudeAiOauth: login });
  await cli("import claude");
  await writeJson(path, { claudeAiOauth: { ...login, refreshToken: null } });
  for (const args of ["import claude", "import claude --take-over"]) {
    expect((await cli(args)).code).toBe(0);
    expect((await broker.get("anthropic:default")).hasRefreshToken).toBe(true);
  }
  expect((await broker.get("anthropic:default")).ownership).toBe("OWNERSHIP_SOLE");
});

test("undo gives back the current grant, not the one that was taken, and the broker has it no more", async () => {
  const { broker, cli, before, path, there } = await withCodex();
  await cli("import codex --take-over");
  await broker.advance(2 * HOUR);
  const newer = chatgptTokens("a", broker.nowMs);
  const { access: access_token, refresh: refresh_token, idToken: id_token } = newer;
  broker.token.next(() => tokens(1, { access_token, refresh_token, id_token }));
  await broker.refresh(A);
  expect(await cli("import codex --undo")).toMatchObject({ code: 0, stdout: expect.stringContaining(A) });
  const after = await there();
  expect(after).toMatchObject({
    kept: "by hand",
    auth_mode: "chatgpt",
    tokens: { access_token: newer.access, refresh_token: newer.refresh, account_id: "acct-a" },
  });
  expect(after.tokens.refresh_token).not.toBe(before.tokens.refresh_token);
  expect((await broker.list()).profiles).toEqual([]);
  expect((await cli(["import", "codex", "--from", path])).code).toBe(0);
  expect((await broker.get(A)).ownership).toBe("OWNERSHIP_SHARED");
});

test("no refresh token is printed, logged, or left in a file that is not that program's", async () => {
  const { broker, cli } = await withCodex();
  const said = [await cli("import codex --take-over --json"), await cli("import codex --undo --json")];
  expect(JSON.stringify([said, broker.log])).not.toMatch(/rt-FAKE/);
  const { stdout } = await run("grep", ["-rl", "rt-FAKE", cli.home]);
  expect(stdout.trim()).toBe(join(cli.user, ".codex/auth.json"));
});

test("undo never takes the place of a login that was made there since", async () => {
  const { broker, cli, path, there } = await withCodex();
  await cli("import codex --take-over");
  const anew = codexFile("b", broker.nowMs);
  await writeJson(path, anew);
  const refused = await cli("import codex --undo --json");
  expect(refused.code).toBe(78);
  expect(errorJson(refused)).toMatchObject({
    reason: "RETURN_IMPOSSIBLE",
    message: expect.stringContaining(path),
  });
  expect(await there()).toEqual(anew);
  expect(await broker.get(A)).toMatchObject({ ownership: "OWNERSHIP_SOLE", hasRefreshToken: true });
});

test("nothing is touched while that program runs on the same home", async () => {
  const { broker, cli, before, there } = await withCodex();
  const codex = join(cli.user, "codex");
  await copyFile("/bin/sleep", codex);
  const elsewhere = await start(codex, ["60"], {
    env: { HOME: cli.user, CODEX_HOME: join(cli.user, "other") },
  });
  const running = await start(codex, ["60"], { env: { HOME: cli.user } });
  await until(() => readFileSync(`/proc/${running.pid}/cmdline`, "utf8").includes("codex"));
  const refused = await cli("import codex --take-over --json");
  await running.kill("SIGKILL");
  expect(refused.code).toBe(75);
  expect(errorJson(refused).message).toContain(String(running.pid));
  expect(errorJson(refused).message).not.toContain(String(elsewhere.pid));
  expect(await there()).toEqual(before);
  expect((await broker.list()).profiles).toEqual([]);
  expect((await cli("import codex --take-over")).code).toBe(0);
  await elsewhere.kill("SIGKILL");
});

test("all agents of OpenClaw lose the refresh tokens of the accounts taken, outdated copies too; undo gives one back", async () => {
  const { broker, cli } = await brokerCli();
  await writeOpenclawHome(cli.user, { solenne: "outdated-copy", limited: true, nowMs: broker.nowMs });
  const store = async (agent: string) =>
    JSON.parse(await readFile(join(cli.user, ".openclaw/agents", agent, "agent/auth-profiles.json"), "utf8"))
      .profiles;
  const before = await store("main");
  expect((await cli("import openclaw --take-over")).code).toBe(0);
  for (const agent of ["main", "solenne"]) {
    for (const id of SEED_PROFILES) {
      const entry = (await store(agent))[id];
      expect(entry).toMatchObject({ type: "oauth", access: expect.any(String) });
      expect(entry).not.toHaveProperty("refresh");
    }
  }
  for (const id of SEED_PROFILES) {
    expect(await broker.get(id)).toMatchObject({ ownership: "OWNERSHIP_SOLE", hasRefreshToken: true });
  }
  expect((await cli("import openclaw --undo")).code).toBe(0);
  expect(whole(await store("main"))).toEqual(whole(before));
  for (const id of SEED_PROFILES) expect((await store("solenne"))[id]).not.toHaveProperty("refresh");
  expect((await broker.list()).profiles).toEqual([]);
});

test("Claude Code keeps an access token only, and gets the current grant back", async () => {
  const { broker, cli } = await brokerCli();
  const path = join(cli.user, ".claude/.credentials.json");
  const login = {
    accessToken: "at-FAKE",
    refreshToken: "rt-FAKE",
    expiresAt: broker.nowMs + HOUR,
    scopes: ["a"],
  };
  await writeJson(path, { claudeAiOauth: login, mcpOAuth: { kept: 1 } });
  const there = async () => JSON.parse(await readFile(path, "utf8"));
  const taken = await cli("import claude --take-over");
  expect(taken).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("auth-broker run anthropic -- claude"),
  });
  expect(await there()).toEqual({ claudeAiOauth: { ...login, refreshToken: null }, mcpOAuth: { kept: 1 } });
  expect(await broker.get("anthropic:default")).toMatchObject({ ownership: "OWNERSHIP_SOLE" });
  expect((await cli("import claude --undo")).code).toBe(0);
  expect(await there()).toEqual({ claudeAiOauth: login, mcpOAuth: { kept: 1 } });
});

test("a login that somebody rotated after the take-over is adopted from the file, and is shared again", async () => {
  const { broker, cli, path } = await withCodex();
  await cli("import codex --take-over");
  await broker.advance(2 * HOUR);
  // A copy of the old file came back and its program refreshed.
  await writeJson(path, codexFile("a", broker.nowMs));
  broker.token.next(() => json(400, { error: "refresh_token_reused" }));
  await broker.refresh(A);
  expect(await broker.get(A)).toMatchObject({ ownership: "OWNERSHIP_SHARED", state: "PROFILE_STATE_READY" });
  expect(broker.log.map(({ message }) => message)).toContainEqual(expect.stringContaining("adopted"));
});

test("a login that was ended and whose file belongs to another account by now is said so", async () => {
  const { broker, cli, path } = await withCodex();
  await cli("import codex --take-over");
  await broker.advance(2 * HOUR);
  await writeJson(path, codexFile("b", broker.nowMs));
  broker.token.next(() => json(400, { error: "refresh_token_reused" }));
  await broker.refresh(A).catch(() => {});
  expect(broker.log).toContainEqual(
    expect.objectContaining({
      fields: expect.objectContaining({ sourcePath: path }),
      message: expect.stringContaining("elsewhere"),
    }),
  );
  expect(await broker.get(A)).toMatchObject({ ownership: "OWNERSHIP_SOLE", stateReason: "LOGIN_REQUIRED" });
});

test("Gemini CLI cannot be taken over, nor two at once", async () => {
  const { cli } = await brokerCli();
  for (const args of [
    "import gemini --take-over",
    "import codex claude --take-over",
    "import codex --take-over --undo",
  ])
    expect((await cli(args)).code).toBe(64);
  const { stderr } = await cli("import gemini --take-over");
  expect(stderr).toMatch(/Gemini CLI cannot be taken over.*\n.*auth-broker login google-gemini-cli/);
});
