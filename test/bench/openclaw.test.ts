import { expect, test } from "vitest";
import { hasNamespaces } from "../support/codex-world.ts";
import { type BackendAnswer, refuses, says, usageLimit } from "../support/openclaw-backend.mjs";
import { openclawProgram } from "../support/openclaw-program.mjs";
import { type OpenclawWorld, openclawWorld } from "../support/openclaw-world.ts";

const MINUTE_MS = 60_000;
const AGENTS = ["main", "solenne", "c", "d", "e", "f", "g", "h"];
/** A usage limit makes OpenClaw rotate at once; after this it asks the same account up to ten times. */
const SHORT = refuses(429, { type: "rate_limit_error", message: "Rate limit reached." });
const MODEL = { id: "gpt-5.6-terra", name: "gpt-5.6-terra" };
/** OpenClaw alone needs two minutes for its own rotation. */
const LONG = 30 * MINUTE_MS;

test.skipIf(!(await hasNamespaces()))(
  "the next account after a limit, with the plugin and without",
  { timeout: LONG },
  async () => {
    await openclawProgram();
    await using w = await openclawWorld();
    const route = { baseUrl: w.baseUrl, api: "openai-responses", auth: "token", models: [MODEL] };
    const agents = {
      ownership: "explicit",
      defaults: {
        systemAgent: { agentId: "main" },
        skipBootstrap: true,
        model: { primary: "authbroker/gpt-5.6-terra" },
      },
      entries: Object.fromEntries(AGENTS.map((agent) => [agent, {}])),
    };
    await w.configure({
      agents,
      models: { mode: "merge", providers: { authbroker: route, first: route, second: route } },
      auth: { order: { first: ["first:a", "first:b"], second: ["second:a", "second:b"] } },
    });
    await w.keepToken("authbroker:pool", "authbroker");
    for (const name of ["a", "b"]) {
      await w.keepToken(`first:${name}`, `at-FAKE-${name}`);
      await w.keepToken(`second:${name}`, `at-FAKE-${name}`);
    }
    await w.broker.put("openai-codex:a");
    await w.broker.put("openai-codex:b");
    await w.startGateway();
    const figures: Record<string, object> = {};
    // OpenClaw bars an account for as long as its limit says, so each case has accounts that it does not know yet.
    const cases = [
      ["usage limit", usageLimit(), "first"],
      ["short 429", SHORT, "second"],
    ] as const;
    for (const [kind, answer, alone] of cases) {
      figures[`${kind}, plugin`] = await failover(w, {}, answer);
      figures[`${kind}, OpenClaw alone`] = await failover(w, { model: `${alone}/gpt-5.6-terra` }, answer);
      await w.broker.clear("openai-codex:a");
      await w.broker.clear("openai-codex:b");
    }
    console.table(figures);

    const { limitedAt } = await failover(w, {}, usageLimit());
    const from = w.backend.requests.length;
    let turns = 0;
    const busy = AGENTS.map(async (agent) => {
      while (nowMs() < limitedAt + MINUTE_MS) {
        expect(await w.ask(agent, "hi")).toMatchObject({ text: "hello from b" });
        turns += 1;
      }
    });
    await Promise.all(busy);
    const wasted = w.backend.requests.slice(from).filter(({ account }) => account === "a").length;
    console.table({ "8 agents, a minute": { turns, wasted } });
    expect(wasted).toBe(0);
  },
);

/** One turn while the account that would serve is at its limit: how long until another is asked. */
async function failover(w: OpenclawWorld, model: object, answer: BackendAnswer) {
  w.backend.model = ({ account }) => says(account);
  const { text: limited } = await w.ask("main", "hi", model);
  let limitedAt = Number.NaN;
  w.backend.model = ({ account, at }) => {
    if (account !== limited) return says(`hello from ${account}`);
    limitedAt = Number.isNaN(limitedAt) ? at : limitedAt;
    return answer;
  };
  const from = w.backend.requests.length;
  const { text } = await w.ask("main", "hi", model);
  const asked = w.backend.requests.slice(from);
  const next = asked.find(({ account }) => account !== limited);
  return {
    text,
    "429 to next account ms": Math.round((next?.at ?? Number.NaN) - limitedAt),
    attempts: asked.map(({ account }) => account).join(""),
    limitedAt,
  };
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
