import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { brokerCli, type Cli, emptyCli, errorJson } from "../support/cli.ts";
import { chatgptTokens, SEED_PROFILES, writeJson, writeOpenclawHome } from "../support/openclaw-home.ts";

const CODEX = "openai-codex";
const [OUTLOOK, XXX] = SEED_PROFILES;
const PHANTOM = `${CODEX}:phantom@example.test`;

const everything = (cli: Cli) =>
  writeOpenclawHome(cli.user, { solenne: "copy", codexHome: true, limited: true });

async function codexLogin(cli: Cli, name: string, issuedAtMs: number): Promise<void> {
  const { access, refresh, idToken } = chatgptTokens(name, issuedAtMs);
  await writeJson(join(cli.user, ".codex", "auth.json"), {
    auth_mode: "chatgpt",
    tokens: { access_token: access, refresh_token: refresh, id_token: idToken, account_id: `acct-${name}` },
  });
}

test("without a name every source is read: profiles, limits and order arrive, one line an item", async () => {
  const { broker, cli } = await brokerCli();
  const { blockedUntilMs } = await everything(cli);
  const ended = await cli("import");
  expect(ended).toMatchObject({ code: 0 });
  const lines = ended.stdout.trim().split("\n");
  for (const id of [PHANTOM, OUTLOOK, XXX]) {
    expect(lines).toContainEqual(
      expect.stringMatching(
        new RegExp(`^imported ${id.replaceAll(".", "\\.")} from (codex|openclaw) \\(/.+\\.json\\)$`),
      ),
    );
  }
  expect(lines).toContain(`order of ${CODEX}: ${OUTLOOK}, ${XXX}`);
  expect(ended.stdout).toMatch(/^These logins are SHARED: .* takes the place of the shared one:$/m);
  for (const id of [PHANTOM, OUTLOOK, XXX]) {
    expect(lines).toContain(`  auth-broker login ${id.replace(":", " --label ")}`);
  }
  expect(ended.stderr).toContain(`${PHANTOM} stands outside the explicit order`);
  expect(ended.stdout + ended.stderr).not.toMatch(/FAKE|eyJ/);
  const outlook = await broker.get(OUTLOOK);
  expect(outlook).toMatchObject({
    ownership: "OWNERSHIP_SHARED",
    order: 1,
    hasRefreshToken: true,
    state: "PROFILE_STATE_COOLING_DOWN",
  });
  expect(Date.parse(String(outlook.cooldowns[0]?.untilTime))).toBe(blockedUntilMs);
  expect(await broker.serves(CODEX)).toBe(XXX);
});

test("--json lists what was imported and skipped", async () => {
  const { cli } = await brokerCli();
  await everything(cli);
  const { imported, skipped } = JSON.parse((await cli("import --json")).stdout);
  expect(imported).toContainEqual({
    profile: PHANTOM,
    source: "codex",
    path: join(cli.user, ".codex", "auth.json"),
  });
  expect(imported).toHaveLength(3);
  for (const item of skipped) expect(item).toEqual({ item: expect.any(String), reason: expect.any(String) });
});

test("--dry-run needs no broker, shows the same and changes nothing", async () => {
  const cli = await emptyCli();
  await everything(cli);
  const dry = await cli("import --dry-run");
  expect(dry).toMatchObject({ code: 0 });
  expect(dry.stdout).toContain(`would import ${PHANTOM} from codex`);
  expect(dry.stdout).toContain(`would set the order of ${CODEX}`);
  expect(JSON.parse((await cli("import --dry-run --json")).stdout).imported).toHaveLength(3);
  expect(await cli("import")).toMatchObject({ code: 69, stdout: "" });
});

test("named sources only are read, from where they are or from --from", async () => {
  const { cli } = await brokerCli();
  await everything(cli);
  const elsewhere = join(cli.home, "elsewhere");
  await mkdir(elsewhere);
  const { access, refresh } = chatgptTokens("other", Date.now());
  await writeJson(join(elsewhere, "auth.json"), {
    tokens: { access_token: access, refresh_token: refresh, account_id: "acct-other" },
  });
  const imported = async (args: string) =>
    JSON.parse((await cli(`import ${args} --dry-run --json`)).stdout).imported;
  expect(await imported("codex")).toMatchObject([{ profile: PHANTOM }]);
  expect(await imported("CODEX openclaw")).toHaveLength(3);
  const there = [{ profile: `${CODEX}:acct-other`, path: join(elsewhere, "auth.json") }];
  expect(await imported(`codex --from ${elsewhere}`)).toMatchObject(there);
  expect(await imported(`codex --from ${elsewhere}/auth.json`)).toMatchObject(there);
});

test("importing again takes nothing that is not newer, and leaves what the broker refreshed", async () => {
  const { broker, cli } = await brokerCli();
  await codexLogin(cli, "phantom", Date.now() - HOUR);
  await cli("import codex");
  const { access } = chatgptTokens("phantom", Date.now());
  await broker.put(PHANTOM, { accessToken: access, accountId: "acct-phantom" });
  const again = JSON.parse((await cli("import codex --json")).stdout);
  expect(again.imported).toEqual([]);
  expect(again.skipped).toMatchObject([{ item: PHANTOM, reason: expect.stringContaining("newer") }]);
});

describe("an account that is there under another id", () => {
  const identity = { accountId: "acct-phantom", userId: "user-phantom" };

  test("gets the imported login if that is newer, and the imported id stays accepted", async () => {
    const { broker, cli } = await brokerCli();
    await broker.put(`${CODEX}:mine`, {
      ...identity,
      accessToken: chatgptTokens("phantom", Date.now() - HOUR).access,
    });
    await codexLogin(cli, "phantom", Date.now());
    expect(JSON.parse((await cli("import codex --json")).stdout).imported).toMatchObject([
      { profile: `${CODEX}:mine` },
    ]);
    expect(await broker.get(`${CODEX}:mine`)).toMatchObject({ generation: 2, ownership: "OWNERSHIP_SHARED" });
    expect((await broker.get(PHANTOM)).profile).toBe(`${CODEX}:mine`);
  });

  test("keeps its own if that is newer, and the reason names it", async () => {
    const { broker, cli } = await brokerCli();
    await broker.put(`${CODEX}:mine`, {
      ...identity,
      accessToken: chatgptTokens("phantom", Date.now()).access,
    });
    await codexLogin(cli, "phantom", Date.now() - HOUR);
    const { imported, skipped } = JSON.parse((await cli("import codex --json")).stdout);
    expect(imported).toEqual([]);
    expect(skipped).toMatchObject([
      { item: PHANTOM, reason: expect.stringMatching(/"openai-codex:mine".*newer/) },
    ]);
  });

  test.each([`${CODEX}:mine`, PHANTOM])("keeps a login that is the broker's alone, as %s", async (id) => {
    const { broker, cli } = await brokerCli();
    await broker.put(
      id,
      { ...identity, accessToken: chatgptTokens("phantom", Date.now() - HOUR).access },
      { ownership: "OWNERSHIP_SOLE" },
    );
    await codexLogin(cli, "phantom", Date.now());
    const { imported, skipped } = JSON.parse((await cli("import codex --json")).stdout);
    expect(imported).toEqual([]);
    expect(skipped).toMatchObject([{ item: PHANTOM, reason: expect.stringContaining("of its own") }]);
    expect(await broker.get(id)).toMatchObject({ generation: 1, ownership: "OWNERSHIP_SOLE" });
  });
});

test("another account under the same id is skipped", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(PHANTOM, { accountId: "acct-other" });
  await codexLogin(cli, "phantom", Date.now());
  const { skipped } = JSON.parse((await cli("import codex --json")).stdout);
  expect(skipped).toMatchObject([{ item: PHANTOM, reason: expect.stringContaining("another account") }]);
});

test("a provider that nobody knows is skipped, the others arrive", async () => {
  const { cli } = await brokerCli();
  await writeJson(join(cli.user, ".openclaw", "agents", "main", "agent", "auth-profiles.json"), {
    version: 1,
    profiles: {
      "zai:x": { type: "api_key", provider: "zai", key: "sk-FAKE-1" },
      "anthropic:x": { type: "api_key", provider: "anthropic", key: "sk-FAKE-2" },
    },
  });
  const { imported, skipped } = JSON.parse((await cli("import --json")).stdout);
  expect(imported).toMatchObject([{ profile: "anthropic:x", source: "openclaw" }]);
  expect(skipped).toMatchObject([{ item: "zai:x", reason: expect.stringContaining("zai") }]);
});

test("a stale id in the order is a warning", async () => {
  const { cli } = await brokerCli();
  await writeOpenclawHome(cli.user, { solenne: "absent", staleOrderId: true });
  const ended = await cli("import");
  expect(ended).toMatchObject({ code: 0 });
  expect(ended.stderr).toContain("openai-codex:gone@example.test");
});

describe("a source that cannot be read:", () => {
  test.each([
    ["{", 65],
    ["", 65],
    ["[]", 65],
    ['{"other":1}', 65],
    [Buffer.from([0xff, 0xfe]), 65],
    ['{"auth_mode":"chatgpt","tokens":[]}', 65],
    ['{"auth_mode":"chatgpt","tokens":{"access_token":7}}', 65],
  ])("%j ends with %d", async (content, exit) => {
    const cli = await emptyCli();
    await mkdir(join(cli.user, ".codex"));
    await writeFile(join(cli.user, ".codex", "auth.json"), content);
    for (const args of ["import codex --dry-run --json", "import --dry-run --json"]) {
      const ended = await cli(args);
      expect(ended).toMatchObject({ code: exit, stdout: "" });
      expect(errorJson(ended).message).toContain("auth.json");
    }
  });

  test("a directory where the file should be is 65, a missing one 66, and no source at all 66", async () => {
    const cli = await emptyCli();
    expect(await cli("import --dry-run")).toMatchObject({ code: 66 });
    expect((await cli("import")).stderr).toContain(join(cli.user, ".codex"));
    expect(await cli("import claude --dry-run")).toMatchObject({ code: 66 });
    expect(await cli("import codex --from /nowhere/at-all")).toMatchObject({ code: 66 });
    await mkdir(join(cli.user, ".codex", "auth.json"), { recursive: true });
    expect(await cli("import codex")).toMatchObject({ code: 65 });
  });

  test.skipIf(process.getuid?.() === 0)("no permission is 77", async () => {
    const cli = await emptyCli();
    await codexLogin(cli, "phantom", Date.now());
    await chmod(join(cli.user, ".codex", "auth.json"), 0);
    expect(await cli("import codex")).toMatchObject({ code: 77 });
  });

  test("when it was named the others arrive all the same, and the command fails", async () => {
    const { cli } = await brokerCli();
    await codexLogin(cli, "phantom", Date.now());
    const ended = await cli("import claude codex --json");
    expect(ended).toMatchObject({ code: 66 });
    expect(JSON.parse(ended.stdout).imported).toMatchObject([{ profile: PHANTOM }]);
    expect(errorJson(ended).code).toBe("NOT_FOUND");
  });

  test("when it was merely found it is skipped while another one can be read", async () => {
    const { cli } = await brokerCli();
    await codexLogin(cli, "phantom", Date.now());
    const broken = join(cli.user, ".gemini", "oauth_creds.json");
    await mkdir(join(cli.user, ".gemini"));
    await writeFile(broken, "{");
    const ended = await cli("import --json");
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(ended.stdout)).toMatchObject({
      imported: [{ profile: PHANTOM }],
      skipped: [{ item: broken }],
    });
  });
});

test("a file with a byte order mark and CRLF is read", async () => {
  const cli = await emptyCli();
  const { access, refresh } = chatgptTokens("x", Date.now());
  const text = JSON.stringify({ tokens: { access_token: access, refresh_token: refresh } }, undefined, 2);
  await mkdir(join(cli.user, ".codex"));
  await writeFile(join(cli.user, ".codex", "auth.json"), `\uFEFF${text.replaceAll("\n", "\r\n")}`);
  expect(JSON.parse((await cli("import --dry-run --json")).stdout).imported).toHaveLength(1);
});
