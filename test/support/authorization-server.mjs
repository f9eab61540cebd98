import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { codeFlow, followDevice, followLogin } from "./authorization-server/code-flow.mjs";
import { issueBook } from "./authorization-server/issue-book.mjs";
import { loginPage } from "./authorization-server/login-page.mjs";
import { memoryAdapter } from "./authorization-server/memory-adapter.mjs";
import { approve, NOBODY, openidProvider, REDIRECT_URI, SCOPE } from "./authorization-server/oidc.mjs";
import { fingerprint, tokenGate } from "./authorization-server/token-gate.mjs";

export { fingerprint };

/** @typedef {import("./authorization-server.mjs").Options} Options */
/** @typedef {import("./authorization-server.mjs").LoginAccount} LoginAccount */

/** @param {Options} [options] */
export async function startAuthorizationServer(options = {}) {
  const { now = Date.now, clientId = "cli-FAKE", rotation = "strict", graceMs = 30_000 } = options;
  const { refreshTokens = true, deviceTtlSec = 600, clientSecret, opaqueTokens = false } = options;
  let accessTokenTtlSec = options.accessTokenTtlSec ?? 3600;
  /** @type {Map<string, LoginAccount>} */
  const accounts = new Map((options.people ?? []).map((account) => [account.sub, account]));
  const book = issueBook(now);
  const memory = memoryAdapter({ graceMs: rotation === "grace" ? graceMs : 0, now });

  const front = createServer();
  const issuer = await listen(front);
  const provider = openidProvider(issuer, {
    clientId,
    accounts,
    adapter: memory.create,
    rotate: rotation !== "none",
    refreshTokens,
    deviceTtlSec,
    clientSecret,
    opaqueTokens,
    ttlSec: () => accessTokenTtlSec,
  });
  let deviceUser = NOBODY;
  const app = provider.callback();
  const inner = createServer(app);
  const gate = tokenGate({ url: `${await listen(inner)}/oauth/token`, onAnswer: book.enter, now });

  front.on("request", (req, res) => {
    const { pathname } = new URL(req.url ?? "/", issuer);
    let served;
    if (pathname === "/oauth/token") served = gate.handle(req, res);
    else if (pathname.startsWith("/interaction/")) {
      served =
        options.people === undefined
          ? approve(provider, req, res, deviceUser)
          : loginPage(provider, req, res);
    } else served = app(req, res);
    served.catch((error) => {
      if (!res.headersSent) res.writeHead(500);
      res.end(String(error));
    });
  });

  const tokenUrl = `${issuer}/oauth/token`;
  const authorizeUrl = `${issuer}/oauth/authorize`;

  async function authorize(address, account) {
    accounts.set(account.sub, account);
    const url = new URL(address);
    url.searchParams.set("login_hint", account.sub);
    return await followLogin(url.href);
  }

  async function authorizeDevice(address, account) {
    if (account !== undefined) accounts.set(account.sub, account);
    deviceUser = account?.sub ?? NOBODY;
    await followDevice(address, account !== undefined);
  }

  return {
    issuer,
    tokenUrl,
    authorizeUrl,
    revokeUrl: `${issuer}/oauth/revoke`,
    clientId,
    requests: gate.requests,
    waitForRequests: gate.waitForRequests,
    hold: gate.hold,
    release: gate.release,
    failNext: gate.failNext,
    deviceUrl: `${issuer}/oauth/device`,
    authorize,
    refuse: (address) => authorize(address, { sub: NOBODY }),
    authorizeDevice,
    login(account) {
      const browse = (address) => authorize(address, account);
      return codeFlow({ tokenUrl, authorizeUrl, clientId, redirectUri: REDIRECT_URI, scope: SCOPE, browse });
    },
    issued: book.issued,
    currentRefreshFingerprint: (sub) => book.issued(sub).at(-1),
    accountOf: book.accountOf,
    setAccessTokenTtl(seconds) {
      accessTokenTtlSec = seconds;
    },
    revoke(sub) {
      memory.forget(sub);
      book.strike(sub);
    },
    async close() {
      gate.release();
      await Promise.all([stop(front), stop(inner)]);
    },
  };
}

/** @param {import("node:http").Server} server */
async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

/** @param {import("node:http").Server} server */
async function stop(server) {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

/**
 * As a process of its own: options as JSON in the first argument; prints one line with its addresses,
 * then answers each line `{"call": name, "args": […]}` with a line `{"result": …}` or `{"error": …}`.
 * Ends with its standard input.
 */
async function main() {
  const server = await startAuthorizationServer(JSON.parse(process.argv[2] ?? "{}"));
  const { issuer, tokenUrl, authorizeUrl, revokeUrl, clientId } = server;
  const print = (value) => void process.stdout.write(`${JSON.stringify(value)}\n`);
  print({ issuer, tokenUrl, authorizeUrl, revokeUrl, clientId });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const { call, args = [] } = JSON.parse(line);
      const member = server[call];
      print({ result: typeof member === "function" ? await member(...args) : member });
    } catch (error) {
      print({ error: String(error) });
    }
  }
  await server.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
