// What the Codex launcher costs: the start-up that it adds, side by side with Codex alone and with a bare
// client; its memory while Codex runs; how soon the next account is asked after a usage limit.
// Runs itself again in a network that has nothing but loopback: Codex must not reach anybody.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { says, startCodexBackend } from "../test/support/codex-backend.mjs";
import { usageLimitReached } from "../test/support/model-api.mjs";
import { call, client, median, show, startBroker, temporaryHome } from "./world.mjs";

const SELF = fileURLToPath(import.meta.url);
if (process.argv[2] !== "inside") {
  const inside = `ip link set lo up && exec "$0" "$1" inside`;
  const { status } = spawnSync("unshare", ["-n", "sh", "-c", inside, process.execPath, SELF], {
    stdio: "inherit",
  });
  process.exit(status ?? 1);
}

const ROUNDS = 10;
const DROP_IN = fileURLToPath(new URL("../bin/auth-broker-codex.js", import.meta.url));
const BARE = fileURLToPath(new URL("bare-client.mjs", import.meta.url));
const VENDOR = fileURLToPath(
  new URL(`../node_modules/@openai/codex-linux-${process.arch}/vendor`, import.meta.url),
);
const CODEX = join(VENDOR, readdirSync(VENDOR)[0], "bin/codex");
const ARGS = ["exec", "--skip-git-repo-check", "-s", "danger-full-access", "hi"];

const home = temporaryHome();
const user = join(home, "user/.codex");
mkdirSync(user, { recursive: true });
const backend = await startCodexBackend();
const broker = await startBroker(home);
const admin = client(home, "profile", "admin");
const logins = Object.fromEntries(["a", "b"].map((name) => [name, login(name)]));
await call(admin, "PutProfile", { profile: "openai-codex:a", oauth: logins.a });
writeUserHome();
const env = { HOME: join(home, "user"), PATH: `${dirname(CODEX)}:/usr/bin:/bin`, AUTH_BROKER_HOME: home };

const alone = [];
const launched = [];
const bare = [];
const memory = [];
for (let round = -1; round < ROUNDS; round += 1) {
  const a = await firstRequest(CODEX, ARGS);
  const b = await firstRequest(process.execPath, [DROP_IN, ...ARGS]);
  const c = await wholeRun(process.execPath, [BARE]);
  if (round < 0) continue;
  alone.push(a.ms);
  launched.push(b.ms);
  bare.push(c);
  memory.push(b.rssMiB);
}

await call(admin, "PutProfile", { profile: "openai-codex:b", oauth: logins.b });
const failover = [];
const beside = [];
for (let round = 0; round < ROUNDS; round += 1) {
  beside.push((await firstRequest(CODEX, ARGS)).ms);
  const from = backend.requests.length;
  let limitedAt = 0;
  backend.model = ({ account }) => {
    if (account === "acct-b") return says("done");
    limitedAt = performance.timeOrigin + performance.now();
    return usageLimitReached({ resetsAtMs: Date.now() + 3_600_000 });
  };
  await wholeRun(process.execPath, [DROP_IN, ...ARGS]);
  const next = backend.requests.slice(from).find(({ account }) => account === "acct-b");
  failover.push(next.at - limitedAt);
  await call(admin, "ClearCooldown", { profile: "openai-codex:a" });
}

const ms = (values) => Math.round(median(values));
show("codex", [
  {
    "codex alone, first request ms": ms(alone),
    "launched ms": ms(launched),
    "added ms": ms(launched.map((value, i) => value - alone[i])),
    "bare client ms": ms(bare),
    "launcher MiB": Math.round(median(memory)),
    "429 to next account ms": ms(failover),
    "of codex's start": Number((median(failover) / median(beside)).toFixed(2)),
  },
]);
admin.close();
broker.kill();
await backend.close();

async function firstRequest(command, args) {
  const from = backend.requests.length;
  let rssMiB = 0;
  const began = performance.timeOrigin + performance.now();
  const child = spawn(command, args, { env, cwd: home, stdio: "ignore" });
  backend.model = () => {
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    rssMiB = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    return says("done");
  };
  await ended(child);
  return { ms: backend.requests[from].at - began, rssMiB };
}

async function wholeRun(command, args) {
  const began = performance.now();
  await ended(spawn(command, args, { env, cwd: home, stdio: "ignore" }));
  return performance.now() - began;
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`ended with ${code}`))));
  });
}

function login(name) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const account = { chatgpt_account_id: `acct-${name}`, chatgpt_plan_type: "plus" };
  const claims = {
    sub: name,
    exp: Math.floor(Date.now() / 1000) + 36_000,
    "https://api.openai.com/auth": account,
  };
  const token = `${part({ alg: "none" })}.${part(claims)}.sig`;
  return { accessToken: token, idToken: token, refreshToken: `rt-FAKE-${name}`, accountId: `acct-${name}` };
}

/** The user's settings, and a login of the user's own for Codex alone. */
function writeUserHome() {
  const { accessToken, idToken, accountId } = logins.a;
  const tokens = { id_token: idToken, access_token: accessToken, refresh_token: "", account_id: accountId };
  const auth = { auth_mode: "chatgptAuthTokens", tokens, last_refresh: new Date() };
  writeFileSync(join(user, "auth.json"), JSON.stringify(auth));
  const url = `http://127.0.0.1:${backend.port}/backend-api`;
  writeFileSync(
    join(user, "config.toml"),
    `model = "gpt-5.4"
model_provider = "fake"
chatgpt_base_url = "${url}"
[model_providers.fake]
name = "Fake"
base_url = "${url}/codex"
wire_api = "responses"
requires_openai_auth = true
[features]
enable_request_compression = false
apps = false
plugins = false
[analytics]
enabled = false
`,
  );
}
