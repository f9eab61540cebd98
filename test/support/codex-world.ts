import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { type World, type WorldOptions, world } from "./broker-world.ts";
import { type CodexBackend, startCodexBackend } from "./codex-backend.mjs";
import { fakeJwt } from "./jwt.ts";
import { type Finished, type ProcessOptions, type Running, run, start } from "./process.mjs";
import { startOnTerminal } from "./terminal.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const MAIN = join(ROOT, "bin/auth-broker.js");
export const DROP_IN = join(ROOT, "bin/auth-broker-codex.js");
export const RELAY = join(import.meta.dirname, "loopback-relay.mjs");
/** Where private homes are made. */
export const HOMES = `/dev/shm/auth-broker-${process.geteuid?.()}`;
/** On a terminal that has a size. */
const SIZED = 'stty columns 200 rows 50 && exec nsenter "$0" "$@"';
const HOUR_MS = 3_600_000;

/** A user with a Codex, a broker and a backend. Codex sees a network that has nothing but the backend. */
export interface CodexWorld {
  readonly broker: World;
  readonly backend: CodexBackend;
  /** The user's own home of Codex. */
  readonly codexHome: string;
  /** An empty directory to work in. */
  readonly work: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Puts a login `openai-codex:<name>` with the account `acct-<name>`. */
  login(name: string, lifeMs?: number): Promise<string>;
  /** `auth-broker-codex` with these arguments, to its end. */
  codex(args: readonly string[], options?: ProcessOptions): Promise<Finished>;
  /** The same, left running. */
  start(args: readonly string[], options?: ProcessOptions): Promise<Running>;
  /** The same with a terminal of its own. */
  startOnTerminal(args: readonly string[], options?: ProcessOptions): Promise<Running>;
  /** Any program inside the network of Codex. */
  inside(command: string, args: readonly string[], options?: ProcessOptions): Promise<Finished>;
  /** `auth-broker` with these arguments. */
  cli(args: readonly string[], options?: ProcessOptions): Promise<Finished>;
  /** A process that lives in the network of Codex. */
  readonly network: number;
  /** Ids of all processes in the network of Codex but the relay. */
  processes(): readonly number[];
}

/** Whether this machine lets us make a network of our own. */
export async function hasNamespaces(): Promise<boolean> {
  const { code } = await run("unshare", ["-n", "true"]).catch(() => ({ code: 1 }));
  if (code !== 0 && process.env.CI === "true") throw new Error("unshare -n is not permitted here");
  if (code !== 0) console.warn("SKIPPED: real Codex runs only where `unshare -n` is permitted");
  return code === 0;
}

/** The real binary, as installed by npm. */
export async function realCodex(): Promise<string> {
  const vendor = join(ROOT, `node_modules/@openai/codex-linux-${process.arch}/vendor`);
  const [target = ""] = await readdir(vendor);
  return join(vendor, target, "bin/codex");
}

/** `tls`: for what Codex asks only of a backend in https, such as who is logged in. */
export async function codexWorld({
  tls = false,
  ...options
}: WorldOptions & { readonly tls?: boolean } = {}): Promise<CodexWorld> {
  const place = await mkdtemp(join(tmpdir(), "codex-"));
  onTestFinished(() => rm(place, { recursive: true, force: true, maxRetries: 5 }));
  const broker = await world({ startMs: Date.now(), ...options });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  const socket = join(place, "backend.sock");
  const backend = await startCodexBackend({ socket, now: () => broker.nowMs });
  onTestFinished(() => backend.close());
  const pem = tls ? await certificate(place) : undefined;
  const how = ["--out", socket, ...(pem === undefined ? [] : ["--pem", pem])];
  const relay = await start("unshare", ["-n", process.execPath, RELAY, ...how], { keepStdin: true });
  onTestFinished(() => relay.kill().then(() => {}));
  const [, port = ""] = await relay.line(/^port (\d+)$/);

  const codexHome = join(place, "user/.codex");
  const work = join(place, "work");
  mkdirSync(codexHome, { recursive: true });
  mkdirSync(work);
  await writeFile(
    join(codexHome, "config.toml"),
    config(`http${tls ? "s" : ""}://127.0.0.1:${port}/backend-api`),
  );
  const env = {
    PATH: `${dirname(await realCodex())}:/usr/bin:/bin`,
    HOME: join(place, "user"),
    AUTH_BROKER_HOME: broker.home,
    TERM: "xterm-256color",
    TZ: "UTC",
    SSL_CERT_FILE: pem,
  };
  const within = (command: string, args: readonly string[]) =>
    [`--net=/proc/${relay.pid}/ns/net`, "--", command, ...args] as const;
  const whole = (more: ProcessOptions = {}) => ({ cwd: work, ...more, env: { ...env, ...more.env } });
  return {
    ...{ broker, backend, codexHome, work, env, network: relay.pid },
    async login(name, lifeMs = HOUR_MS) {
      const oauth = tokens(name, broker.nowMs, lifeMs);
      await broker.put(`openai-codex:${name}`, oauth);
      return oauth.accessToken;
    },
    codex: (args, more) => run("nsenter", within(process.execPath, [DROP_IN, ...args]), whole(more)),
    start: (args, more) => start("nsenter", within(process.execPath, [DROP_IN, ...args]), whole(more)),
    startOnTerminal: (args, more) =>
      startOnTerminal(["sh", "-c", SIZED, ...within(process.execPath, [DROP_IN, ...args])], whole(more)),
    inside: (command, args, more) => run("nsenter", within(command, args), whole(more)),
    cli: (args, more) => run("nsenter", within(process.execPath, [MAIN, ...args]), whole(more)),
    processes: () => processesIn(networkOf(relay.pid)).filter((pid) => pid !== relay.pid),
  };
}

/** A key and a certificate of its own for 127.0.0.1, in one file. */
async function certificate(place: string): Promise<string> {
  const path = join(place, "backend.pem");
  const names = ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"];
  const { code, stderr } = await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=127.0.0.1", "-keyout", path, "-out", `${path}.crt`],
    ...names.flatMap((name) => ["-addext", name]),
  ]);
  if (code !== 0) throw new Error(stderr);
  await appendFile(path, await readFile(`${path}.crt`));
  return path;
}

/** A login with JWTs that name its account, as ChatGPT's do. */
export function tokens(name: string, nowMs: number, lifeMs: number, generation = 1) {
  const claims = {
    sub: name,
    jti: `${name}-${generation}`,
    email: `${name}@example.test`,
    iat: Math.floor(nowMs / 1000),
    exp: Math.floor((nowMs + lifeMs) / 1000),
    "https://api.openai.com/auth": {
      chatgpt_account_id: `acct-${name}`,
      chatgpt_user_id: `user-${name}`,
      chatgpt_plan_type: "plus",
    },
  };
  return {
    accessToken: fakeJwt(claims),
    idToken: fakeJwt({ ...claims, aud: "id" }),
    refreshToken: `rt-FAKE-${name}-${generation}`,
    accountId: `acct-${name}`,
    expireTime: new Date(claims.exp * 1000).toISOString(),
  };
}

function processesIn(network: string | undefined): readonly number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => networkOf(pid) === network);
}

function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** Private homes of a launcher. */
export function homesOf(pid: number): readonly string[] {
  const names = existsSync(HOMES) ? readdirSync(HOMES) : [];
  return names.filter((name) => name.startsWith(`${pid}.`)).map((name) => join(HOMES, name));
}

/** The access token in the private home of a launcher. */
export function tokenIn(pid: number): string | undefined {
  const [home = ""] = homesOf(pid);
  const file = join(home, "auth.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).tokens.access_token : undefined;
}

/** Paths of the user's rollouts, the oldest first. */
async function rollouts(codexHome: string): Promise<readonly string[]> {
  const sessions = join(codexHome, "sessions");
  const names = existsSync(sessions) ? await readdir(sessions, { recursive: true }) : [];
  return names
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .map((name) => join(sessions, name));
}

/** Ids of the user's threads, the oldest first. */
export async function threads(codexHome: string): Promise<readonly string[]> {
  const paths = await rollouts(codexHome);
  return paths.map((path) =>
    path.slice(-"01234567-0123-0123-0123-0123456789ab.jsonl".length, -".jsonl".length),
  );
}

/** The id of the only thread there is. */
export async function onlyThread(codexHome: string): Promise<string> {
  const [id, ...others] = await threads(codexHome);
  if (id === undefined || others.length > 0) throw new Error(`threads: ${[id, ...others]}`);
  return id;
}

/** Paths of all files, those behind links left away. */
export function filesBelow(directory: string): readonly string[] {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** A backend in plain http counts only as a provider of the user's own; the rest only keeps runs short. */
function config(backend: string): string {
  return `model = "gpt-5.4"
model_provider = "fake"
chatgpt_base_url = "${backend}"
[model_providers.fake]
name = "Fake"
base_url = "${backend}/codex"
wire_api = "responses"
requires_openai_auth = true
[features]
enable_request_compression = false
apps = false
plugins = false
[analytics]
enabled = false
`;
}
