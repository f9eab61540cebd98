import { setTimeout as sleep } from "node:timers/promises";
import { usageLimitReached } from "../test/support/model-api.mjs";
import { check, say, step } from "./console.mjs";
import { callModel, grantedTo, setUp } from "./stage.mjs";

const WORK = { sub: "work", email: "work@example.test", accountId: "acct-work" };
const HOME = { sub: "home", email: "home@example.test", accountId: "acct-home" };
const AT_WORK = "openai-codex:work";
const AT_HOME = "openai-codex:home";
const WANTED = { provider: "openai-codex", model: "gpt-5.6-terra", sessionId: "demo" };
const PROCESSES = 5;
const CALLERS_EACH = 10;
const CALLERS = PROCESSES * CALLERS_EACH;
const RESETS_AT_MS = Math.ceil(Date.now() / 1000) * 1000 + 2 * 3_600_000;
const SHORT_LIFE_SEC = 5;
const LONGEST_DEMO_MS = 170_000;

const startedMs = performance.now();
const stage = await setUp();
const { logins, model } = stage;

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
  const broker = await takeOverTwoAccounts();
  const client = await stage.connect();
  const watcher = await watch();
  const first = await firstCall(client);
  const next = await planUsedUp(client, first, watcher);
  await everybodyKnows();
  await killWhileTokenEnds(broker);
  const { restarted, generation } = await crowdAfterRestart();
  const again = await orderlyRestart(restarted, client, generation);
  await explain();
  nothingCameOut([first, next, again]);
  await client.close();
}

async function takeOverTwoAccounts() {
  step("Two accounts log in at a real authorization server, and the broker takes over");
  const broker = await stage.serve();
  say(`authorization server ${logins.issuer}, model API ${model.baseUrl}, broker pid ${broker.pid}`);
  say(await stage.takeOver(AT_WORK, WORK));
  say(await stage.takeOver(AT_HOME, HOME));
  await stage.command(["profiles", "order", "openai-codex", AT_WORK, AT_HOME]);
  say(await stage.command(["status"]));
  return broker;
}

async function watch() {
  const watcher = await stage.agent("watch");
  await watcher.line(/"profile":"openai-codex:work"/);
  check(true, `another agent (pid ${watcher.pid}) watches, and was told to use ${AT_WORK}`);
  return watcher;
}

async function firstCall(client) {
  step("An agent acquires a credential and calls the model");
  const first = await client.acquire(WANTED);
  check(first.lease.profile === AT_WORK, `it was given ${AT_WORK}, the first in the order`);
  const answer = await callModel(first);
  check(answer.httpStatus === 200, "the model answered 200");
  await client.report({ lease: first.lease, providerResponse: answer });
  return first;
}

async function planUsedUp(client, first, watcher) {
  step("The plan of that account is used up");
  model.answer(WORK.accountId, usageLimitReached({ resetsAtMs: RESETS_AT_MS }));
  const answer = await callModel(first);
  check(answer.httpStatus === 429, `the model answered 429: ${answer.body}`);

  const beganMs = performance.now();
  const sinceMs = () => (performance.now() - beganMs).toFixed(1);
  const pushedMs = watcher.line(/"profile":"openai-codex:home"/).then(sinceMs);
  const report = await client.report({ lease: first.lease, providerResponse: answer, acquireNext: true });
  const tookMs = sinceMs();
  check(report.outcome === "OUTCOME_USAGE_LIMIT", `the broker read it as ${report.outcome}`);
  const resets = new Date(RESETS_AT_MS).toISOString();
  check(report.retryTime?.getTime() === RESETS_AT_MS, `and will not use the account before ${resets}`);
  const next = report.next?.granted;
  check(next?.lease.profile === AT_HOME, `the same answer brought ${AT_HOME}, after ${tookMs} ms`);
  check((await callModel(next)).httpStatus === 200, "with which the model answers 200");
  check(true, `the watching agent was told to use ${AT_HOME} after ${await pushedMs} ms`);
  return next;
}

async function everybodyKnows() {
  step("Other processes know at once");
  const [other] = await grantedTo([await stage.agent("crowd", "1")]);
  check(other?.profile === AT_HOME, `an agent that has just started is given ${AT_HOME} too`);
  const calls = model.requests.filter(({ status }) => status === 429);
  check(calls.length === 1, "of all calls to the model only one ran into the limit");
}

async function killWhileTokenEnds(broker) {
  step("The broker is killed (SIGKILL), and a token ends while it is away");
  logins.setAccessTokenTtl(SHORT_LIFE_SEC);
  say(await stage.takeOver(AT_HOME, HOME));
  logins.setAccessTokenTtl(3600);
  const { signal } = await broker.kill("SIGKILL");
  check(
    signal === "SIGKILL",
    `${AT_HOME} has logged in again, for ${SHORT_LIFE_SEC} s, and the broker is dead`,
  );
  check(stage.refreshes().length === 0, "so far no token was ever refreshed");
  await sleep(SHORT_LIFE_SEC * 1000);
  say(`${SHORT_LIFE_SEC} s later: the access token is over`);
}

async function crowdAfterRestart() {
  step(`${CALLERS} callers in ${PROCESSES} processes ask the restarted broker at the same moment`);
  logins.hold();
  const restarted = await stage.serve();
  const starting = Array.from({ length: PROCESSES }, () => stage.agent("crowd", String(CALLERS_EACH)));
  const agents = await Promise.all(starting);
  await Promise.all(agents.map((agent) => agent.line(/"asked":/)));
  await logins.waitForRequests(stage.refreshTokens.length + 1);
  check(
    agents.every((agent) => !agent.stdout().includes("token")),
    "all have asked, and wait for the answer of the authorization server",
  );
  logins.release();
  const granted = await grantedTo(agents);
  const tokens = new Set(granted.map(({ token }) => token));
  check(granted.length === CALLERS && tokens.size === 1, `all ${CALLERS} got the same token`);
  const [{ goodForSec, generation }] = granted;
  check(goodForSec > 60, `a new one, good for ${goodForSec} s`);
  check(stage.refreshes().length === 1, "the authorization server's log shows 1 refresh request");
  check(
    granted.every(({ profile }) => profile === AT_HOME),
    `the limit of ${AT_WORK} was remembered: nobody was given it`,
  );
  return { restarted, generation };
}

async function orderlyRestart(broker, client, generation) {
  step("The broker is restarted in good order (SIGTERM)");
  const { code } = await broker.kill("SIGTERM");
  check(code === 0, "it ended with exit code 0");
  await stage.serve();
  const again = await client.acquire(WANTED);
  check(
    again.lease.profile === AT_HOME && again.lease.generation === generation,
    `the first agent came back by itself: ${AT_HOME}, the same generation ${generation}`,
  );
  check((await callModel(again)).httpStatus === 200, "and the model answers 200");
  check(stage.refreshes().length === 1, "still 1 refresh request");
  return again;
}

async function explain() {
  step("Why that account?");
  const command = ["explain", "openai-codex", "--model", WANTED.model];
  say(await stage.command(command));
  const { candidates } = JSON.parse(await stage.command([...command, "--json"]));
  const work = candidates.find(({ profile }) => profile === AT_WORK);
  check(
    work.reason === "COOLING_DOWN" && Date.parse(work.untilTime) === RESETS_AT_MS,
    `${AT_WORK} is cooling down until the moment that the provider named`,
  );
}

function nothingCameOut(granted) {
  step("No refresh token came out");
  const output = stage.output() + JSON.stringify(granted);
  check(
    stage.refreshTokens.length === 3 && stage.refreshTokens.every((token) => !output.includes(token)),
    "none of the logins' refresh tokens is in the broker's log, in an agent's output or in a credential",
  );
}

/** A step that waits for something that never comes must not wait for ever. */
async function tooLong() {
  await sleep(LONGEST_DEMO_MS, undefined, { ref: false });
  throw new Error(`the demo took longer than ${LONGEST_DEMO_MS / 1000} s`);
}
