import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type AuthorizationServer, startAuthorizationServer } from "../support/authorization-server.mjs";
import { MAIN } from "../support/cli.ts";
import { fakeJwt } from "../support/jwt.ts";
import { ANN, COMPANY, companyConfig, visit } from "../support/login-world.ts";
import { type PrivateCa, privateCa } from "../support/private-ca.ts";
import { run, start } from "../support/process.mjs";
import { READ_OUTS } from "../support/usage-endpoint.ts";
import type { Json } from "../support/wire-json.ts";

const HOST = "login.example.test";
const USAGE = "/backend-api/wham/usage";
const PROXY = new URL("../support/connect-proxy.mjs", import.meta.url).pathname;

let ca: PrivateCa;
let other: PrivateCa;
beforeAll(() => {
  ca = privateCa(HOST);
  other = privateCa("other.example.test");
});
afterAll(() => {
  ca.remove();
  other.remove();
});

/** The authorization server and a read-out of usage, behind TLS with a certificate of the private authority. */
async function tlsFront(server: AuthorizationServer): Promise<number> {
  const { port } = new URL(server.issuer);
  const tls = { key: readFileSync(ca.keyFile), cert: readFileSync(ca.certFile) };
  const front = createServer(tls, (asked, reply) => {
    const { method, url: path, headers } = asked;
    if (path === USAGE) return void reply.end(JSON.stringify(READ_OUTS[USAGE](37, Date.now() + 3_600_000)));
    const inner = request({ host: "127.0.0.1", port, method, path, headers }, (answer) => {
      reply.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(reply);
    });
    inner.on("error", () => reply.destroy());
    asked.pipe(inner);
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  onTestFinished(() => {
    front.close();
    front.closeAllConnections();
  });
  return (front.address() as AddressInfo).port;
}

interface Surroundings {
  readonly env: (proxy: string) => Json;
  readonly network: (proxy: string) => Json;
}

/** A broker in a process of its own that reaches its provider through a proxy or not at all. */
async function scene({ env, network }: Surroundings) {
  const server = await startAuthorizationServer();
  onTestFinished(() => server.close());
  const proxy = await start(process.execPath, [PROXY, `${HOST}:443=${await tlsFront(server)}`]);
  onTestFinished(() => proxy.kill().then(() => {}));
  const [, port = ""] = await proxy.line(/^port (\d+)$/m);
  const proxyUrl = `http://127.0.0.1:${port}`;
  const home = await mkdtemp(join(tmpdir(), "network-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  await mkdir(join(home, "user"));
  const away = {
    issuer: undefined,
    tokenUrl: `https://${HOST}/oauth/token`,
    deviceUrl: `https://${HOST}/oauth/device`,
    revokeUrl: `https://${HOST}/oauth/revoke`,
  };
  const company = companyConfig(server, away);
  const config = {
    ...company,
    providers: { ...(company.providers as Json), "openai-codex": { usageUrl: `https://${HOST}${USAGE}` } },
    network: network(proxyUrl),
    refresh: { minInterval: "0s", connectTimeout: "5s" },
  };
  await writeFile(join(home, "config.json"), JSON.stringify(config));
  const plain = { PATH: process.env.PATH, HOME: join(home, "user"), AUTH_BROKER_HOME: home };
  const broker = await start(process.execPath, [MAIN, "serve"], {
    env: { ...plain, ...env(proxyUrl) } as never,
  });
  onTestFinished(() => broker.kill().then(() => {}));
  await broker.line(/the broker serves/);
  const cli = (...args: string[]) => run(process.execPath, [MAIN, ...args], { env: plain as never });
  const begin = (...args: string[]) => start(process.execPath, [MAIN, ...args], { env: plain as never });
  const logIn = async () => {
    const login = await begin("login", COMPANY, "--label", "work", "--no-browser");
    const [address = ""] = await login.line(/^http:\/\/127\.0\.0\.1:\d+\/oauth\/authorize\S+$/m);
    await visit(await server.authorize(address, ANN));
    return { ...(await login.exited), stderr: login.stderr() };
  };
  const tunnels = () => proxy.stdout().match(/^tunnel .*$/gm) ?? [];
  return { server, home, cli, begin, logIn, tunnels };
}

const NO_NETWORK = () => ({});

test.each<[string, Surroundings]>([
  [
    "HTTPS_PROXY and NODE_EXTRA_CA_CERTS",
    { env: (proxy) => ({ HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: ca.caFile }), network: NO_NETWORK },
  ],
  [
    "network.proxy and network.caFile",
    {
      env: () => ({ HTTPS_PROXY: "http://127.0.0.1:1" }),
      network: (proxy) => ({ proxy, caFile: ca.caFile }),
    },
  ],
  [
    "network.proxy and both certificates",
    {
      env: () => ({ NODE_EXTRA_CA_CERTS: ca.caFile }),
      network: (proxy) => ({ proxy, caFile: other.caFile }),
    },
  ],
])(
  "%s: login, refresh and revocation go through the proxy and trust the private authority",
  async (_, by) => {
    const { cli, logIn, tunnels, server } = await scene(by);
    expect(await logIn()).toMatchObject({ code: 0 });
    expect(await cli("profiles", "refresh", `${COMPANY}:work`)).toMatchObject({ code: 0 });
    const logout = await cli("logout", `${COMPANY}:work`, "--yes");
    expect(logout).toMatchObject({ code: 0, stdout: expect.stringContaining("revoked at the provider") });
    expect(tunnels()).toEqual(Array(3).fill(`tunnel ${HOST}:443`));
    expect(server.requests.map(({ grantType }) => grantType)).toEqual([
      "authorization_code",
      "refresh_token",
    ]);
  },
);

test("a device login goes through the proxy from its first request on", async () => {
  const { begin, tunnels } = await scene({
    env: (proxy) => ({ https_proxy: proxy, NODE_EXTRA_CA_CERTS: ca.caFile }),
    network: NO_NETWORK,
  });
  const login = await begin("login", COMPANY, "--device", "--no-browser");
  await login.line(/^and enter this code: [A-Z-]+$/m);
  expect(tunnels()).toEqual([`tunnel ${HOST}:443`]);
  expect(await login.kill("SIGINT")).toMatchObject({ code: 130 });
});

test("a look at usage goes through the proxy", async () => {
  const { cli, home, tunnels } = await scene({
    env: (proxy) => ({ HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: ca.caFile }),
    network: NO_NETWORK,
  });
  const account = { "https://api.openai.com/auth": { chatgpt_account_id: "acct-FAKE" } };
  const token = fakeJwt({ exp: Math.floor(Date.now() / 1000) + 36_000, ...account });
  const tokens = { id_token: token, access_token: token, refresh_token: "rt-FAKE", account_id: "acct-FAKE" };
  await mkdir(join(home, "user/.codex"));
  await writeFile(
    join(home, "user/.codex/auth.json"),
    JSON.stringify({ auth_mode: "chatgpt", tokens, last_refresh: new Date() }),
  );
  expect(await cli("import", "codex")).toMatchObject({ code: 0 });
  const usage = await cli("usage", "--json");
  expect(usage).toMatchObject({ code: 0, stdout: expect.stringMatching(/"usedPercent":37\b/) });
  expect(tunnels()).toEqual([`tunnel ${HOST}:443`]);
});

test("a host in NO_PROXY is asked directly, and without the authority nothing is sent", async () => {
  const direct = await scene({
    env: (proxy) => ({ HTTPS_PROXY: proxy, NO_PROXY: HOST, NODE_EXTRA_CA_CERTS: ca.caFile }),
    network: NO_NETWORK,
  });
  // The name exists nowhere but at the proxy.
  expect(await direct.cli("login", COMPANY, "--device")).toMatchObject({ code: 75 });
  expect(direct.tunnels()).toEqual([]);
  const strange = await scene({ env: (proxy) => ({ HTTPS_PROXY: proxy }), network: NO_NETWORK });
  const refused = await strange.cli("login", COMPANY, "--device");
  expect(refused).toMatchObject({ code: 75, stderr: expect.stringMatching(/UNABLE_TO|SELF_SIGNED/) });
  expect(strange.tunnels()).toEqual([`tunnel ${HOST}:443`]);
});
