import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type AuthorizationServer, startAuthorizationServer } from "../support/authorization-server.mjs";
import { MINUTE, SECOND, type World } from "../support/broker-world.ts";
import { brokerCli, type Cli, emptyCli, errorJson, MAIN } from "../support/cli.ts";
import { ANN, BOB, COMPANY, companyConfig, visit } from "../support/login-world.ts";
import { hasTerminal, startOnTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";
import type { Json } from "../support/wire-json.ts";

const WORK = `${COMPANY}:work`;

interface Scene {
  readonly broker: World;
  readonly cli: Cli;
  readonly server: AuthorizationServer;
}

async function scene(provider: Json = {}): Promise<Scene> {
  const server = await startAuthorizationServer();
  onTestFinished(() => server.close());
  const config = companyConfig(server, provider);
  const made = await brokerCli({ config, fetch: (url, init) => fetch(url, init) });
  return { ...made, server };
}

/** A program in place of the browser that writes down what it was called with. */
async function fakeBrowser(
  cli: Cli,
): Promise<{ readonly env: Json & { PATH: string }; readonly file: string }> {
  const bin = join(cli.home, "bin");
  const file = join(cli.home, "opened");
  await mkdir(bin);
  await writeFile(
    join(bin, "xdg-open"),
    `#!/bin/sh\nprintf '%s\\n' "$#" "$@" > "${file}.new"\nmv "${file}.new" "${file}"\n`,
  );
  await chmod(join(bin, "xdg-open"), 0o755);
  return { env: { PATH: `${bin}:${process.env.PATH}` }, file };
}

const ADDRESS = /^(http:\/\/127\.0\.0\.1:\d+\/oauth\/authorize\?\S+)$/m;

test("login opens the browser, prints the whole address on one line, and tells account and plan", async () => {
  const { broker, cli, server } = await scene();
  const browser = await fakeBrowser(cli);
  const running = await cli.start(`login ${COMPANY} --label work`, { env: browser.env as never });
  const [, address = ""] = await running.line(ADDRESS);
  expect(running.stdout()).toContain(address);
  await visit(await server.authorize(address, ANN));
  expect(await running.exited).toMatchObject({ code: 0 });
  expect(running.stdout()).toContain(`logged in: ${WORK} (a…@example.test, plus)`);
  expect(running.stdout()).not.toContain("\u001b");
  const opened = await readFile(browser.file, "utf8");
  expect(opened.trim().split("\n")).toEqual(["1", address]);
  expect(await broker.serves(COMPANY)).toBe(WORK);
});

test("--no-browser opens none; a machine without a browser is no obstacle", async () => {
  const { cli, server } = await scene();
  const browser = await fakeBrowser(cli);
  const quiet = await cli.start(`login ${COMPANY} --no-browser`, { env: browser.env as never });
  const [, address = ""] = await quiet.line(ADDRESS);
  await visit(await server.authorize(address, ANN));
  expect(await quiet.exited).toMatchObject({ code: 0 });
  await expect(readFile(browser.file)).rejects.toMatchObject({ code: "ENOENT" });

  const bare = await cli.start(`login ${COMPANY}`, { env: { PATH: "/nowhere" } });
  await bare.line(/open the address yourself/);
  const [, again = ""] = await bare.line(ADDRESS);
  await visit(await server.authorize(again, ANN));
  expect(await bare.exited).toMatchObject({ code: 0 });
});

test("--paste takes the address from standard input", async () => {
  const { broker, cli, server } = await scene();
  const running = await cli.start(`login ${COMPANY} --label work --paste`, { keepStdin: true });
  const [, address = ""] = await running.line(ADDRESS);
  await running.line(/paste here/);
  running.send((await server.authorize(address, ANN)).href);
  expect(await running.exited).toMatchObject({ code: 0 });
  expect(await broker.serves(COMPANY)).toBe(WORK);
});

test("with nothing to paste the login is given up", async () => {
  const { broker, cli } = await scene();
  const ended = await cli(`login ${COMPANY} --paste`);
  expect(ended.code).toBe(65);
  expect(ended.stderr).toContain("standard input ended");
  const { logins } = await broker.admin.call("login", "ListLogins", {});
  expect(logins).toMatchObject([{ state: "LOGIN_STATE_CANCELLED" }]);
});

test("garbage that is piped in ends the login with 64", async () => {
  const { cli } = await scene();
  const ended = await cli(`login ${COMPANY} --paste --json`, { input: "no code!\n" });
  expect(ended.code).toBe(64);
  expect(JSON.parse(ended.stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({ reason: "FIELD_INVALID" });
});

test("--device shows where to go and what to type in", async () => {
  const { broker, cli, server } = await scene();
  const running = await cli.start(`login ${COMPANY} --label work --device --no-browser`);
  await running.line(/^and enter this code: [A-Z]{4}-[A-Z]{4}$/);
  expect(running.stdout()).toContain(`${server.issuer}/device\n`);
  const { logins } = await broker.admin.call("login", "ListLogins", {});
  const [{ verificationUrlComplete }] = logins as [{ verificationUrlComplete: string }];
  await server.authorizeDevice(verificationUrlComplete, ANN);
  await broker.advance(5 * SECOND);
  expect(await running.exited).toMatchObject({ code: 0 });
  expect(running.stdout()).toContain(`logged in: ${WORK}`);
});

test("--json prints the start and every state, one object a line", async () => {
  const { cli, server } = await scene();
  const running = await cli.start(`login ${COMPANY} --label work --json --no-browser`);
  const [line = ""] = await running.line(/^\{.*$/);
  const { login } = JSON.parse(line);
  await visit(await server.authorize(login.authorizeUrl, ANN));
  expect(await running.exited).toMatchObject({ code: 0 });
  const lines = running
    .stdout()
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text).login);
  expect(lines[0].state).toBe("LOGIN_STATE_WAITING");
  expect(lines.at(-1)).toMatchObject({ state: "LOGIN_STATE_DONE", profile: { profile: WORK } });
});

test("a refused login says so with 78, an expired one with 75, and both how to try again", async () => {
  const { broker, cli, server } = await scene();
  const denied = await cli.start(`login ${COMPANY} --label work --no-browser`);
  const [, address = ""] = await denied.line(ADDRESS);
  await visit(await server.refuse(address));
  expect(await denied.exited).toMatchObject({ code: 78 });
  expect(denied.stderr()).toContain(`what helps: auth-broker login ${COMPANY} --label work`);

  const slow = await cli.start(`login ${COMPANY} --no-browser --json`);
  await slow.line(/^\{.*$/);
  await broker.advance(15 * MINUTE);
  expect(await slow.exited).toMatchObject({ code: 75 });
  expect(JSON.parse(slow.stderr())).toMatchObject({ reason: "EXPIRED" });
});

test("another account needs an express yes, and the message names it", async () => {
  const { broker, cli, server } = await scene();
  await broker.put(WORK, { accountId: "acct-b", userId: "user-b" });
  const running = await cli.start(`login ${COMPANY} --label work --no-browser`);
  const [, address = ""] = await running.line(ADDRESS);
  await visit(await server.authorize(address, ANN));
  expect(await running.exited).toMatchObject({ code: 64 });
  expect(running.stderr()).toContain("--allow-account-change");
});

test("what stands outside an explicit order is said to", async () => {
  const { broker, cli, server } = await scene();
  await broker.put(`${COMPANY}:first`);
  await broker.order(COMPANY, `${COMPANY}:first`);
  const running = await cli.start(`login ${COMPANY} --label work --no-browser`);
  const [, address = ""] = await running.line(ADDRESS);
  await visit(await server.authorize(address, ANN));
  expect(await running.exited).toMatchObject({ code: 0 });
  expect(running.stderr()).toContain(`${WORK} stands outside the explicit order`);
});

test("--fix walks through the profiles that need a login and no others", async () => {
  const { broker, cli, server } = await scene();
  expect((await cli("login --fix")).stdout).toBe("no profile needs a login\n");
  await broker.put(`${COMPANY}:ann`, { accountId: "acct-a" });
  await broker.fails({ provider: COMPANY, profile: `${COMPANY}:ann` }, "AUTH_PERMANENT");
  await broker.put(`${COMPANY}:fine`);
  await broker.put(`${COMPANY}:zed`, { accountId: "acct-b" });
  await broker.fails({ provider: COMPANY, profile: `${COMPANY}:zed` }, "AUTH_PERMANENT");
  const running = await cli.start("login --fix --no-browser");
  await running.line(/1 of 2: my-company:ann/);
  const [, first = ""] = await running.line(ADDRESS);
  await visit(await server.authorize(first, ANN));
  await running.line(/2 of 2: my-company:zed/);
  await until(() => running.stdout().match(new RegExp(ADDRESS, "gm"))?.length === 2);
  const second = running.stdout().match(new RegExp(ADDRESS, "gm"))?.[1] ?? "";
  await visit(await server.authorize(second, BOB));
  expect(await running.exited).toMatchObject({ code: 0 });
  const { profiles } = await broker.list();
  expect(profiles.map(({ state }) => state)).toEqual(Array(3).fill("PROFILE_STATE_READY"));
});

test("an interrupt gives the login up at the broker too", async () => {
  const { broker, cli } = await scene();
  const running = await cli.start(`login ${COMPANY} --no-browser`);
  await running.line(ADDRESS);
  await running.line(/waiting for you/);
  expect(await running.kill("SIGINT")).toMatchObject({ code: 130 });
  const { logins } = await broker.admin.call("login", "ListLogins", {});
  expect(logins).toMatchObject([{ state: "LOGIN_STATE_CANCELLED", reason: "CANCELLED" }]);
});

test("without a provider, or without a broker, it is told what to do", async () => {
  const cli = await emptyCli();
  expect(await cli("login")).toMatchObject({ code: 64, stderr: expect.stringContaining("which provider?") });
  expect(await cli("login openai-codex")).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("auth-broker serve"),
  });
  expect(await cli("login openai-codex --device --paste")).toMatchObject({ code: 64 });
});

test("logout asks first; where nobody can be asked it wants --yes", async () => {
  const { broker, cli, server } = await scene();
  const { accessToken, refreshToken } = await server.login(ANN);
  await broker.put(WORK, { accessToken, refreshToken });
  const unasked = await cli(`logout ${WORK} --json`);
  expect(unasked.code).toBe(64);
  expect(errorJson(unasked).help).toBe(`auth-broker logout ${WORK} --yes`);
  expect(await broker.serves(COMPANY)).toBe(WORK);
  expect((await cli(`logout ${WORK} --yes`)).stdout).toBe(`logged out: ${WORK}, revoked at the provider\n`);
  expect((await broker.list()).profiles).toEqual([]);
});

test.runIf(hasTerminal)("on a terminal a no changes nothing", async () => {
  const { broker, cli } = await scene();
  await broker.put(WORK);
  const running = await startOnTerminal([process.execPath, MAIN, "logout", WORK], { env: cli.env });
  await until(() => /revoke and remove my-company:work .*\[y\/N\]/.test(running.stdout()));
  running.send("n");
  expect(await running.exited).toMatchObject({ code: 75 });
  expect(await broker.serves(COMPANY)).toBe(WORK);
});

test.runIf(hasTerminal)("on a terminal the address may be pasted although a listener waits", async () => {
  const { broker, cli, server } = await scene();
  const command = [process.execPath, MAIN, "login", COMPANY, "--label", "work", "--no-browser"];
  const running = await startOnTerminal(command, { env: cli.env });
  await running.line(/paste here/);
  const { logins } = await broker.admin.call("login", "ListLogins", {});
  const [{ authorizeUrl }] = logins as [{ authorizeUrl: string }];
  running.send("no code!");
  await running.line(/try again/);
  running.send((await server.authorize(authorizeUrl, ANN)).href);
  expect(await running.exited).toMatchObject({ code: 0 });
  expect(await broker.serves(COMPANY)).toBe(WORK);
});

test("a provider with API keys is asked for its key, on standard input or hidden on a terminal", async () => {
  const { broker, cli } = await brokerCli();
  const piped = await cli("login openrouter", { input: "  sk-FAKE-piped\n" });
  expect(piped).toMatchObject({ code: 0, stdout: "logged in: openrouter:default (API key)\n" });
  expect((await broker.acquire("openrouter")).credential.apiKey?.key).toBe("sk-FAKE-piped");
  expect((await broker.get("openrouter:default")).ownership).toBe("OWNERSHIP_SOLE");
  const chosen = await cli("login anthropic --label k --api-key --json", { input: "sk-FAKE-chosen" });
  expect(JSON.parse(chosen.stdout).profile).toMatchObject({
    profile: "anthropic:k",
    kind: "PROFILE_KIND_API_KEY",
  });
  expect(chosen.stdout + chosen.stderr + piped.stderr).not.toContain("sk-FAKE");
  expect(await cli("login openrouter", { input: "\n" })).toMatchObject({ code: 65 });
  const other = await cli("login openrouter --device --json");
  expect(other.code).toBe(78);
  expect(errorJson(other)).toMatchObject({ reason: "API_KEY_WANTED" });
});

test.runIf(hasTerminal)("the key that is typed on a terminal is not shown", async () => {
  const { broker, cli } = await brokerCli();
  const command = [process.execPath, MAIN, "login", "openrouter", "--label", "typed"];
  const running = await startOnTerminal(command, { env: { TERM: "xterm", ...cli.env } });
  await until(() => running.stdout().includes("API key for openrouter:typed: "));
  running.send("sk-FAKE-typed");
  expect(await running.exited).toMatchObject({ code: 0 });
  expect(running.stdout()).not.toContain("FAKE");
  expect((await broker.acquire("openrouter")).credential.apiKey?.key).toBe("sk-FAKE-typed");
});

test("--fix asks for no key where nobody is at a terminal, and says what to do", async () => {
  const { broker, cli } = await brokerCli();
  await broker.putKey("openrouter:old");
  await broker.fails("openrouter", "AUTH_INVALID_TOKEN");
  const fixed = await cli("login --fix", { input: "sk-FAKE-nobody" });
  expect(fixed).toMatchObject({ code: 78 });
  expect(fixed.stderr).toContain("auth-broker login openrouter --label old --api-key");
});

test("a login with client credentials opens no browser and asks nobody", async () => {
  const server = await startAuthorizationServer({ clientSecret: "cs-FAKE-machine" });
  onTestFinished(() => server.close());
  const { tokenUrl, clientId } = server;
  const own = { type: "generic-oauth2", grantType: "client_credentials", clientSecret: "cs-FAKE-machine" };
  const config = { providers: { [COMPANY]: { ...own, tokenUrl, clientId } } };
  const { cli } = await brokerCli({ config, fetch: (url, init) => fetch(url, init) });
  const browser = await fakeBrowser(cli);
  const ended = await cli(`login ${COMPANY} --label work`, { env: browser.env as never });
  expect(ended).toMatchObject({ code: 0, stdout: `logged in: ${WORK}\n` });
  await expect(readFile(browser.file)).rejects.toThrow("ENOENT");
});
