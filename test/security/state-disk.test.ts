import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { errorJson, MAIN } from "../support/cli.ts";
import { mountDisk } from "../support/mount.ts";
import { type Finished, type Running, run, start } from "../support/process.mjs";

// From outside: real processes, a home of their own, and what anybody finds on the disk.

const A = "openai-codex:a";
const B = "openai-codex:b";
const CANARIES = ["at-FAKE-canary", "rt-FAKE-canary", "id-FAKE-canary", "sk-FAKE-canary", "acct-canary"];
const FAR = "2099-01-01T00:00:00Z";

interface Home {
  readonly path: string;
  cli(args: string, input?: string): Promise<Finished>;
  /** Resolves when the broker serves. */
  serve(): Promise<Running>;
}

function homeAt(path: string): Home {
  const env = { PATH: process.env.PATH, HOME: path, AUTH_BROKER_HOME: path };
  const cli = (args: string, input?: string) =>
    run(process.execPath, [MAIN, ...args.split(" ")], { env, ...(input === undefined ? {} : { input }) });
  return {
    path,
    cli,
    serve: async () => {
      const broker = await start(process.execPath, [MAIN, "serve"], { env });
      onTestFinished(async () => void (await broker.kill("SIGKILL")));
      await broker.line(/the broker serves/);
      return broker;
    },
  };
}

async function newHome(config: object = {}): Promise<Home> {
  const path = await mkdtemp(join(tmpdir(), "home-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  await writeFile(join(path, "config.json"), JSON.stringify(config));
  return homeAt(path);
}

function login(label: string, more: object = {}): string {
  return JSON.stringify({
    oauth: {
      accessToken: `at-FAKE-canary-${label}`,
      refreshToken: `rt-FAKE-canary-${label}`,
      idToken: `id-FAKE-canary-${label}`,
      expireTime: FAR,
      accountId: `acct-canary-${label}`,
      ...more,
    },
  });
}

async function add(home: Home, profile: string, text = login(profile.slice(-1))): Promise<void> {
  const { code, stderr } = await home.cli(`profiles add ${profile} --from-file -`, text);
  expect(code, stderr).toBe(0);
}

/** Every file under a place, as bytes. */
async function filesUnder(
  place: string,
): Promise<readonly { readonly path: string; readonly bytes: Buffer }[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  const paths = entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
  return Promise.all(paths.map(async (path) => ({ path, bytes: await readFile(path) })));
}

/** Looks for tokens as they are, and as anybody would spell them. */
async function expectNoCanary(place: string): Promise<void> {
  const files = await filesUnder(place);
  expect(files.length).toBeGreaterThan(0);
  for (const { path, bytes } of files) {
    for (const canary of CANARIES) {
      const spellings = (["utf8", "utf16le"] as const).map((encoding) => Buffer.from(canary, encoding));
      const texts = (["base64", "base64url", "hex"] as const).map((encoding) =>
        // The letters that do not hang on what stands before and after.
        Buffer.from(Buffer.from(canary).toString(encoding).slice(0, 12)),
      );
      for (const needle of [...spellings, ...texts]) {
        expect(bytes.includes(needle), `${canary} in ${path}`).toBe(false);
      }
    }
  }
}

/** The answer of a command that must fail. */
async function refusal(
  home: Home,
  args: string,
): Promise<ReturnType<typeof errorJson> & { exit: number | null }> {
  const finished = await home.cli(`${args} --json`);
  expect(finished.code, finished.stdout).not.toBe(0);
  return { ...errorJson(finished), exit: finished.code };
}

/** A token endpoint that rotates; each answer is good for ten hours. */
async function tokenEndpoint() {
  const sent: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (data) => {
      body += data;
    });
    request.on("end", () => {
      sent.push(/rt-FAKE-[\w-]+/.exec(body)?.[0] ?? "");
      response.writeHead(200, { "content-type": "application/json" });
      const n = sent.length;
      response.end(
        JSON.stringify({
          access_token: `at-FAKE-canary-new-${n}`,
          refresh_token: `rt-FAKE-canary-new-${n}`,
          expires_in: 36_000,
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, sent };
}

test("row 15: no file of the state holds a token, an account or a key", async () => {
  const home = await newHome();
  const broker = await home.serve();
  await add(home, A);
  await add(home, "openai-api:k", JSON.stringify({ apiKey: { key: "sk-FAKE-canary-k" } }));
  await add(home, "anthropic:t", JSON.stringify({ token: { token: "at-FAKE-canary-t" } }));
  await expectNoCanary(join(home.path, "state"));
  await broker.kill();
  await expectNoCanary(join(home.path, "state"));
  const key = (await readFile(join(home.path, "key"), "latin1")).trim();
  for (const { bytes } of await filesUnder(join(home.path, "state"))) {
    expect(bytes.includes(key) || bytes.includes(Buffer.from(key, "hex"))).toBe(false);
  }
});

test("row 15: the state copied to another home does not open there, with no key and with that home's own", async () => {
  const home = await newHome();
  await home.serve();
  await add(home, A);
  for (const hasKey of [false, true]) {
    const other = await newHome();
    if (hasKey) await (await other.serve()).kill();
    await rm(join(other.path, "state"), { recursive: true, force: true });
    await cp(join(home.path, "state"), join(other.path, "state"), { recursive: true });
    const before = await filesUnder(other.path);
    const refused = await other.cli("serve");
    expect(refused.code).toBe(74);
    expect(refused.stderr).toContain(join(other.path, "key"));
    expect(refused.stderr).toContain("auth-broker key restore");
    // Nothing was made or changed, but for the name of who looked last.
    const unlocked = (files: typeof before) => files.filter(({ path }) => !path.endsWith("/lock"));
    expect(unlocked(await filesUnder(other.path))).toEqual(unlocked(before));
    await expectNoCanary(other.path);
  }
});

test("row 15: a lost key is back with its recovery code, and no other code is taken", async () => {
  const home = await newHome();
  const broker = await home.serve();
  await add(home, A);
  const code = (await home.cli("key export")).stdout;
  await broker.kill();
  await rm(join(home.path, "key"));
  const stranger = await newHome();
  await (await stranger.serve()).kill();
  const foreign = await home.cli("key restore", (await stranger.cli("key export")).stdout);
  expect([foreign.code, foreign.stderr]).toEqual([74, expect.stringContaining("another key")]);
  expect(
    (
      await home.cli(
        "key restore",
        code.replace(/^./, (c) => (c === "7" ? "8" : "7")),
      )
    ).code,
  ).toBe(65);
  expect((await home.cli("key restore", code)).code).toBe(0);
  await home.serve();
  expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-a\n");
});

test("row 15: what an earlier version left in the clear is sealed with the first start", async () => {
  const home = await newHome();
  const profiles = join(home.path, "state", "profiles");
  await cp(new URL("../fixtures/state-format-1", import.meta.url), home.path, { recursive: true });
  expect((await readFile(join(profiles, "openai-codex%3aa.json"), "utf8")).includes("rt-FAKE-canary")).toBe(
    true,
  );
  await home.serve();
  await expectNoCanary(join(home.path, "state"));
  expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-a\n");
});

test("row 16: an old backup is noticed: the spent token is not sent, and an operator decides", async () => {
  const { url, sent } = await tokenEndpoint();
  const home = await newHome({
    providers: { "openai-codex": { tokenUrl: url } },
    refresh: { minInterval: "0s" },
  });
  const state = join(home.path, "state");
  const ended = login("a", { expireTime: "2020-01-01T00:00:00Z" });
  const first = await home.serve();
  await add(home, B);
  const put = await home.cli(`profiles add ${A} --disabled --from-file -`, ended);
  expect(put.code, put.stderr).toBe(0);
  await first.kill();
  await cp(state, `${state}.backup`, { recursive: true });
  const second = await home.serve();
  await home.cli(`profiles enable ${A}`);
  for (let n = 0; n < 2; n++) expect((await home.cli(`profiles refresh ${A}`)).code).toBe(0);
  await second.kill();
  await rm(state, { recursive: true });
  await rename(`${state}.backup`, state);
  const spent = sent.length;
  await home.serve();
  await home.cli(`profiles enable ${A}`);
  expect(await refusal(home, `acquire openai-codex --profile ${A}`)).toMatchObject({
    reason: "REFRESH_IN_DOUBT",
    exit: 78,
  });
  expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-b\n");
  expect(sent).toHaveLength(spent);
  expect((await home.cli(`profiles refresh ${A}`)).code).toBe(0);
  expect(sent.slice(spent)).toEqual(["rt-FAKE-canary-a"]);
});

test("row 17: swapped and edited records are DATA_LOSS, the others are served", async () => {
  const home = await newHome();
  const broker = await home.serve();
  for (const profile of [A, B, "openai-codex:c", "openai-codex:d"]) await add(home, profile);
  await broker.kill();
  const path = (label: string) => join(home.path, "state", "profiles", `openai-codex%3a${label}.json`);
  await rename(path("a"), path("x"));
  await rename(path("b"), path("a"));
  await rename(path("x"), path("b"));
  const edited = await readFile(path("c"), "utf8");
  await writeFile(path("c"), edited.replace('"generation":1', '"generation":2'));
  await home.serve();
  for (const profile of [A, B, "openai-codex:c"]) {
    expect(await refusal(home, `acquire openai-codex --profile ${profile}`)).toMatchObject({
      code: "DATA_LOSS",
      reason: "STORE_CORRUPT",
      exit: 74,
    });
  }
  expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-d\n");
});

test("row 18: on a full disk valid tokens are served and no refresh is begun; nothing is damaged", async () => {
  const disk = await mountDisk(1024 * 1024);
  if (disk === undefined) return console.warn("SKIPPED: row 18, this process may not mount a tmpfs");
  onTestFinished(() => disk.unmount());
  const { url, sent } = await tokenEndpoint();
  await writeFile(
    join(disk.path, "config.json"),
    JSON.stringify({ providers: { "openai-codex": { tokenUrl: url } } }),
  );
  const home = homeAt(disk.path);
  const broker = await home.serve();
  await add(home, A);
  const ballast = disk.fill();
  expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-a\n");
  expect((await home.cli(`profiles refresh ${A}`)).code).not.toBe(0);
  expect((await home.cli("acquire openai-codex --min-valid-for 1000000h")).code).not.toBe(0);
  expect(sent).toEqual([]);
  await broker.kill("SIGKILL");
  const again = await home.serve();
  expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-a\n");
  await rm(ballast);
  expect((await home.cli(`profiles refresh ${A}`)).code).toBe(0);
  expect(sent).toEqual(["rt-FAKE-canary-a"]);
  expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-new-1\n");
  await again.kill();
});

test("row 18: a record cut off anywhere is DATA_LOSS for its profile only, and is left as it lies", async () => {
  const home = await newHome();
  const broker = await home.serve();
  await add(home, A);
  await add(home, B);
  await broker.kill();
  const path = join(home.path, "state", "profiles", "openai-codex%3aa.json");
  const whole = await readFile(path);
  for (const length of [0, 1, Math.floor(whole.length / 2), whole.length - 1]) {
    await writeFile(path, whole.subarray(0, length));
    const again = await home.serve();
    expect(await refusal(home, `acquire openai-codex --profile ${A}`)).toMatchObject({
      reason: "STORE_CORRUPT",
    });
    expect((await home.cli("token openai-codex")).stdout).toBe("at-FAKE-canary-b\n");
    await again.kill();
    expect((await readFile(path)).equals(whole.subarray(0, length))).toBe(true);
  }
});

test("row 9: one broker a state directory, also while the first is stopped; a dead one is succeeded", async () => {
  const home = await newHome();
  const first = await home.serve();
  process.kill(first.pid, "SIGSTOP");
  const refused = await home.cli("serve");
  expect(refused.code).toBe(75);
  expect(refused.stderr).toContain(`${first.pid}`);
  expect((await refusal(home, "key rotate")).exit).toBe(75);
  await first.kill("SIGKILL");
  await home.serve();
});
