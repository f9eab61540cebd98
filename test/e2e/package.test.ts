import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ProcessOptions, run, start } from "../support/process.mjs";

const ROOT = resolve(import.meta.dirname, "../..");

/** What somebody else's shell has: nothing that npm told the scripts of this package. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

let place: string;
let installed: string;
let home: Readonly<Record<string, string | undefined>>;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "package-"));
  const project = join(place, "project");
  await mkdir(project);
  // Packed as it was built: building again would pull the files from under other tests.
  const packed = await done("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", place], ROOT);
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  await writeFile(join(project, "package.json"), '{ "name": "guest", "type": "module" }');
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
  await done("npm", ["install", ...quiet, join(place, filename)], project);
  installed = join(project, "node_modules/auth-broker");
  home = { ...env, AUTH_BROKER_HOME: join(place, "home") };
}, 110_000);

afterAll(() => rm(place, { recursive: true, force: true }));

/** Runs a program that must succeed and gives what it printed. */
async function done(command: string, args: readonly string[], cwd: string, more?: ProcessOptions) {
  const { code, stdout, stderr } = await run(command, args, { env, cwd, ...more });
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

const project = () => join(place, "project");
const command = () => join(project(), "node_modules/.bin/auth-broker");

test("the installed command tells the version of the package", async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
  expect(await done(command(), ["--version"], project())).toBe(`${version}\n`);
});

test("the installed broker serves, its status is read, and the library talks to it", async () => {
  const broker = await start(command(), ["serve"], { cwd: project(), env: home });
  await broker.line(/the broker serves/);

  const status = JSON.parse(await done(command(), ["status", "--json"], project(), { env: home }));
  expect(status).toMatchObject({ store: { kind: "lowdb", writable: true }, providers: [], warnings: [] });

  await writeFile(
    join(project(), "guest.js"),
    `import { connect } from "auth-broker/client";
     const broker = await connect();
     const refused = await broker.acquire({ provider: "openai-codex" }).catch((error) => error);
     await broker.close();
     console.log(refused.name, refused.code, refused.reason);`,
  );
  expect(await done(process.execPath, ["guest.js"], project(), { env: home })).toBe(
    "BrokerError NOT_FOUND NO_PROFILE\n",
  );
  expect(await broker.kill()).toMatchObject({ code: 0 });
});

test("a program that is compiled strictly finds the types of the library", async () => {
  await writeFile(
    join(project(), "guest.ts"),
    `import { type Acquired, type BrokerError, connect } from "auth-broker/client";
     export async function header(): Promise<string | undefined> {
       await using broker = await connect();
       const acquired: Acquired = await broker.acquire({ provider: "openai-codex" });
       return acquired.credential.headers.authorization;
     }
     // @ts-expect-error: the reason of an error is no number
     export const reason = (error: BrokerError): number => error.reason;`,
  );
  const options = "--noEmit --strict --module nodenext --target es2023 --lib es2023,esnext.disposable";
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const roots = ["--typeRoots", join(ROOT, "node_modules/@types"), "--types", "node"];
  await done(process.execPath, [compiler, ...options.split(" "), ...roots, "guest.ts"], project());
});

test("nothing but the client and the daemon can be imported", async () => {
  const inside = "auth-broker/dist/store/lowdb.js";
  const { code, stderr } = await run(process.execPath, ["-e", `import("${inside}")`], {
    env,
    cwd: project(),
  });
  expect(code).toBe(1);
  expect(stderr).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
});

test("the package holds what is built from the sources, the contract and the documents, and no more", async () => {
  const files = await readdir(installed, { recursive: true, withFileTypes: true });
  const names = files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(installed.length + 1));
  const sources = (await readdir(join(ROOT, "src"), { recursive: true }))
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [name.replace(/\.ts$/, ".js"), name.replace(/\.ts$/, ".d.ts")])
    .map((name) => `dist/${name}`);

  const built = names.filter((name) => name.startsWith("dist/"));
  expect(built.sort()).toEqual([...sources, "dist/authbroker.binpb"].sort());
  const programs = (await readdir(join(ROOT, "bin"))).map((name) => `bin/${name}`);
  expect(names.filter((name) => name.startsWith("bin/")).sort()).toEqual(programs.sort());
  const others = names.filter((name) => !/^(bin|dist|proto)\//.test(name));
  expect(others.sort()).toEqual([
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "openclaw.plugin.json",
    "package.json",
    "systemd/system/auth-broker@.service",
    "systemd/user/auth-broker-admin.socket",
    "systemd/user/auth-broker-agent.socket",
    "systemd/user/auth-broker.service",
  ]);
  expect(names.filter((name) => name.startsWith("proto/") && !name.endsWith(".proto"))).toEqual([]);
});

test("the package holds nothing that looks like a secret", async () => {
  const suspicious = [
    /eyJ[\w-]{10,}\.eyJ[\w-]{10,}/, // a JWT
    /\bsk-[\w-]{16,}/, // keys of OpenAI and Anthropic
    /\b(?:ghp|gho|ghu|github_pat)_\w{20,}/,
    /\bAIza[\w-]{30,}/,
    /\b1\/\/0[\w-]{20,}/, // a refresh token of Google
    /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  ];
  const files = (await readdir(installed, { recursive: true, withFileTypes: true })).filter((f) =>
    f.isFile(),
  );
  const found: string[] = [];
  for (const file of files) {
    const path = join(file.parentPath, file.name);
    const text = await readFile(path, "latin1");
    if (suspicious.some((pattern) => pattern.test(text))) found.push(path);
  }
  expect(files.length).toBeGreaterThan(100);
  expect(found).toEqual([]);
});
