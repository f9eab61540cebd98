// A login from `auth-broker login` to a usable credential, in a real browser. Runs inside a network
// namespace that has nothing but loopback; argument: JSON with `server` (`oidc-provider` or `zitadel`),
// `browser` and `zitadel` (paths of the programs) and `shots` (a directory for pictures). Prints what it
// saw as one line of JSON.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { chromium } from "playwright-core";
import { startAuthorizationServer } from "./authorization-server.mjs";
import { run, start } from "./process.mjs";

const MAIN = resolve(import.meta.dirname, "../../bin/auth-broker.js");
const PROVIDER = "my-company";
const SCOPES = ["openid", "profile", "email", "offline_access"];
const ANN = { sub: "ann", email: "ann@example.test", accountId: "acct-a", userId: "user-a" };
const ZITADEL = "http://localhost:9998/";

const asked = JSON.parse(process.argv[2] ?? "{}");
if (spawnSync("ip", ["link", "set", "lo", "up"]).status !== 0) throw new Error("no network of our own");
const place = mkdtempSync(join(tmpdir(), "browser-"));
const env = { PATH: `${place}/bin:${process.env.PATH}`, HOME: `${place}/user`, AUTH_BROKER_HOME: place };
mkdirSync(env.HOME);

/** What the two servers differ in: their configuration, their pages, and who can tell a good token. */
const SERVERS = {
  "oidc-provider": async () => {
    const server = await startAuthorizationServer({ people: [ANN] });
    const { issuer, clientId } = server;
    return {
      config: { issuer, clientId },
      fillIn: async (page, answer) => {
        // Who has been there before is known by a cookie and asked for consent only.
        if ((await page.title()) === "login") {
          await page.fill("input[name=user]", ANN.sub);
          await Promise.all([page.waitForEvent("load"), page.click("button[value=approve]")]);
        }
        await page.click(`button[value=${answer}]`);
      },
      isGood: async (token) => server.accountOf(token) === ANN.accountId,
      close: () => server.close(),
    };
  },
  zitadel: async () => {
    const child = await start(asked.zitadel, [], { env: { ...env, PORT: "9998" } });
    await child.line(/server listening/);
    await reached(`${ZITADEL}.well-known/openid-configuration`);
    return {
      config: { issuer: ZITADEL, clientId: "native", redirectUrl: "http://localhost/auth/callback" },
      fillIn: async (page) => {
        await page.fill("#username", "test-user@localhost");
        await page.fill("#password", "verysecure");
        await page.click("button[type=submit]");
      },
      isGood: async (token) => {
        const answer = await fetch(`${ZITADEL}userinfo`, { headers: { authorization: `Bearer ${token}` } });
        return answer.ok && (await answer.json()).sub === "id1";
      },
      close: () => child.kill(),
    };
  },
};

/** It says that it listens a moment before it does. */
async function reached(address) {
  const answers = () =>
    fetch(address).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await answers())) await nextTurn();
}

/** In the browser's place it leaves the address where we find it. */
function fakeOpener() {
  const file = join(place, "opened");
  mkdirSync(join(place, "bin"));
  writeFileSync(
    join(place, "bin/xdg-open"),
    `#!/bin/sh\nprintf %s "$1" > "${file}.new"\nmv "${file}.new" "${file}"\n`,
  );
  chmodSync(join(place, "bin/xdg-open"), 0o755);
  const changes = watch(place, { persistent: false });
  return async () => {
    while (!existsSync(file)) await once(changes, "change");
    const address = readFileSync(file, "utf8");
    rmSync(file);
    return address;
  };
}

const server = await SERVERS[asked.server]();
const cli = (...args) => run(process.execPath, [MAIN, ...args], { env });
const opened = fakeOpener();
writeFileSync(
  join(place, "config.json"),
  JSON.stringify({ providers: { [PROVIDER]: { type: "generic-oauth2", scopes: SCOPES, ...server.config } } }),
);
const broker = await start(process.execPath, [MAIN, "serve"], { env });
await broker.line(/the broker serves/);
const browser = await chromium.launch({
  executablePath: asked.browser,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const page = await browser.newPage({ viewport: { width: 900, height: 560 } });

/** One login; `answer` is what the person says on the provider's page. */
async function login(answer, shot) {
  const running = await start(process.execPath, [MAIN, "login", PROVIDER, "--label", "work"], { env });
  const ended = running.exited.then(() => {
    throw new Error(`no browser was opened: ${running.stderr()}`);
  });
  await page.goto(await Promise.race([opened(), ended]));
  await server.fillIn(page, answer);
  await page.waitForURL(/[?&](code|error)=/);
  const text = await page.textContent("main");
  mkdirSync(asked.shots, { recursive: true });
  await page.screenshot({ path: join(asked.shots, `${asked.server}-${shot}.png`) });
  const { code } = await running.exited;
  return { code, text, title: await page.title(), stdout: running.stdout(), stderr: running.stderr() };
}

try {
  const denied = asked.server === "oidc-provider" ? await login("deny", "denied") : undefined;
  const done = await login("approve", "done");
  const acquired = JSON.parse((await cli("acquire", PROVIDER, "--json")).stdout);
  const token = acquired.credential.oauth.accessToken;
  const isGood = await server.isGood(token);
  const refresh = await cli("profiles", "refresh", `${PROVIDER}:work`, "--json");
  const logout = await cli("logout", `${PROVIDER}:work`, "--yes");
  console.log(
    JSON.stringify({ denied, done, isGood, email: acquired.credential.attributes.email, refresh, logout }),
  );
} finally {
  await browser.close();
  await broker.kill();
  await server.close();
  rmSync(place, { recursive: true, force: true });
}
