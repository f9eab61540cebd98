import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { brokerCli, emptyCli, errorJson, MAIN } from "../support/cli.ts";
import { run } from "../support/process.mjs";
import { answering, bareRefusal } from "../support/rpc-answers.ts";
import { serveOnSocket } from "../support/rpc-server.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0 && spawnSync("setpriv", ["--version"]).status === 0;
if (!isRoot) console.warn("not run as root, or setpriv is missing: other users are NOT tried");

const NEED_A_BROKER = [
  "status",
  "profiles",
  "profiles list",
  "profiles show a:b",
  "profiles enable a:b",
  "profiles order a a:b",
  "profiles acknowledge a",
  "acquire a",
  "token a",
  "report lease OK",
  "explain a",
  "watch",
  "watch a",
  "run a -- true",
];

test.each(NEED_A_BROKER)("%j without a broker ends with 69 and says how to start one", async (args) => {
  const cli = await emptyCli();
  const ended = await cli(args);
  expect(ended).toMatchObject({ code: 69, stdout: "" });
  expect(ended.stderr).toContain(
    join(cli.home, "run", args.includes("profiles") || args === "watch" ? "admin.sock" : "agent.sock"),
  );
  expect(ended.stderr).toContain("auth-broker serve");
});

test("nothing is started or made by itself", async () => {
  const cli = await emptyCli();
  await cli("token openai-codex");
  const left = spawnSync("find", [cli.home, "-mindepth", "1"], { encoding: "utf8" }).stdout.trim();
  expect(left).toBe(cli.user);
});

test("with --json it is told as an error of the same shape as a broker's", async () => {
  expect(errorJson(await (await emptyCli())("token a --json"))).toEqual({
    code: "UNAVAILABLE",
    reason: "",
    message: expect.stringContaining("no broker is listening at"),
    retryTime: null,
    help: "auth-broker serve",
    profiles: [],
  });
});

test("a socket that nobody listens on any more is no broker", async () => {
  const cli = await emptyCli();
  const path = join(cli.home, "s.sock");
  const script = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  await run(process.execPath, ["-e", script, path]);
  const ended = await cli("token a", { env: { AUTH_BROKER_SOCKET: path } });
  expect(ended).toMatchObject({ code: 69, stdout: "" });
  expect(ended.stderr).toContain(path);
});

test.each([
  ["a plain file", (path: string) => writeFile(path, "")],
  ["a directory", (path: string) => mkdir(path)],
])("%s in the place of the socket is named", async (what, make) => {
  const cli = await emptyCli();
  const path = join(cli.home, "s.sock");
  await make(path);
  const ended = await cli("token a", { env: { AUTH_BROKER_SOCKET: path } });
  expect(ended).toMatchObject({ code: 69, stdout: "" });
  expect(ended.stderr).toContain(`${path} is ${what}, not a socket`);
});

test.each([
  [{ AUTH_BROKER_SOCKET: "relative.sock" }, "AUTH_BROKER_SOCKET"],
  [{ AUTH_BROKER_SOCKET: `/${"x".repeat(130)}` }, "107"],
  [{ AUTH_BROKER_HOME: "relative" }, "AUTH_BROKER_HOME"],
])("an unusable place, %j, ends with 78", async (env, name) => {
  const ended = await (await emptyCli())("token a", { env });
  expect(ended).toMatchObject({ code: 78, stdout: "" });
  expect(ended.stderr).toContain(name);
});

test("something that hangs up, or speaks another language, is no broker", async () => {
  const cli = await emptyCli();
  for (const greeting of ["", "220 mail.example.test ESMTP\r\n"]) {
    const path = join(cli.home, `s${greeting.length}.sock`);
    const server = createServer((socket) => socket.on("error", () => {}).end(greeting)).listen(path);
    onTestFinished(() => void server.close());
    await once(server, "listening");
    expect(await cli("token a", { env: { AUTH_BROKER_SOCKET: path } })).toMatchObject({
      code: 69,
      stdout: "",
    });
  }
});

test.each([
  [bareRefusal("INTERNAL", "boom"), 70],
  [bareRefusal("UNKNOWN", "boom"), 70],
  [bareRefusal("DEADLINE_EXCEEDED", "late"), 75],
  [bareRefusal("RESOURCE_EXHAUSTED", "too big"), 64],
  [bareRefusal("UNIMPLEMENTED", "what"), 78],
])("a refusal without a reason, %j, has its exit code", async (refusal, exit) => {
  const cli = await emptyCli();
  await using server = await serveOnSocket([answering("credential", refusal)]);
  const ended = await cli("token a --json", { env: { AUTH_BROKER_SOCKET: server.socket } });
  expect(ended).toMatchObject({ code: exit, stdout: "" });
  expect(errorJson(ended).reason).toBe("");
});

test("administration at the agents' socket is told apart from a missing broker", async () => {
  const { cli } = await brokerCli();
  const env = { AUTH_BROKER_ADMIN_SOCKET: join(cli.home, "run", "agent.sock") };
  const ended = await cli("profiles", { env });
  expect(ended).toMatchObject({ code: 78 });
  expect(ended.stderr).toContain("AUTH_BROKER_ADMIN_SOCKET");
});

test("a request that is too large for a broker is refused as such, whichever end it meets first", async () => {
  const { cli } = await brokerCli();
  const huge = JSON.stringify({ apiKey: { key: "x".repeat(10_000_000) } });
  const ended = await cli("profiles add openai-api:a", { input: huge });
  expect(ended).toMatchObject({ code: 64, stdout: "" });
  expect(ended.stderr).toContain("larger than a broker takes");
  expect(ended.stderr.length).toBeLessThan(500);
});

describe.runIf(isRoot)("another user", () => {
  /** The command line as nobody. */
  const asNobody = (args: string, env: Readonly<Record<string, string | undefined>>) =>
    run(
      "setpriv",
      [
        `--reuid=${NOBODY}`,
        `--regid=${NOBODY}`,
        "--clear-groups",
        process.execPath,
        MAIN,
        ...args.split(" "),
      ],
      { env },
    );
  const canLoad =
    spawnSync("setpriv", [`--reuid=${NOBODY}`, `--clear-groups`, process.execPath, MAIN, "--version"])
      .status === 0;
  if (!canLoad) console.warn("nobody may not read this directory: other users are NOT tried");

  test.runIf(canLoad)("has no right to the socket: 77, naming the path and its owner", async () => {
    const { cli } = await brokerCli();
    const ended = await asNobody("token openai-codex", cli.env);
    expect(ended).toMatchObject({ code: 77, stdout: "" });
    expect(ended.stderr).toContain(cli.home);
    expect(ended.stderr).toContain("owned by uid 0");
    expect(await asNobody("profiles", cli.env)).toMatchObject({ code: 77 });
    expect(await asNobody("token openai-codex --json", cli.env).then(errorJson)).toMatchObject({
      code: "PERMISSION_DENIED",
    });
  });

  test("as root, whom nobody's broker does not serve, is cut off: 77", async () => {
    const cli = await emptyCli();
    const path = join(cli.home, "s.sock");
    const server = createServer((socket) => socket.on("error", () => {}).destroy()).listen(path);
    onTestFinished(() => void server.close());
    await once(server, "listening");
    await chown(path, NOBODY, NOBODY);
    const ended = await cli("token a", { env: { AUTH_BROKER_SOCKET: path } });
    expect(ended).toMatchObject({ code: 77, stdout: "" });
    expect(ended.stderr).toContain(`owned by uid ${NOBODY}`);
  });
});
