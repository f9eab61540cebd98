import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HOUR, MINUTE } from "../support/broker-world.ts";
import { brokerCli, errorJson } from "../support/cli.ts";
import { json as answer } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

test("without profiles the list and the status say how to begin", async () => {
  const { cli } = await brokerCli();
  expect((await cli("profiles")).stdout).toContain("auth-broker import");
  expect((await cli("profiles list qwen")).stdout).toBe("this provider has no profile\n");
  expect((await cli("status")).stdout).toContain("auth-broker import");
});

test("a provider that nobody knows is 64, with the one that was probably meant", async () => {
  const { cli } = await brokerCli();
  for (const args of ["profiles list opnai-codex", "profiles order codex", "explain open-codex"]) {
    const ended = await cli(args);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(ended.stderr).toContain('did you mean "openai-codex"?');
    expect(ended.stderr).toContain("auth-broker providers");
  }
  const own = await cli("acquire my-company");
  expect(own.stderr).toContain("providers.my-company.type in config.json, and the broker a restart");
  expect(errorJson(await cli("profiles order zzz --json"))).toMatchObject({ reason: "PROVIDER_UNKNOWN" });
});

test("what clears or enables nothing says so, and what is still needed", async () => {
  const { broker, cli } = await brokerCli();
  await broker.putToken("anthropic:t");
  expect((await cli("profiles clear-cooldown anthropic:t")).stderr).toContain("nothing to clear");
  expect((await cli("profiles enable anthropic:t")).stderr).toContain("it was switched on already");
  await broker.fails("anthropic", "AUTH_INVALID_TOKEN");
  for (const args of ["clear-cooldown", "enable"]) {
    const { stderr } = await cli(`profiles ${args} anthropic:t`);
    expect(stderr).toContain("still needs: auth-broker login anthropic --label t");
  }
  expect((await cli("profiles show anthropic:t")).stdout).toMatch(
    /^what helps +auth-broker login anthropic/m,
  );
});

test("the list is an aligned table without escape codes; --json is the answer with all pages", async () => {
  const { broker, cli } = await brokerCli();
  for (let i = 0; i < 120; i += 1) await broker.putKey(`openai-api:k${i}`);
  await broker.put(A);
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(2 * HOUR) });
  for (const args of ["profiles", "profiles list"]) {
    const lines = (await cli(args)).stdout.trim().split("\n");
    expect(lines).toHaveLength(122);
    expect(lines[0]).toMatch(/^PROFILE +STATE +UNTIL +ORDER +KIND +PLAN +OWNERSHIP +ACCOUNT$/);
    expect(lines.at(-1)).toMatch(
      /^openai-codex:a +COOLING_DOWN \(USAGE_LIMIT\) +.+\(in .+\) +\(1\) +oauth +unknown +acct-a…$/,
    );
    expect(lines.join("")).not.toContain("\u001b");
  }
  for (const args of ["profiles --json", "profiles list --json"]) {
    const listed = JSON.parse((await cli(args)).stdout);
    expect(listed.profiles).toHaveLength(121);
    expect(listed.nextPageToken).toBe("");
  }
  expect(JSON.parse((await cli(`profiles list ${CODEX} --json`)).stdout).profiles).toMatchObject([
    { profile: A, lastRefreshTime: null },
  ]);
});

test("show tells everything about a profile and no secret", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A, { planType: "plus", email: "someone@example.test" }, { pools: ["work"] });
  await broker.fails({ provider: CODEX, model: "m" }, "RATE_LIMIT");
  const { stdout } = await cli(`profiles show ${A}`);
  for (const text of [
    "s…@example.test",
    "plus",
    "work",
    "READY",
    "RATE_LIMIT for m until",
    "can refresh  yes",
  ])
    expect(stdout).toContain(text);
  expect(stdout).not.toContain("FAKE");
  expect(JSON.parse((await cli(`profiles show ${A} --json`)).stdout)).toMatchObject({
    profile: { profile: A, hasRefreshToken: true },
  });
});

test("status shows providers and profiles; --check ends with 75 when a provider has none usable", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  const well = await cli("status --check");
  expect(well).toMatchObject({ code: 0, stderr: "" });
  expect(well.stdout).toMatch(/^auth-broker \S+, up since .+; store lowdb, writable$/m);
  expect(well.stdout).toMatch(/^openai-codex +1 +0 +0 +0 +0$/m);
  expect(well.stdout).toMatch(/^openai-codex:a +READY/m);
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(2 * HOUR) });
  expect(await cli("status")).toMatchObject({ code: 0 });
  const out = await cli("status --check --json");
  expect(out).toMatchObject({ code: 75, stderr: "" });
  expect(JSON.parse(out.stdout)).toMatchObject({
    store: { kind: "lowdb", writable: true },
    providers: [{ provider: CODEX, usable: 0, coolingDown: 1 }],
  });
  await broker.order(CODEX, A, "openai-codex:gone");
  expect((await cli("status")).stdout).toMatch(/^warning: .*openai-codex:gone/m);
});

test("status does without the administration's socket", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  const shown = await cli("status", { env: { AUTH_BROKER_ADMIN_SOCKET: join(cli.home, "none.sock") } });
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toContain(CODEX);
  expect(shown.stdout).not.toContain(A);
});

test("--check is content while another profile of the provider is usable", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  await broker.put(B);
  await broker.fails(CODEX, "USAGE_LIMIT");
  expect(await cli("status --check")).toMatchObject({ code: 0 });
});

test("a provider whose profiles are all switched off has none usable", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A, {}, { enabled: false });
  expect(await cli("status --check")).toMatchObject({ code: 75 });
});

test("enable, disable, clear-cooldown and remove change the profile and say what it is now", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  expect((await cli(`profiles disable ${A}`)).stdout).toBe(`${A}  DISABLED\n`);
  expect((await cli(`profiles enable ${A}`)).stdout).toBe(`${A}  READY\n`);
  await broker.fails({ provider: CODEX, model: "m" }, "RATE_LIMIT");
  await broker.fails({ provider: CODEX, model: "n" }, "RATE_LIMIT");
  const { stdout } = await cli(`profiles clear-cooldown ${A} --model m --json`);
  expect(JSON.parse(stdout).profile.cooldowns).toMatchObject([{ model: "n" }]);
  await broker.fails(CODEX, "USAGE_LIMIT");
  expect((await cli(`profiles clear-cooldown ${A}`)).stdout).toBe(`${A}  READY\n`);
  expect((await cli(`profiles remove ${A}`)).stdout).toBe(`removed ${A}\n`);
  expect(await cli(`profiles remove ${A} --json`)).toMatchObject({ code: 64 });
});

test("refresh brings a new token, or the reason why there is none", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  expect(JSON.parse((await cli(`profiles refresh ${A} --json`)).stdout)).toMatchObject({
    profile: { generation: 2 },
  });
  const soon = await cli(`profiles refresh ${A} --json`);
  expect(soon).toMatchObject({ code: 75 });
  expect(errorJson(soon)).toMatchObject({
    reason: "UPSTREAM_UNAVAILABLE",
    profiles: [{ reason: "REFRESHING" }],
  });
  await broker.advance(2 * MINUTE);
  broker.token.always(() => answer(400, { error: "invalid_grant" }));
  const refused = await cli(`profiles refresh ${A}`);
  expect(refused).toMatchObject({ code: 78 });
  expect(refused.stderr).toContain("auth-broker login");
});

test("acknowledge lets go what is held since a ban", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  expect((await cli(`profiles acknowledge ${CODEX}`)).stdout).toBe("no profile was held\n");
  expect(JSON.parse((await cli(`profiles acknowledge ${CODEX} --json`)).stdout)).toEqual({ profiles: [] });
});

test("an order is set, shown, told of its gaps and taken away", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  await broker.put(B);
  await broker.put(`${CODEX}:c`);
  const set = await cli(`profiles order ${CODEX} ${B} ${A} ${CODEX}:gone`);
  const told = `1  ${B}\n2  ${A}\n-  ${CODEX}:gone (not there yet)\n`;
  const outside = `outside this order, so never used: ${CODEX}:c\n`;
  expect(set).toMatchObject({ code: 0, stdout: told, stderr: outside });
  expect(await cli("profiles order openai")).toMatchObject({ code: 0, stdout: told, stderr: outside });
  expect(JSON.parse((await cli(`profiles order ${CODEX} --json`)).stdout)).toEqual({
    profiles: [B, A],
    unknown: [`${CODEX}:gone`],
    outside: [`${CODEX}:c`],
    isExplicit: true,
  });
  expect((await cli("profiles")).stdout).toMatch(/^openai-codex:c +READY +outside/m);
  const enabled = await cli(`profiles enable ${CODEX}:c`);
  expect(enabled.stderr).toContain("stands outside the explicit order");
  expect((await cli(`profiles order ${CODEX} --clear`)).stdout).toContain("no explicit order");
  expect((await broker.get(`${CODEX}:c`)).order).toBe(3);
  expect((await cli(`profiles order ${CODEX}`)).stderr).toContain("no explicit order is set");
  expect(JSON.parse((await cli(`profiles order ${CODEX} ${A} ${CODEX}:gone --json`)).stdout)).toEqual({
    profiles: [A],
    unknown: [`${CODEX}:gone`],
  });
  expect(await cli(`profiles order ${CODEX} qwen:a`)).toMatchObject({ code: 64 });
});

describe("add", () => {
  test("takes no secret as an argument, says how to give it, and does not repeat it", async () => {
    const { cli } = await brokerCli();
    const ended = await cli("profiles add openai-api:k --api-key sk-FAKE-1");
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(ended.stderr).toContain("read from standard input");
    expect(ended.stderr).not.toContain("FAKE");
  });

  test("knows an auth.json of Codex and names the import", async () => {
    const { cli } = await brokerCli();
    const file = join(cli.home, "auth.json");
    await writeFile(file, JSON.stringify({ tokens: { access_token: "at-FAKE" }, last_refresh: "2030" }));
    const ended = await cli(`profiles add ${A} --from-file ${file}`);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(ended.stderr).toContain(`auth-broker import codex --from ${file}`);
  });

  test("takes the JSON of a put, with CRLF and a byte order mark, from standard input and from a file", async () => {
    const { broker, cli } = await brokerCli();
    const text = JSON.stringify(
      { oauth: { accessToken: "at-FAKE-1", refreshToken: "rt-FAKE-1", accountId: "acct" }, pools: ["p"] },
      undefined,
      2,
    );
    const added = await cli(`profiles add ${A}`, { input: `\uFEFF${text.replaceAll("\n", "\r\n")}` });
    expect(added).toMatchObject({ code: 0, stdout: `added ${A}  READY\n`, stderr: "" });
    expect(await broker.get(A)).toMatchObject({
      pools: ["p"],
      hasRefreshToken: true,
      ownership: "OWNERSHIP_UNKNOWN",
    });
    const file = join(cli.home, "token.json");
    await writeFile(file, JSON.stringify({ profile: "anthropic:t", token: { token: "tok-FAKE-1" } }));
    const json = await cli(`profiles add anthropic:t --from-file ${file} --json`);
    expect(JSON.parse(json.stdout)).toMatchObject({ profile: { kind: "PROFILE_KIND_TOKEN" } });
    expect(json.stdout).not.toContain("FAKE");
  });

  test("takes bare secrets, trimmed, and its options", async () => {
    const { broker, cli } = await brokerCli();
    const args =
      "profiles add openai-api:k --api-key --pool a --pool b --base-url http://127.0.0.1:9/v1 --disabled --ownership sole";
    expect(await cli(args, { input: " \tsk-FAKE-1\r\n" })).toMatchObject({
      code: 0,
      stdout: "added openai-api:k  DISABLED\n",
    });
    expect(await broker.get("openai-api:k")).toMatchObject({
      pools: ["a", "b"],
      enabled: false,
      ownership: "OWNERSHIP_SOLE",
    });
    expect(await cli("profiles add anthropic:t --token", { input: "tok-FAKE-1" })).toMatchObject({ code: 0 });
    await broker.update({ profile: "openai-api:k", enabled: true });
    expect((await cli("token openai-api")).stdout).toBe("sk-FAKE-1\n");
  });

  test("says when what it made stands outside an explicit order", async () => {
    const { broker, cli } = await brokerCli();
    await broker.put(A);
    await broker.order(CODEX, A);
    const added = await cli(`profiles add ${B}`, {
      input: JSON.stringify({ oauth: { accessToken: "at-FAKE-b" } }),
    });
    expect(added.code).toBe(0);
    expect(added.stderr).toContain(`${B} stands outside the explicit order of ${CODEX}`);
  });

  test.each([
    ["", "", 65, "is empty"],
    ["", " \r\n", 65, "is empty"],
    ["", "{", 65, "not valid JSON"],
    ["", '{"apiKey":{"key":"sk-FAKE-1"', 65, "not valid JSON"],
    ["", "[]", 64, "must hold a JSON object"],
    ["", "null", 64, "must hold a JSON object"],
    ["", '"sk-FAKE-1"', 64, "must hold a JSON object"],
    ["", "{}", 64, "grant"],
    ["", '{"apiKey":"sk-FAKE-1"}', 64, "api_key"],
    ["", '{"apiKey":{"key":7}}', 64, "api_key.key"],
    ["", '{"apiKey":{"key":"sk-FAKE-1"},"token":{"token":"tok-FAKE-1"}}', 64, "excludes"],
    ["", '{"apiKey":{"key":"sk-FAKE-1"},"enabled":"yes"}', 64, "enabled"],
    ["", '{"apiKey":{"key":"sk-FAKE-1"},"ownership":"MINE"}', 64, "ownership"],
    ["", '{"apiKey":{"key":"sk-FAKE-1"},"nonsense":1}', 64, "nonsense"],
    ["", '{"apiKey":{"key":"sk-FAKE-1"},"profile":"openai-api:other"}', 64, "another profile"],
    ["", '{"token":{"token":"tok-FAKE-1","expireTime":"tomorrow"}}', 64, "expire_time"],
    ["", '{"apiKey":{"key":"sk-FAKE \\u001b[31m1"}}', 64, "key"],
    ["--api-key", "", 65, "is empty"],
    ["--api-key", "sk-FAKE 1", 64, "blanks"],
    ["--api-key", "\u001b[32msk-FAKE-1\u001b[0m", 64, "colour codes"],
    ["--api-key", "sk-FAKE-1\nsk-FAKE-2", 64, "blanks"],
    ["--token", "tok-FAKE-ü", 64, "letters"],
    ["--base-url not-a-url", '{"apiKey":{"key":"sk-FAKE-1"}}', 64, "base_url"],
  ])("with %j refuses %j with %d, and repeats no secret", async (options, input, exit, why) => {
    const { broker, cli } = await brokerCli();
    const ended = await cli(`profiles add openai-api:k --json ${options}`, { input });
    expect(ended).toMatchObject({ code: exit, stdout: "" });
    expect(errorJson(ended).message).toContain(why);
    expect(ended.stderr).not.toContain("FAKE");
    expect((await broker.list()).profiles).toEqual([]);
  });

  test("tells a missing file, a directory, no text and no permission apart", async () => {
    const { cli } = await brokerCli();
    const from = (path: string) => cli(`profiles add openai-api:k --api-key --from-file ${path}`);
    expect(await from(join(cli.home, "none"))).toMatchObject({ code: 66 });
    expect(await from(cli.home)).toMatchObject({ code: 65 });
    const file = join(cli.home, "bytes");
    await writeFile(file, Buffer.from([0xff, 0xfe, 0x00]));
    expect(await from(file)).toMatchObject({ code: 65 });
    if (process.getuid?.() === 0) return;
    await chmod(file, 0);
    expect(await from(file)).toMatchObject({ code: 77 });
  });

  test("passes the broker's refusals on: another account, an older login, the same account elsewhere", async () => {
    const { broker, cli } = await brokerCli();
    await mkdir(join(cli.home, "in"));
    await broker.put(A, { userId: "u", accountId: "acct-a" });
    const add = (id: string, oauth: object, options = "") =>
      cli(`profiles add ${id} --json ${options}`, {
        input: JSON.stringify({ oauth: { accessToken: "at-FAKE-2", ...oauth } }),
      });
    const changed = await add(A, { accountId: "acct-other" });
    expect(changed).toMatchObject({ code: 64 });
    expect(errorJson(changed).reason).toBe("ACCOUNT_CHANGED");
    const older = await add(A, { accountId: "acct-a", expireTime: broker.inTime(MINUTE) });
    expect(older).toMatchObject({ code: 64 });
    expect(errorJson(older).reason).toBe("OLDER_GRANT");
    const twin = await add(B, { accountId: "acct-a", userId: "u" });
    expect(twin).toMatchObject({ code: 64 });
    expect(errorJson(twin)).toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "IDENTITY_EXISTS",
      message: expect.stringContaining(A),
    });
    expect(await add(A, { accountId: "acct-other" }, "--allow-account-change")).toMatchObject({ code: 0 });
  });
});
