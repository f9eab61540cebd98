import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { type World, type WorldOptions, world } from "./broker-world.ts";
import { type OpenclawBackend, startOpenclawBackend } from "./openclaw-backend.mjs";
import { type OpenclawProgram, openclawProgram } from "./openclaw-program.mjs";
import { type Running, run, start } from "./process.mjs";
import { startOnTerminal, WIDE } from "./terminal.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RELAY = join(import.meta.dirname, "loopback-relay.mjs");
/** In a network of its own any port is free. */
const GATEWAY_PORT = 18_789;
const GATEWAY_TOKEN = "gateway-FAKE";

/** What an agent answered, and how long that took. */
export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

/** An OpenClaw, a broker and a model backend. OpenClaw sees a network that has nothing but the backend. */
export interface OpenclawWorld extends AsyncDisposable {
  readonly broker: World;
  readonly backend: OpenclawBackend;
  readonly stateDir: string;
  /** Where the backend is for OpenClaw. */
  readonly baseUrl: string;
  /** Keeps a token for all agents as OpenClaw's own profile; its id begins with the provider. */
  keepToken(profile: string, token: string): Promise<void>;
  /** `openclaw` to its end; gives what it printed. */
  openclaw(args: readonly string[], input?: string): Promise<string>;
  /** `openclaw` with a terminal, left running. */
  onTerminal(args: readonly string[]): Promise<Running>;
  /** Writes openclaw.json: this over what every test needs. */
  configure(config: object): Promise<void>;
  // biome-ignore lint/suspicious/noExplicitAny: OpenClaw's own settings
  readConfig(): Promise<any>;
  /** Starts the gateway; all agents run in it. */
  startGateway(): Promise<void>;
  /** What the gateway has written so far. */
  log(): string;
  /** One turn of an agent. `session` names a conversation; without it each turn is one of its own. */
  ask(agent: string, message: string, options?: { model?: string; session?: string }): Promise<Reply>;
}

/** Stays until it is disposed: a whole test file may share it, since OpenClaw takes long to start. */
export async function openclawWorld(options: WorldOptions = {}): Promise<OpenclawWorld> {
  const program = await openclawProgram();
  const place = await mkdtemp(join(tmpdir(), "openclaw-"));
  const broker = await world({ startMs: Date.now(), ...options });
  const backendSocket = join(place, "backend.sock");
  const gatewaySocket = join(place, "gateway.sock");
  const backend = await startOpenclawBackend({ socket: backendSocket });
  const relay = await start(
    "unshare",
    [
      ...["-n", process.execPath, RELAY, "--out", backendSocket],
      ...["--in", gatewaySocket, "--port", String(GATEWAY_PORT)],
    ],
    { keepStdin: true },
  );
  const [, port = ""] = await relay.line(/^port (\d+)$/);
  const stateDir = join(place, "user/.openclaw");
  await mkdir(join(place, "work"), { recursive: true });
  await mkdir(stateDir, { recursive: true });
  await installPlugin(join(place, "plugin"));
  const env = environment(program, place, broker.home);
  const inside = (args: readonly string[]) =>
    [`--net=/proc/${relay.pid}/ns/net`, "--", program.node, program.main, ...args] as const;
  const openclaw = async (args: readonly string[], input = "") => {
    const { code, stdout, stderr } = await run("nsenter", inside(args), { cwd: place, env, input });
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };
  const file = join(stateDir, "openclaw.json");
  let gateway: Running | undefined;
  const world_: OpenclawWorld = {
    ...{ broker, backend, stateDir, baseUrl: `http://127.0.0.1:${port}/v1` },
    async keepToken(profile, token) {
      const names = ["--provider", profile.replace(/:.*/, ""), "--profile-id", profile];
      await openclaw(["models", "auth", "--agent", "main", "paste-token", ...names], `${token}\n`);
    },
    openclaw,
    onTerminal: (args) => startOnTerminal([...WIDE, "nsenter", ...inside(args)], { cwd: place, env }),
    configure: (config) => writeFile(file, JSON.stringify({ ...base(place), ...config }, undefined, 2)),
    readConfig: async () => JSON.parse(await readFile(file, "utf8")),
    async startGateway() {
      gateway = await start("nsenter", inside(["gateway", "run", "--force"]), { cwd: place, env });
      await gateway.line(/\[gateway\] (ready|.*listening)/i);
    },
    log: () => `${gateway?.stdout() ?? ""}${gateway?.stderr() ?? ""}`,
    ask: (agent, message, more = {}) => ask(gatewaySocket, agent, message, more),
    async [Symbol.asyncDispose]() {
      await gateway?.kill("SIGKILL");
      await relay.kill();
      await backend.close();
      await broker[Symbol.asyncDispose]();
      await rm(place, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return world_;
}

/** The package as npm installs it. OpenClaw copies the whole directory of a plugin, so it must be small. */
async function installPlugin(directory: string): Promise<void> {
  await mkdir(directory);
  for (const part of ["dist", "proto", "package.json", "openclaw.plugin.json"])
    await cp(join(ROOT, part), join(directory, part), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
}

function environment({ node }: OpenclawProgram, place: string, brokerHome: string) {
  return {
    PATH: [dirname(node), "/usr/bin", "/bin"].join(delimiter),
    HOME: join(place, "user"),
    AUTH_BROKER_HOME: brokerHome,
    TERM: "dumb",
    NO_COLOR: "1",
    TZ: "UTC",
  };
}

/** A gateway with two agents and this plugin; what else OpenClaw has to offer is off, to start sooner. */
function base(place: string) {
  return {
    gateway: {
      mode: "local",
      port: GATEWAY_PORT,
      bind: "loopback",
      auth: { mode: "token", token: GATEWAY_TOKEN },
      http: { endpoints: { chatCompletions: { enabled: true } } },
    },
    plugins: {
      load: { paths: [join(place, "plugin")] },
      allow: ["authbroker"],
      slots: { memory: "none" },
      entries: { authbroker: { enabled: true } },
    },
    agents: {
      ownership: "explicit",
      defaults: { systemAgent: { agentId: "main" }, workspace: join(place, "work"), skipBootstrap: true },
      entries: { main: {}, solenne: {} },
    },
  };
}

async function ask(
  socketPath: string,
  agent: string,
  message: string,
  { model, session }: { model?: string; session?: string },
): Promise<Reply> {
  const body = { model: `openclaw/${agent}`, messages: [{ role: "user", content: message }] };
  const headers = {
    authorization: `Bearer ${GATEWAY_TOKEN}`,
    "content-type": "application/json",
    ...(model !== undefined && { "x-openclaw-model": model }),
    ...(session !== undefined && { "x-openclaw-session-key": `agent:${agent}:${session}` }),
  };
  const began = performance.now();
  const [status, answer] = await new Promise<[number, string]>((settle, reject) => {
    const call = request({ socketPath, path: "/v1/chat/completions", method: "POST", headers });
    call.on("response", (response) =>
      text(response).then((whole) => settle([response.statusCode ?? 0, whole]), reject),
    );
    call.on("error", reject);
    call.end(JSON.stringify(body));
  });
  const said = status === 200 ? JSON.parse(answer).choices[0].message.content : answer;
  return { status, text: said, ms: performance.now() - began };
}
