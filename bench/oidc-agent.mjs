// oidc-agent, where the system has it (Debian: `oidc-agent-cli`): one login at the tests' authorization server, and its
// token over the agent's socket.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { rssMiB, temporaryHome } from "./world.mjs";

const ACCOUNT = "bench";

/** Undefined if it is not installed. `ask` resolves with an access token that the agent has at hand. */
export async function startOidcAgent(server) {
  if (spawnSync("oidc-agent", ["--version"]).error !== undefined) return undefined;
  const home = temporaryHome();
  const env = { PATH: process.env.PATH, HOME: home, OIDC_CONFIG_DIR: join(home, "config") };
  mkdirSync(env.OIDC_CONFIG_DIR);
  const { socket, pid } = await started(home, env);
  process.once("exit", () => process.kill(pid));
  const issuer = await front(server);
  const { refreshToken } = await server.login({ sub: "bob", email: "bob@example.test" });
  const account = [`--iss=${issuer}`, `--client-id=${server.clientId}`, "--client-secret=", "--scope=openid"];
  const quietly = ["--pw-cmd=echo FAKE", "--prompt=none", "--no-url-call", "--confirm-default", "--manual"];
  const args = [ACCOUNT, ...account, "--flow=refresh", `--rt=${refreshToken}`, ...quietly];
  const child = spawn("oidc-gen", args, { env: { ...env, OIDC_SOCK: socket }, stdio: "ignore" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`oidc-gen ended with ${code}`);
  return { ask: () => ask(socket), rss: () => rssMiB({ pid }) };
}

/** It goes into the background and says where. */
async function started(home, env) {
  const file = join(home, "agent");
  const log = openSync(file, "w");
  spawnSync("oidc-agent", [], { env, stdio: ["ignore", log, log] });
  for (;;) {
    const said = readFileSync(file, "utf8");
    const pid = /OIDCD_PID=(\d+);/.exec(said)?.[1];
    if (pid !== undefined) return { pid: Number(pid), socket: /OIDC_SOCK=([^;]+);/.exec(said)?.[1] };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The authorization server as oidc-agent knows servers: its public clients have an empty secret, and all scopes. */
async function front({ issuer, clientId }) {
  const http = createServer(async (request, response) => {
    const form = new URLSearchParams(await text(request));
    form.delete("scope");
    form.set("client_id", clientId);
    const post = { method: "POST", body: form };
    const answer = await fetch(issuer + request.url, request.method === "POST" ? post : {});
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end((await answer.text()).replaceAll(issuer, own));
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  const own = `http://127.0.0.1:${http.address().port}`;
  return own;
}

function ask(path) {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let got = "";
    socket.setEncoding("utf8").on("error", reject);
    socket.on("data", (data) => {
      got += data;
    });
    socket.once("end", () => {
      const { status, access_token: token } = JSON.parse(got);
      if (status === "success") resolve(token);
      else reject(new Error(got));
    });
    socket.write(JSON.stringify({ request: "access_token", account: ACCOUNT, min_valid_period: 60 }));
  });
}
