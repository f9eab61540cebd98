import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { HOUR, iso, MINUTE } from "../support/broker-world.ts";
import { brokerCli, errorJson, MAIN } from "../support/cli.ts";
import { run, start } from "../support/process.mjs";
import { json as answer } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";

test("acquire prints lease and header names, never what the headers hold; --json prints the response", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  const shown = await cli(`acquire ${CODEX}`);
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toMatch(/^lease +\S+\nprofile +openai-codex:a\n/);
  expect(shown.stdout).toMatch(/^headers +authorization, chatgpt-account-id$/m);
  expect(shown.stdout).toMatch(/^token ends +.+ \(in (9 h 59 min|10 h)\)$/m);
  expect(shown.stdout).not.toContain("FAKE");
  expect(JSON.parse((await cli(`acquire openai --session s --json`)).stdout)).toMatchObject({
    lease: {
      provider: CODEX,
      profile: `${CODEX}:a`,
      generation: 1,
      sessionId: "s",
      trial: false,
      costClass: "COST_CLASS_SUBSCRIPTION",
    },
    credential: {
      oauth: { accessToken: "at-FAKE-a", tokenType: "Bearer", idToken: "" },
      headers: { authorization: "Bearer at-FAKE-a", "chatgpt-account-id": "acct-a" },
    },
  });
});

test("token prints the bare token or key and a newline, nothing else", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  await broker.putKey("openai-api:k");
  await broker.putToken("anthropic:t");
  for (const [provider, secret] of [
    [CODEX, "at-FAKE-a"],
    ["openai-api", "sk-FAKE-k"],
    ["anthropic", "tok-FAKE-t"],
  ]) {
    expect(await cli(`token ${provider}`)).toEqual({
      code: 0,
      signal: null,
      stdout: `${secret}\n`,
      stderr: "",
    });
  }
});

test("the options reach the broker", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`, {}, { pools: ["work"] });
  await broker.put(`${CODEX}:b`);
  const serves = async (options: string) =>
    JSON.parse((await cli(`acquire ${CODEX} --json ${options}`)).stdout).lease.profile;
  expect(await serves("")).toBe(`${CODEX}:a`);
  expect(await serves(`--exclude ${CODEX}:a`)).toBe(`${CODEX}:b`);
  expect(await serves(`--profile ${CODEX}:b --session s`)).toBe(`${CODEX}:b`);
  expect(await serves("--session s")).toBe(`${CODEX}:b`);
  expect(await serves("--pool work")).toBe(`${CODEX}:a`);
  expect(await serves("--min-valid-for 1h --kind oauth")).toBe(`${CODEX}:a`);
  await broker.fails({ provider: CODEX, model: "m", profile: `${CODEX}:a` }, "RATE_LIMIT");
  expect(await serves("--model m")).toBe(`${CODEX}:b`);
});

test("--max-wait waits for a profile to come back", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  await broker.fails(CODEX, "RATE_LIMIT", { retryTime: broker.inTime(MINUTE) });
  const armed = broker.clock.nextTimer();
  const waiting = cli(`token ${CODEX} --max-wait 2m`);
  await armed;
  await broker.advance(MINUTE);
  expect(await waiting).toMatchObject({ code: 0, stdout: "at-FAKE-a\n" });
});

describe("each reason has its exit code and says what helps:", () => {
  test("64 for a provider, a profile and a lease that nobody knows, and for a bad field", async () => {
    const { broker, cli } = await brokerCli();
    await broker.put(`${CODEX}:a`);
    const cases: [string, string][] = [
      ["token no-such-provider", "PROVIDER_UNKNOWN"],
      [`token ${CODEX} --profile ${CODEX}:x`, "PROFILE_UNKNOWN"],
      [`token ${CODEX} --profile openai-api:x`, "PROFILE_UNKNOWN"],
      ["report no-such-lease OK", "LEASE_UNKNOWN"],
      ["profiles show openai-codex:x", "PROFILE_UNKNOWN"],
      ["profiles show nonsense", "FIELD_INVALID"],
      ["explain no-such-provider", "PROVIDER_UNKNOWN"],
      ["watch no-such-provider", "PROVIDER_UNKNOWN"],
      ["run no-such-provider -- true", "PROVIDER_UNKNOWN"],
    ];
    for (const [args, reason] of cases) {
      const at = args.indexOf(" -- ");
      const ended = await cli(at < 0 ? `${args} --json` : `${args.slice(0, at)} --json${args.slice(at)}`);
      expect(ended, args).toMatchObject({ code: 64, stdout: "" });
      expect(errorJson(ended).reason, args).toBe(reason);
    }
    const empty = await cli(["token", "", "--json"]);
    expect(empty).toMatchObject({ code: 64 });
    expect(errorJson(empty).reason).toBe("FIELD_INVALID");
  });

  test("75 while all cool down, with the moment, and each profile's reason", async () => {
    const { broker, cli } = await brokerCli();
    await broker.put(`${CODEX}:a`);
    await broker.put(`${CODEX}:b`, {}, { enabled: false });
    const retryTime = iso(Math.ceil(broker.nowMs / 1000) * 1000 + 2 * HOUR).replace(".000", "");
    await broker.fails(CODEX, "USAGE_LIMIT", { retryTime });
    const ended = await cli(`acquire ${CODEX} --json`);
    expect(ended).toMatchObject({ code: 75, stdout: "" });
    expect(errorJson(ended)).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "ALL_COOLING_DOWN",
      retryTime,
      profiles: [
        { profile: `${CODEX}:a`, reason: "COOLING_DOWN", untilTime: retryTime },
        { profile: `${CODEX}:b`, reason: "DISABLED", untilTime: null },
      ],
    });
    const text = (await cli(`acquire ${CODEX}`)).stderr;
    expect(text).toMatch(/^ {2}openai-codex:a {2}COOLING_DOWN {2}until .+ \(in (2 h|1 h 59 min)\)$/m);
    expect(text).toMatch(/^ {2}openai-codex:b {2}DISABLED$/m);
    const line = await cli(`token ${CODEX}`);
    expect(line).toMatchObject({ code: 75, stdout: "" });
    expect(line.stderr).toMatch(/^auth-broker: .+; again at .+ \(in .+\)\n$/);
  });

  test("78 without any profile, with a login needed, and for a validity that cannot be had", async () => {
    const { broker, cli } = await brokerCli();
    const none = await cli(`token ${CODEX} --json`);
    expect(none).toMatchObject({ code: 78 });
    expect(errorJson(none)).toMatchObject({
      code: "NOT_FOUND",
      reason: "NO_PROFILE",
      help: `auth-broker login ${CODEX}`,
    });

    await broker.put(`${CODEX}:a`);
    const long = await cli(`token ${CODEX} --min-valid-for 300d --json`);
    expect(long).toMatchObject({ code: 78 });
    expect(errorJson(long).reason).toBe("VALIDITY_UNREACHABLE");

    broker.token.always(() => answer(400, { error: "invalid_grant" }));
    await broker.fails(CODEX, "AUTH_PERMANENT");
    const login = await cli(`token ${CODEX} --json`);
    expect(login).toMatchObject({ code: 78 });
    expect(errorJson(login)).toMatchObject({
      reason: "LOGIN_REQUIRED",
      help: expect.stringContaining("auth-broker login"),
    });
    expect((await cli(`token ${CODEX}`)).stderr).toContain("what helps: auth-broker login openai-codex");
  });

  test("75 when the token endpoint does not play along, 78 for a blocked account", async () => {
    const { broker, cli } = await brokerCli();
    await broker.put(`${CODEX}:a`, { expireTime: broker.inTime(MINUTE) });
    broker.token.always(() => answer(503, {}));
    const upstream = await cli(`token ${CODEX} --min-valid-for 10m --json`);
    expect(upstream).toMatchObject({ code: 75 });
    expect(errorJson(upstream).reason).toBe("UPSTREAM_UNAVAILABLE");
    const { lease } = await broker.acquire({ provider: CODEX, minValidFor: "0s" });
    await broker.report(lease.leaseId, "FORBIDDEN");
    const blocked = await cli(`token ${CODEX} --json`);
    expect(blocked).toMatchObject({ code: 78 });
    expect(errorJson(blocked)).toMatchObject({
      reason: "PROFILE_BLOCKED",
      help: `auth-broker profiles enable ${CODEX}:a`,
    });
  });
});

test("explain shows every profile with its rank, reason, end and meaning", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  await broker.put(`${CODEX}:b`);
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(2 * HOUR) });
  const shown = await cli(`explain ${CODEX}`);
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  const [header, first, second] = shown.stdout.split("\n");
  expect(header).toMatch(/^RANK {2}PROFILE +REASON +UNTIL +MEANING$/);
  expect(first).toMatch(/^1 +openai-codex:b {2}ORDER +number 2 in the order$/);
  expect(second).toMatch(/^- +openai-codex:a {2}COOLING_DOWN {2}.+\(in .+\) {2}cooling down$/);
  expect(JSON.parse((await cli(`explain ${CODEX} --json`)).stdout).candidates).toMatchObject([
    { profile: `${CODEX}:b`, rank: 1, eligible: true, reason: "ORDER", untilTime: null },
    { profile: `${CODEX}:a`, rank: 0, eligible: false, reason: "COOLING_DOWN" },
  ]);
  expect((await cli("explain qwen")).stdout).toBe("there is no profile of this provider\n");
});

test("watch PROVIDER tells at once and at each change what serves, without the token", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  const text = await cli.start(`watch ${CODEX}`);
  const json = await cli.start(`watch ${CODEX} --json`);
  await text.line(/^openai-codex:a {2}generation 1 {2}until .+ \(in .+\)$/);
  await json.line(/"accessToken":"at-FAKE-a"/);
  await broker.fails(CODEX, "RATE_LIMIT");
  await text.line(/^unavailable {2}ALL_COOLING_DOWN {2}.+; again at /);
  await json.line(/"unavailable":\{"reason":"ALL_COOLING_DOWN"/);
  expect(text.stdout()).not.toContain("FAKE");
  for (const line of json.stdout().trim().split("\n")) expect(JSON.parse(line)).toBeTypeOf("object");
  expect(await text.kill("SIGINT")).toEqual({ code: null, signal: "SIGINT" });
  await broker.drain();
  expect((await json.exited).code).toBe(75);
  expect(JSON.parse(json.stderr()).reason).toBe("DRAINING");
});

test("watch alone tells all profiles, then what changes", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  await broker.put(`${CODEX}:b`);
  const watch = await cli.start("watch");
  const json = await cli.start("watch --json");
  await watch.line(/^openai-codex:b {2}READY$/);
  await json.line(/"snapshot":true/);
  await broker.fails(CODEX, "RATE_LIMIT");
  await watch.line(/^openai-codex:a {2}COOLING_DOWN \(RATE_LIMIT\) {2}until .+$/);
  await broker.remove(`${CODEX}:b`);
  await watch.line(/^openai-codex:b {2}removed$/);
  await json.line(/"removed":\["openai-codex:b"\]/);
  await Promise.all([watch.kill(), json.kill()]);
});

test("a reader that goes away ends a watch quietly", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  const script = `set -o pipefail; "$0" "$1" watch ${CODEX} --json | head -1; echo "ended with $?"`;
  const shell = await start("bash", ["-c", script, process.execPath, MAIN], { env: cli.env });
  await shell.line(/accessToken/);
  await broker.fails(CODEX, "RATE_LIMIT");
  await shell.line(/^ended with 0$/);
  expect(shell.stderr()).toBe("");
});

test.runIf(existsSync("/dev/full"))("a token that cannot be written is no success: 74", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  const script = `"$0" "$1" token ${CODEX} > /dev/full`;
  const ended = await run("sh", ["-c", script, process.execPath, MAIN], { env: cli.env });
  expect(ended).toMatchObject({ code: 74, stderr: "auth-broker: the output cannot be written (ENOSPC)\n" });
});

test("--json shows a terminal no character that could turn the text around, and a program the very name", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(`${CODEX}:a`);
  const sessionId = "s\u202eTXEN\u2066";
  const { stdout } = await cli(["acquire", CODEX, "--session", sessionId, "--json"]);
  expect(stdout).toContain("s\\u202eTXEN\\u2066");
  expect(JSON.parse(stdout).lease.sessionId).toBe(sessionId);
  const { stderr } = await cli(["explain", `no.such\u202e`, "--json"]);
  expect(stderr).not.toContain("\u202e");
});
