import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "../dist/client/index.js";
import { startModelApi } from "../test/support/model-api.mjs";
import { run, start } from "../test/support/process.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const PROGRAM = path("../bin/auth-broker.js");
const AGENT = path("agent.mjs");

/**
 * Everything the demo plays with: an authorization server and a model API on loopback, and a home of
 * its own for the broker. `close` ends and removes all of it.
 */
export async function setUp() {
  const { startAuthorizationServer } = await importAuthorizationServer();
  const logins = await startAuthorizationServer();
  const model = await startModelApi({ accountOf: logins.accountOf });
  const home = await mkdtemp(join(tmpdir(), "auth-broker-demo-"));
  const { tokenUrl, clientId } = logins;
  const provider = { tokenUrl, clientId, rotation: "strict", baseUrl: model.baseUrl };
  await writeFile(join(home, "config.json"), JSON.stringify({ providers: { "openai-codex": provider } }));

  const env = { PATH: process.env.PATH, HOME: home, AUTH_BROKER_HOME: home };
  /** @type {import("../test/support/process.mjs").Running[]} */
  const started = [];
  const node = async (...args) => {
    const running = await start(process.execPath, args, { env });
    started.push(running);
    return running;
  };

  /** Runs one command of the command line to its end. */
  async function command(args, input = "") {
    const { code, stdout, stderr } = await run(process.execPath, [PROGRAM, ...args], { env, input });
    if (code !== 0) throw new Error(`auth-broker ${args.join(" ")} ended with ${code}\n${stderr}`);
    return stdout;
  }

  /** The refresh tokens that `takeOver` saw, to look for in what was written. */
  const refreshTokens = [];

  return {
    logins,
    model,
    refreshTokens,
    command,
    connect: () => connect({ env }),
    /** Starts the broker as a process, and resolves when it serves. */
    async serve() {
      const broker = await node(PROGRAM, "serve");
      await broker.line(/the broker serves/);
      return broker;
    },
    /** Starts an agent as a process. */
    agent: (...args) => node(AGENT, ...args),
    /** Logs an account in at the authorization server and gives the login to the broker. */
    async takeOver(profile, account) {
      const { accessToken, refreshToken, idToken, expiresIn } = await logins.login(account);
      refreshTokens.push(refreshToken);
      const expireTime = new Date(Date.now() + expiresIn * 1000).toISOString();
      const oauth = { accessToken, refreshToken, idToken, expireTime };
      return await command(["profiles", "add", profile], JSON.stringify({ oauth }));
    },
    /** The refresh requests that reached the authorization server. */
    refreshes: () => logins.requests.filter(({ grantType }) => grantType === "refresh_token"),
    /** Everything that brokers and agents have written. */
    output: () => started.map((running) => running.stdout() + running.stderr()).join(""),
    async close() {
      await Promise.all(started.map((running) => running.kill("SIGKILL")));
      await Promise.all([logins.close(), model.close()]);
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** One request to the model with a credential; gives the raw answer, as a report takes it. */
export async function callModel({ credential }) {
  const { baseUrl, headers } = credential;
  const response = await fetch(`${baseUrl}/responses`, { method: "POST", headers, body: "{}" });
  return { httpStatus: response.status, headers: response.headers, body: await response.text() };
}

/** What agents were given in the end. */
export async function grantedTo(agents) {
  for (const agent of agents) {
    if ((await agent.exited).code !== 0) throw new Error(`an agent failed: ${agent.stderr()}`);
  }
  const lines = agents.flatMap((agent) => agent.stdout().trim().split("\n"));
  return lines.map((line) => JSON.parse(line)).filter(({ token }) => token !== undefined);
}

/** The OpenID provider warns about Node 20 as it is loaded; it works there. */
async function importAuthorizationServer() {
  const { warn } = console;
  console.warn = () => {};
  try {
    return await import("../test/support/authorization-server.mjs");
  } finally {
    console.warn = warn;
  }
}
