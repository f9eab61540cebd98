import { setTimeout as sleep } from "node:timers/promises";
import { usageLimitReached } from "../test/support/model-api.mjs";
import { check, say, step } from "./console.mjs";
import { setUp } from "./stage.mjs";

const WORK = { sub: "work", email: "work@example.test", accountId: "acct-work" };
const HOME = { sub: "home", email: "home@example.test", accountId: "acct-home" };
const WANTED = { provider: "openai-codex", model: "gpt-5.4", sessionId: "demo" };
const CALLERS = 50;
const PROCESSES = 5;
const TWO_HOURS_MS = 2 * 3_600_000;
const SHORT_LIFE_SEC = 5;
const LONGEST_DEMO_MS = 170_000;

const startedMs = performance.now();
const stage = await setUp();
const { logins, model } = stage;
/** Refresh tokens that the demo saw itself, to look for in what was written. */
const refreshTokens = [];

const refreshes = () => logins.requests.filter(({ grantType }) => grantType === "refresh_token");
const since = (beganMs) => `${(performance.now() - beganMs).toFixed(1)} ms`;

try {
  await Promise.race([play(), tooLong()]);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`\nEverything above happened, in ${seconds} s.`);
} catch (error) {
  console.error(`\n${error.stack ?? error}\n${stage.output()}`);
  process.exitCode = 1;
} finally {
  await stage.close();
}

async function play() {
  step("Two accounts log in at a real authorization server, and the broker takes over");
  let broker = await stage.serve();
  say(`authorization server ${logins.issuer}, model API ${model.baseUrl}, broker pid ${broker.pid}`);
  await takeOver("openai-codex:work", WORK);
  await takeOver("openai-codex:home", HOME);
  await stage.command(["profiles", "order", "openai-codex", "openai-codex:work", "openai-codex:home"]);
  say(await stage.command(["status"]));
  const client = await stage.connect();
  const watcher = await stage.agent("watch");
  await watcher.line(/"profile":"openai-codex:work"/);
  check(true, `a second agent (pid ${watcher.pid}) watches and was given openai-codex:work`);

  step("An agent acquires a credential and calls the model");
  const first = await client.acquire(WANTED);
  const answered = await call(first);
  check(
    first.lease.profile === "openai-codex:work",
    "it was given openai-codex:work, the first in the order",
  );
  check(answered.httpStatus === 200, `the model answered ${answered.httpStatus}`);
  await client.report({ lease: first.lease, providerResponse: answered });

  step("The plan of that account is used up");
  const resetsAtMs = Math.ceil((Date.now() + TWO_HOURS_MS) / 1000) * 1000;
  model.answer(WORK.accountId, usageLimitReached({ resetsAtMs }));
  const refused = await call(first);
  check(refused.httpStatus === 429, `the model answered 429: ${refused.body}`);
  const reportedMs = performance.now();
  const pushed = watcher.line(/"profile":"openai-codex:home"/).then(() => since(reportedMs));
  const report = await client.report({ lease: first.lease, providerResponse: refused, acquireNext: true });
  const took = since(reportedMs);
  check(report.outcome === "OUTCOME_USAGE_LIMIT", `the broker read it as ${report.outcome}`);
  check(
    report.retryTime?.getTime() === resetsAtMs,
    `and will not use the account before ${when(resetsAtMs)}`,
  );
  const next = report.next?.granted;
  check(
    next?.lease.profile === "openai-codex:home",
    `the same answer brought ${next?.lease.profile}, in ${took}`,
  );
  check((await call(next)).httpStatus === 200, "with which the model answers 200");

  step("Other processes know at once");
  check(true, `the second agent was given openai-codex:home by push, ${await pushed} after the report began`);
  const [third] = await grantedTo(await crowd(1, 1));
  check(third.profile === "openai-codex:home", "a third one, just started, is given openai-codex:home too");
  const calls = model.requests.filter(({ account, status }) => account === WORK.accountId && status === 429);
  check(calls.length === 1, "only one call ran into the limit");

  step("The broker is killed (SIGKILL), and a token ends while it is away");
  logins.setAccessTokenTtl(SHORT_LIFE_SEC);
  await takeOver("openai-codex:home", HOME);
  logins.setAccessTokenTtl(3600);
  const { signal } = await broker.kill("SIGKILL");
  check(signal === "SIGKILL" && refreshes().length === 0, "killed; so far no token was ever refreshed");
  say(`openai-codex:home logged in again just before, with an access token for ${SHORT_LIFE_SEC} s …`);
  await sleep(SHORT_LIFE_SEC * 1000);
  say("… which is over now");

  step(`${CALLERS} callers in ${PROCESSES} processes ask the restarted broker at the same moment`);
  logins.hold();
  broker = await stage.serve();
  const agents = await crowd(PROCESSES, CALLERS / PROCESSES);
  await Promise.all(agents.map((agent) => agent.line(/"asked":/)));
  await logins.waitForRequests(refreshTokens.length + 1);
  check(
    agents.every((agent) => !agent.stdout().includes("token")),
    "all have asked, and all wait",
  );
  logins.release();
  const granted = await grantedTo(agents);
  const tokens = new Set(granted.map(({ token }) => token));
  check(granted.length === CALLERS && tokens.size === 1, `all ${CALLERS} got the same token`);
  check(
    granted.every(({ goodForSec }) => goodForSec > 3_000),
    `a new one, good for ${granted[0].goodForSec} s`,
  );
  check(refreshes().length === 1, "the authorization server's log shows 1 refresh request");
  check(
    granted.every(({ profile }) => profile === "openai-codex:home"),
    "the limit of openai-codex:work was remembered: nobody was given it",
  );

  step("The broker is restarted in good order (SIGTERM)");
  const { code } = await broker.kill("SIGTERM");
  check(code === 0, `it ended with exit code ${code}`);
  broker = await stage.serve();
  const again = await client.acquire(WANTED);
  check(true, "the first agent's connection came back by itself");
  check(
    again.lease.profile === "openai-codex:home" && again.lease.generation === granted[0].generation,
    `same account, same generation (${again.lease.generation}), same limit on the other`,
  );
  check((await call(again)).httpStatus === 200, "and the model answers 200");
  check(refreshes().length === 1, "still 1 refresh request");

  step("Why that account?");
  say(await stage.command(["explain", "openai-codex", "--model", WANTED.model]));
  const { candidates } = JSON.parse(await stage.command(["explain", "openai-codex", "--json"]));
  const work = candidates.find(({ profile }) => profile === "openai-codex:work");
  check(
    work.reason === "COOLING_DOWN" && Date.parse(work.untilTime) === resetsAtMs,
    "the reason and its end",
  );

  step("No refresh token came out");
  const output = stage.output() + JSON.stringify([first, next, again]);
  check(
    refreshTokens.length === 3 && refreshTokens.every((token) => !output.includes(token)),
    "none of the logins' refresh tokens is in the broker's log, in an agent's output or in a credential",
  );
  await client.close();
}

/** A login at the authorization server, given to the broker through the command line. */
async function takeOver(profile, account) {
  const { accessToken, refreshToken, idToken, expiresIn } = await logins.login(account);
  refreshTokens.push(refreshToken);
  const expireTime = new Date(Date.now() + expiresIn * 1000).toISOString();
  const oauth = { accessToken, refreshToken, idToken, expireTime };
  say(await stage.command(["profiles", "add", profile], JSON.stringify({ oauth })));
}

/** One request to the model with a credential; gives the raw answer, as a report takes it. */
async function call({ credential }) {
  const { baseUrl, headers } = credential;
  const response = await fetch(`${baseUrl}/responses`, { method: "POST", headers, body: "{}" });
  return { httpStatus: response.status, headers: response.headers, body: await response.text() };
}

/** Starts agents that acquire `count` times each. */
function crowd(processes, count) {
  return Promise.all(Array.from({ length: processes }, () => stage.agent("crowd", String(count))));
}

/** What these agents were given in the end. */
async function grantedTo(agents) {
  for (const agent of agents) {
    if ((await agent.exited).code !== 0) throw new Error(`an agent failed: ${agent.stderr()}`);
  }
  const lines = agents.flatMap((agent) => agent.stdout().trim().split("\n"));
  return lines.map((line) => JSON.parse(line)).filter(({ token }) => token !== undefined);
}

/** A step that waits for something that never comes must not wait for ever. */
async function tooLong() {
  await sleep(LONGEST_DEMO_MS, undefined, { ref: false });
  throw new Error(`the demo took longer than ${LONGEST_DEMO_MS / 1000} s`);
}

function when(ms) {
  return new Date(ms).toISOString();
}
