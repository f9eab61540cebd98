import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { brokerCli, type Cli, emptyCli } from "../support/cli.ts";
import { chatgptTokens, writeJson, writeOpenclawHome } from "../support/openclaw-home.ts";
import { json } from "../support/token-endpoint.ts";

interface Report {
  readonly checks: readonly {
    readonly status: string;
    readonly topic: string;
    readonly message: string;
    readonly help: string;
  }[];
  readonly logins: readonly { readonly profile: string; readonly source: string; readonly path: string }[];
  readonly sharedGrants: readonly {
    readonly profile: string;
    readonly holders: readonly { source: string; path: string }[];
  }[];
}

async function examined(cli: Cli): Promise<Report & { readonly code: number | null }> {
  const ended = await cli("doctor --json");
  expect(ended.stderr).toBe("");
  expect(ended.stdout).not.toMatch(/FAKE|eyJ/);
  return { ...JSON.parse(ended.stdout), code: ended.code };
}

const found = (report: Report, status: string) => report.checks.filter((check) => check.status === status);

test("without a broker it warns about that, and nothing else is wrong", async () => {
  const cli = await emptyCli();
  await chmod(cli.home, 0o700);
  const report = await examined(cli);
  expect(report).toMatchObject({ code: 0, logins: [], sharedGrants: [] });
  expect(found(report, "fail")).toEqual([]);
  expect(found(report, "warn")).toMatchObject([
    { topic: "broker", message: expect.stringContaining("auth-broker serve") },
  ]);
});

test("as text each finding is a line with its mark", async () => {
  const cli = await emptyCli();
  await chmod(cli.home, 0o755);
  const ended = await cli("doctor");
  expect(ended).toMatchObject({ code: 78, stderr: "" });
  expect(ended.stdout).toMatch(/^ok {4}version: auth-broker \S+, Node v\S+, /);
  expect(ended.stdout).toMatch(/^warn {2}broker: no broker is listening/m);
  expect(ended.stdout).toMatch(
    /^fail {2}directory: .+ is open to others \(mode 755\)\n {6}what helps: chmod go= /m,
  );
});

test("with a broker it says that it answers, and what it warns about", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put("openai-codex:a");
  await broker.put("openai-codex:b");
  await broker.order("openai-codex", "openai-codex:a", "openai-codex:gone");
  const { lease } = await broker.acquire("openai-codex");
  await broker.report(lease.leaseId, "FORBIDDEN");
  const report = await examined(cli);
  expect(report.code).toBe(0);
  const warnings = found(report, "warn")
    .map(({ message }) => message)
    .join("\n");
  expect(warnings).toContain("openai-codex:gone");
  expect(warnings).toMatch(/outside the order.*openai-codex:b/);
  expect(warnings).toContain("openai-codex:a is BLOCKED");
  expect(found(report, "ok").map(({ topic }) => topic)).toEqual(
    expect.arrayContaining(["broker", "administration", "store", "key", "socket", "state"]),
  );
});

test("open files, a broken configuration and something else at the socket's place are failures: 78", async () => {
  const cli = await emptyCli();
  await chmod(cli.home, 0o700);
  await mkdir(join(cli.home, "run", "agent.sock"), { recursive: true, mode: 0o700 });
  await mkdir(join(cli.home, "state", "profiles"), { recursive: true, mode: 0o700 });
  await writeFile(join(cli.home, "state", "profiles", "x.json"), "{}", { mode: 0o644 });
  await writeFile(join(cli.home, "key"), "", { mode: 0o640 });
  await writeFile(join(cli.home, "config.json"), '{"sesion":1}', { mode: 0o644 });
  const report = await examined(cli);
  expect(report.code).toBe(78);
  const failures = found(report, "fail")
    .map(({ message }) => message)
    .join("\n");
  for (const text of [
    "x.json is open to others",
    "key is open to others",
    "agent.sock is a directory",
    '"session"',
  ])
    expect(failures).toContain(text);
  expect(found(report, "warn")).toMatchObject([{ topic: "config", message: expect.stringContaining("644") }]);
});

test("an unusable place is a finding, not the end", async () => {
  const cli = await emptyCli({ AUTH_BROKER_HOME: "relative" });
  const report = await examined(cli);
  expect(report.code).toBe(78);
  expect(found(report, "fail")).toMatchObject([
    { topic: "places", message: expect.stringContaining("AUTH_BROKER_HOME") },
  ]);
});

test("the logins of all known programs are found, and who holds the same single-use login", async () => {
  const cli = await emptyCli();
  await chmod(cli.home, 0o700);
  await writeOpenclawHome(cli.user, { solenne: "absent" });
  const issuedAtMs = Date.now();
  const { access, refresh } = chatgptTokens("both", issuedAtMs);
  const account = { accountId: "acct-both", email: "both@example.test" };
  await writeJson(join(cli.user, ".openclaw", "agents", "main", "agent", "auth-profiles.json"), {
    version: 1,
    profiles: {
      "openai-codex:both@example.test": {
        type: "oauth",
        provider: "openai-codex",
        access,
        refresh,
        ...account,
        expires: issuedAtMs + 3_600_000,
      },
    },
  });
  await writeJson(join(cli.user, ".codex", "auth.json"), {
    tokens: { access_token: access, refresh_token: refresh, account_id: "acct-both" },
  });
  await writeJson(join(cli.user, ".claude", ".credentials.json"), {
    claudeAiOauth: { accessToken: "at-FAKE", refreshToken: "rt-FAKE", expiresAt: issuedAtMs + 3_600_000 },
  });
  const report = await examined(cli);
  expect(report.code).toBe(0);
  expect(report.logins.map(({ source }) => source).sort()).toEqual(["claude", "codex", "openclaw"]);
  expect(report.sharedGrants).toMatchObject([{ holders: [{ source: "codex" }, { source: "openclaw" }] }]);
  expect(
    found(report, "warn")
      .map(({ message }) => message)
      .join("\n"),
  ).toContain("whoever refreshes first");
});

test("a login that the broker imported is told as shared with the program that has it", async () => {
  const { cli } = await brokerCli();
  const { access, refresh } = chatgptTokens("phantom", Date.now());
  const path = join(cli.user, ".codex", "auth.json");
  await writeJson(path, {
    tokens: { access_token: access, refresh_token: refresh, account_id: "acct-phantom" },
  });
  await cli("import");
  const report = await examined(cli);
  expect(report.sharedGrants).toMatchObject([
    {
      profile: "openai-codex:acct-phantom",
      holders: [
        { source: "auth-broker", path: expect.stringContaining("SHARED") },
        { source: "codex", path },
      ],
    },
  ]);
});

test("a login file that cannot be read is a warning", async () => {
  const cli = await emptyCli();
  await chmod(cli.home, 0o700);
  await mkdir(join(cli.user, ".codex"));
  await writeFile(join(cli.user, ".codex", "auth.json"), "{");
  const report = await examined(cli);
  expect(report.code).toBe(0);
  expect(
    found(report, "warn")
      .map(({ message }) => message)
      .join("\n"),
  ).toContain("auth.json");
});

test("without a broker a record that cannot be read is a failure, and nothing is touched", async () => {
  const { broker, cli } = await brokerCli();
  await broker.putKey("openai-api:k");
  await broker.stop();
  const file = join(cli.home, "state/profiles/openai-api%3ak.json");
  await writeFile(file, "{");
  const ended = await cli("doctor --json");
  expect(ended.code).toBe(78);
  expect(JSON.parse(ended.stdout).checks).toContainEqual({
    status: "fail",
    topic: "state",
    message: `the record of "openai-api:k" cannot be read (${file}): it is not whole JSON text`,
    help: expect.stringContaining("backup"),
  });
  expect(await readFile(file, "utf8")).toBe("{");
});

const warnings = (report: Report) =>
  found(report, "warn")
    .map(({ message }) => message)
    .join("\n");

test("OpenClaw's stale order, open files and the profile that it makes of Codex's file are told", async () => {
  const cli = await emptyCli();
  await chmod(cli.home, 0o700);
  const { stateDir } = await writeOpenclawHome(cli.user, {
    solenne: "absent",
    staleOrderId: true,
    codexHome: true,
  });
  const store = join(stateDir, "agents/main/agent/auth-profiles.json");
  await chmod(store, 0o644);
  const report = await examined(cli);
  expect(warnings(report)).toContain("names openai-codex:gone@example.test");
  expect(warnings(report)).toContain(`${store} is open to others (mode 644)`);
  expect(warnings(report)).toMatch(/auth\.json: OpenClaw up to 2026\.5 makes a profile openai-codex:default/);
});

test("the versions of programs in the PATH are told", async () => {
  const cli = await emptyCli();
  const place = join(cli.user, "lib/openclaw");
  await writeJson(join(place, "package.json"), { name: "openclaw", version: "2026.9.6" });
  await writeJson(join(place, "openclaw.mjs"), "");
  await mkdir(join(cli.user, "bin"));
  await symlink(join(place, "openclaw.mjs"), join(cli.user, "bin/openclaw"));
  const ended = await cli("doctor --json", { env: { PATH: join(cli.user, "bin") } });
  expect(ended.stdout).toContain("OpenClaw 2026.9.6 is installed");
});

test("a program that has a login of its own again after a take-over is told", async () => {
  const { broker, cli } = await brokerCli();
  const path = join(cli.user, ".codex", "auth.json");
  const login = async (name: string) => {
    const { access, refresh, idToken } = chatgptTokens(name, broker.nowMs);
    const account_id = `acct-${name}`;
    const tokens = { access_token: access, refresh_token: refresh, id_token: idToken, account_id };
    await writeJson(path, { auth_mode: "chatgpt", tokens });
  };
  await login("a");
  await cli("import codex --take-over");
  expect(warnings(await examined(cli))).not.toContain("was taken over");
  await login("a");
  expect(warnings(await examined(cli))).toContain("openai-codex:a@example.test was taken over");
  const { lease } = await broker.acquire("openai-codex");
  broker.token.next(() => json(400, { error: "refresh_token_reused" }));
  await login("b");
  await broker.report(lease.leaseId, "AUTH_PERMANENT");
  expect(warnings(await examined(cli))).toContain(
    "belongs to another account by now (openai-codex:b@example.test)",
  );
});
