// Kills the broker with SIGKILL at random moments of refresh cycles against a real authorization
// server that rotates strictly, restarts it, and counts what became of the login.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAuthorizationServer } from "../test/support/authorization-server.mjs";
import { call, client, median, show, startBroker, temporaryHome } from "./world.mjs";

const CYCLES = Number(process.argv[2] ?? 200);
const ID = "openai-codex:ann";
const account = { sub: "ann", email: "ann@example.test", accountId: "acct-a" };

const server = await startAuthorizationServer({ rotation: "strict", accessTokenTtlSec: 3_600 });
const home = temporaryHome();
const { tokenUrl, clientId } = server;
writeFileSync(
  join(home, "config.json"),
  JSON.stringify({ providers: { "openai-codex": { tokenUrl, clientId } }, refresh: { minInterval: "0s" } }),
);
const counts = new Map();
const count = (name) => counts.set(name, (counts.get(name) ?? 0) + 1);
/** How often each refresh token was sent. */
const sent = () => {
  const times = new Map();
  for (const { fingerprint: f, grantType } of server.requests) {
    if (grantType === "refresh_token" && f !== undefined) times.set(f, (times.get(f) ?? 0) + 1);
  }
  return times;
};

let broker = await startBroker(home);
const longestMs = await unharmed();
for (let cycle = 0; cycle < CYCLES; cycle += 1) {
  const admin = client(home, "profile", "admin");
  const before = await profileNow(admin);
  if (before === undefined || before.state !== "PROFILE_STATE_READY" || before.stateReason !== "")
    await login(admin);
  const known = { ...(await profileNow(admin)), requests: server.requests.length };
  const refreshed = call(admin, "RefreshProfile", { profile: ID }, 10_000).then(
    () => "answered",
    () => "no answer",
  );
  const killed = Math.random() * longestMs;
  await Promise.race([refreshed, later(killed).then(() => "killed")]);
  await dead(broker);
  const seen = await refreshed;
  admin.close();
  broker = await startBroker(home);
  await judge(known, seen);
}
const spentAgain = [...sent().values()].filter((n) => n > 2).length;
show("kill", [Object.fromEntries([...counts, ["tokens sent more than twice", spentAgain]])]);
await server.close();
broker.kill("SIGKILL");
process.exit(spentAgain === 0 && !counts.has("LOST") ? 0 : 1);

/** How long the first refresh of a process takes that nobody disturbs, with room: kills are spread over this time. */
async function unharmed() {
  const times = [];
  for (let i = 0; i < 5; i += 1) {
    const admin = client(home, "profile", "admin");
    if (i === 0) await login(admin);
    await profileNow(admin);
    const began = performance.now();
    await call(admin, "RefreshProfile", { profile: ID });
    times.push(performance.now() - began);
    admin.close();
    await dead(broker);
    broker = await startBroker(home);
  }
  counts.clear();
  return 1.5 * median(times);
}

/** Compares what the broker says after the restart with what the server knows. */
async function judge(known, seen) {
  const admin = client(home, "profile", "admin");
  const after = await profileNow(admin);
  const agent = client(home, "credential");
  const acquired = await call(agent, "AcquireCredential", {
    provider: "openai-codex",
    minValidFor: { seconds: 0 },
  }).catch((error) => error);
  const isGood =
    acquired.lease !== undefined &&
    server.accountOf(acquired.credential.oauth.accessToken) === account.accountId;
  if (seen === "answered" && after.generation <= known.generation) count("LOST");
  else if (after.generation > known.generation)
    count(isGood ? "new grant durable" : "new grant durable, token dead");
  else if (isGood && server.requests.length === known.requests)
    count("killed before sending, old grant intact");
  else if (isGood) count(`sent and lost, old token served ${after.stateReason}`.trim());
  else count(`flagged ${after.state.replace("PROFILE_STATE_", "")} ${after.stateReason}`);
  agent.close();
  admin.close();
}

async function login(admin) {
  const { accessToken, refreshToken, idToken } = await server.login(account);
  await call(admin, "PutProfile", { profile: ID, oauth: { accessToken, refreshToken, idToken } });
  count("(logins made)");
}

function profileNow(admin) {
  return call(admin, "GetProfile", { profile: ID }).then(
    (answer) => answer.profile,
    () => undefined,
  );
}

function later(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function dead(child) {
  return new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill("SIGKILL");
  });
}
