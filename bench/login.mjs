// How long from "approve" on the provider's page to the first usable credential: from the browser's request
// to the loopback listener until an agent that waits for this profile has its credential. Real broker, real
// authorization server; what the person and the provider's pages need is not in it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAuthorizationServer } from "../test/support/authorization-server.mjs";
import { call, client, median, quantile, show, startBroker, temporaryHome } from "./world.mjs";

const ROUNDS = Number(process.argv[2] ?? 20);
const PROVIDER = "my-company";

const server = await startAuthorizationServer();
const home = temporaryHome();
const { issuer, authorizeUrl, tokenUrl, clientId } = server;
const scopes = ["openid", "profile", "email", "offline_access"];
const own = { type: "generic-oauth2", issuer, authorizeUrl, tokenUrl, clientId, scopes };
writeFileSync(join(home, "config.json"), JSON.stringify({ providers: { [PROVIDER]: own } }));
await startBroker(home);
const logins = client(home, "login", "admin");
const profiles = client(home, "profile", "admin");
const agent = client(home, "credential");

async function once(round) {
  const profile = `${PROVIDER}:p${round}`;
  const { login } = await call(logins, "StartLogin", { provider: PROVIDER, label: `p${round}` });
  const account = { sub: `user-${round}`, email: `${round}@example.test`, accountId: `acct-${round}` };
  // A dead login, so that an agent can wait for this very profile.
  const expireTime = { seconds: Math.floor(Date.now() / 1000) - 60, nanos: 0 };
  await call(profiles, "PutProfile", { profile, token: { token: "tok-FAKE", expireTime } });
  const waiting = call(agent, "AcquireCredential", {
    provider: PROVIDER,
    profile,
    maxWait: { seconds: 30, nanos: 0 },
  });
  const callback = await server.authorize(login.authorizeUrl, account);
  const before = server.requests.length;
  const began = performance.now();
  const page = fetch(callback).then((answer) => answer.text());
  const { lease } = await waiting;
  const credentialMs = performance.now() - began;
  await page;
  const pageMs = performance.now() - began;
  if (lease.profile !== profile || server.requests.length !== before + 1) throw new Error("not this login");
  return { credentialMs, pageMs };
}

const seen = [];
for (let round = 0; round < ROUNDS; round += 1) seen.push(await once(round));
const [first, ...later] = seen;
const figures = (name, pick) => ({
  what: name,
  "first, ms": Math.round(pick(first)),
  "median, ms": Math.round(median(later.map(pick))),
  "worst, ms": Math.round(quantile(later.map(pick), 1)),
  logins: ROUNDS,
});
show("login", [
  figures("a waiting agent has its credential", ({ credentialMs }) => credentialMs),
  figures("the browser shows the last page", ({ pageMs }) => pageMs),
]);
await server.close();
process.exit(0);
