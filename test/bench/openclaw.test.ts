import { expect, test } from "vitest";
import { hasNamespaces } from "../support/codex-world.ts";
import { says, usageLimit } from "../support/openclaw-backend.mjs";
import { openclawProgram } from "../support/openclaw-program.mjs";
import { openclawWorld } from "../support/openclaw-world.ts";

const MINUTE_MS = 60_000;
const AGENTS = ["main", "solenne", "c", "d", "e", "f", "g", "h"];
const MODEL = { id: "gpt-5.4", name: "gpt-5.4" };
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
        model: { primary: "authbroker/gpt-5.4" },
      },
      entries: Object.fromEntries(AGENTS.map((agent) => [agent, {}])),
    };
    await w.configure({
      agents,
      models: { mode: "merge", providers: { authbroker: route, alone: route } },
      auth: { order: { alone: ["alone:a", "alone:b"] } },
    });
    await w.keepToken("authbroker:pool", "authbroker");
    await w.keepToken("alone:a", "at-FAKE-a");
    await w.keepToken("alone:b", "at-FAKE-b");
    await w.broker.put("openai-codex:a");
    await w.broker.put("openai-codex:b");
    await w.startGateway();
    const alone = { model: "alone/gpt-5.4" };
    expect(await w.ask("main", "hi")).toMatchObject({ text: "hello from a" });
    expect(await w.ask("main", "hi", alone)).toMatchObject({ text: "hello from a" });

    let limitedAt = Number.NaN;
    w.backend.model = ({ account, at }) => {
      if (account !== "a") return says(`hello from ${account}`);
      limitedAt = Number.isNaN(limitedAt) ? at : limitedAt;
      return usageLimit();
    };
    const failover = async (model: object) => {
      limitedAt = Number.NaN;
      const from = w.backend.requests.length;
      const reply = await w.ask("main", "hi", model);
      const asked = w.backend.requests.slice(from);
      const next = asked.find(({ account }) => account === "b");
      return {
        text: reply.text,
        "429 to next account ms": Math.round((next?.at ?? Number.NaN) - limitedAt),
        attempts: asked.map(({ account }) => account).join(""),
      };
    };
    const plugin = await failover({});
    const firstLimitAt = limitedAt;
    let wasted = 0;
    let turns = 0;
    const from = w.backend.requests.length;
    const busy = AGENTS.map(async (agent) => {
      while (performance.timeOrigin + performance.now() < firstLimitAt + MINUTE_MS) {
        expect(await w.ask(agent, "hi")).toMatchObject({ text: "hello from b" });
        turns += 1;
      }
    });
    await Promise.all(busy);
    wasted = w.backend.requests.slice(from).filter(({ account }) => account === "a").length;
    console.table({
      plugin,
      "OpenClaw alone": await failover(alone),
      "8 agents, a minute": { turns, wasted },
    });
    expect(wasted).toBe(0);
  },
);
