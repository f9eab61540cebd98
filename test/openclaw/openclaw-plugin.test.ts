import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hasNamespaces } from "../support/codex-world.ts";
import { calls, refuses, says, usageLimit } from "../support/openclaw-backend.mjs";
import { LOGIN, logIn } from "../support/openclaw-login.ts";
import { openclawProgram } from "../support/openclaw-program.mjs";
import { type OpenclawWorld, openclawWorld } from "../support/openclaw-world.ts";
import { hasTerminal } from "../support/terminal.ts";
import { json } from "../support/token-endpoint.ts";
import { until } from "../support/until.ts";

/** OpenClaw takes its time; on a busy machine it takes minutes. */
const LONG = 900_000;

let w: OpenclawWorld;
/** What a terminal showed during the login. */
let shown = "";

describe.skipIf(!(await hasNamespaces()) || !hasTerminal)(
  "the real OpenClaw with the plugin",
  { timeout: LONG },
  () => {
    beforeAll(async () => {
      await openclawProgram();
      w = await openclawWorld();
      // Every refresh brings tokens of the same account.
      w.broker.token.always(({ fields }) => refreshed(fields.refresh_token ?? ""));
      await w.configure({});
      shown = await logIn(await w.onTerminal(["models", "auth", "--agent", "main", ...LOGIN]), w.baseUrl);
      await addModels();
      await w.startGateway();
    }, LONG);
    afterAll(() => w?.[Symbol.asyncDispose](), LONG);

    beforeEach(async () => {
      for (const name of ["a", "b", "c"]) {
        const profile = `openai-codex:${name}`;
        await w.broker.put(profile);
        await w.broker.clear(profile);
      }
      await enable(true, "a", "b", "c");
      w.backend.model = ({ account }) => says(`hello from ${account}`);
    });

    test("the login makes a handle and a model, and OpenClaw keeps no token of an account", async () => {
      expect(shown).toContain("Auth profile: authbroker:pool (authbroker/token)");
      const config = await w.readConfig();
      expect(config.plugins.entries.authbroker.config.models["gpt-5.6-terra"]).toEqual({
        provider: "openai-codex",
      });
      const reply = await w.ask("main", "hi");
      expect(reply).toMatchObject({ status: 200, text: "hello from a" });
      const { body, headers } = w.backend.requests.at(-1) ?? expect.unreachable();
      expect(headers["chatgpt-account-id"]).toBe("acct-a");
      // What ChatGPT's backend insists on.
      expect(body).toMatchObject({ store: false, instructions: expect.stringContaining("") });
      expect(await holding(w.stateDir, /(at|rt)-FAKE/)).toEqual([]);
    });

    test("the first account at its limit: both agents answer through the second at the first try", async () => {
      w.backend.model = ({ account }) => (account === "a" ? usageLimit() : says(`hello from ${account}`));
      const from = w.backend.requests.length;
      expect(await w.ask("main", "hi")).toMatchObject({ status: 200, text: "hello from b" });
      expect(await w.ask("solenne", "hi")).toMatchObject({ status: 200, text: "hello from b" });
      const asked = w.backend.requests.slice(from);
      expect(asked.map(({ account, status }) => `${account} ${status}`)).toEqual(["a 429", "b 200", "b 200"]);
      expect(await w.broker.get("openai-codex:a")).toMatchObject({ state: "PROFILE_STATE_COOLING_DOWN" });
    });

    test.each([
      ["claude", "anthropic-messages", "anthropic"],
      ["chat", "openai-completions", "openrouter"],
    ])(
      "model %s in %s: the next key answers, and the broker knows the provider's own time",
      async (model, format, provider) => {
        for (const name of ["a", "b"]) await w.broker.putKey(`${provider}:${name}`);
        const slowDown = refuses(
          429,
          { type: "rate_limit_error", message: "Slow down." },
          { "retry-after": "1200" },
        );
        w.backend.model = ({ account }) => (account === "a" ? slowDown : says(`hello from ${account}`));
        const from = w.backend.requests.length;
        const reply = await w.ask("solenne", "hi", { model: `authbroker/${model}` });
        expect(reply, w.log()).toMatchObject({ status: 200, text: "hello from b" });
        const asked = w.backend.requests.slice(from);
        expect(asked.map((request) => `${request.format} ${request.account} ${request.status}`)).toEqual([
          `${format} a 429`,
          `${format} b 200`,
        ]);
        const { cooldowns } = await w.broker.get(`${provider}:a`);
        expect(cooldowns).toMatchObject([
          { source: "COOLDOWN_SOURCE_PROVIDER", untilTime: w.broker.inTime(1_200_000) },
        ]);
      },
    );

    test("a conversation stays with its account", async () => {
      await w.ask("main", "hi", { session: "one" });
      await w.broker.admin.call("profile", "SetOrder", {
        provider: "openai-codex",
        profiles: ["b", "a", "c"].map((name) => `openai-codex:${name}`),
      });
      expect(await w.ask("main", "more", { session: "one" })).toMatchObject({ text: "hello from a" });
      expect(await w.ask("main", "hi", { session: "two" })).toMatchObject({ text: "hello from b" });
      await w.broker.admin.call("profile", "SetOrder", { provider: "openai-codex", profiles: [] });
    });

    test("no account left: the user reads why and until when, at once, and the next turn after a clear works", async () => {
      w.backend.model = () => usageLimit();
      const reply = await w.ask("main", "hi");
      expect(reply.status).toBe(429);
      expect(reply.text).toMatch(
        /auth-broker: usage limit: .*every profile that could serve is cooling down.*resets at/,
      );
      w.backend.model = ({ account }) => says(`hello from ${account}`);
      await w.broker.clear("openai-codex:a");
      expect(await w.ask("main", "hi")).toMatchObject({ status: 200, text: "hello from a" });
    });

    test("no account left for its model: an agent goes on with its next one, and nothing is asked twice", async () => {
      await w.broker.putKey("openrouter:a");
      w.backend.model = ({ format }) =>
        format === "openai-responses" ? usageLimit() : says("by the next model");
      const from = w.backend.requests.length;
      expect(await w.ask("careful", "hi")).toMatchObject({ status: 200, text: "by the next model" });
      const asked = w.backend.requests.slice(from).map(({ model, account }) => `${model} ${account}`);
      expect(asked).toEqual([
        "gpt-5.6-terra a",
        "gpt-5.6-terra b",
        "gpt-5.6-terra c",
        expect.stringMatching(/^chat /),
      ]);
    });

    test("OpenClaw shows how many accounts are left", async () => {
      w.backend.model = ({ account }) => (account === "a" ? usageLimit() : says(`hello from ${account}`));
      await w.ask("main", "hi");
      const { usage } = JSON.parse(await w.openclaw(["status", "--usage", "--json"]));
      expect(usage.providers).toContainEqual(
        expect.objectContaining({
          provider: "authbroker",
          summary: expect.stringMatching(/openai-codex: 2 usable, 1 cooling down until/),
        }),
      );
    });

    test("a broker that is slow, because a token has to be renewed first, delays a request and loses nothing", async () => {
      await enable(false, "a", "b", "c");
      await w.broker.put("openai-codex:d", { expireTime: w.broker.inTime(1_000) });
      let release = () => {};
      const slow = new Promise<void>((resolve) => {
        release = resolve;
      });
      const before = w.broker.token.requests.length;
      w.broker.token.always(async ({ fields }) => {
        await slow;
        return refreshed(fields.refresh_token ?? "");
      });
      const from = w.backend.requests.length;
      const reply = w.ask("main", "hi");
      await until(() => w.broker.token.requests.length > before);
      expect(w.backend.requests.length).toBe(from);
      release();
      expect(await reply).toMatchObject({ status: 200, text: "hello from d" });
      expect(w.backend.requests.slice(from).map(({ token }) => token)).toEqual(["at-FAKE-d-2"]);
      w.broker.token.always(({ fields }) => refreshed(fields.refresh_token ?? ""));
      await enable(false, "d");
    });

    test("200 requests of two agents while accounts are limited, refreshed and revoked: nobody uses a dead token twice", async () => {
      const perAgent = 100;
      const sent: { token: string; status: number }[] = [];
      const steps = new Map<string, number>();
      const dead = new Set<string>();
      const refreshes = w.broker.token.requests.length;
      w.backend.model = async ({ token, account, body }) => {
        const agent = /You are (\w+) today/.exec(JSON.stringify(body.input))?.[1] ?? "";
        if (sent.length === 40) dead.add("limited a");
        if (sent.length === 90) dead.add("at-FAKE-b");
        if (sent.length === 140) {
          dead.add("at-FAKE-b-2");
          w.broker.token.always(() => json(400, { error: "invalid_grant" }));
          // The broker asks no sooner than that for another token.
          await w.broker.advance(120_000);
        }
        if (account === "a" && dead.has("limited a")) return note(usageLimit());
        if (dead.has(token)) return note({ ...usageLimit(), status: 401, error: { code: "token_expired" } });
        const step = (steps.get(agent) ?? 0) + 1;
        steps.set(agent, step);
        const path = join("work", `${agent}-${step}.txt`);
        return note(
          step < perAgent ? calls("write", { path, content: `${step}` }) : says(`${agent} is done`),
        );

        function note<T extends { status?: number }>(answer: T): T {
          sent.push({ token, status: answer.status ?? 200 });
          return answer;
        }
      };
      const agents = ["main", "solenne"].map((agent) => w.ask(agent, `You are ${agent} today`));
      expect(await Promise.all(agents)).toMatchObject([
        { text: "main is done" },
        { text: "solenne is done" },
      ]);
      expect(sent.filter(({ status }) => status === 200)).toHaveLength(2 * perAgent);
      // At most the two that were under way when it happened.
      const wasted = (status: number) => sent.filter((request) => request.status === status).length;
      expect(wasted(429)).toBeLessThanOrEqual(2);
      expect(wasted(401)).toBeLessThanOrEqual(4);
      expect(w.broker.token.requests.length - refreshes).toBe(2);
      expect(await w.broker.get("openai-codex:b")).toMatchObject({ state: "PROFILE_STATE_NEEDS_LOGIN" });
      expect(sent.at(-1)?.token).toBe("at-FAKE-c");
    });

    test("the broker stopped: a clear error; started again: all goes on, and OpenClaw has lost nothing", async () => {
      await w.broker.stop();
      const reply = await w.ask("main", "hi");
      expect(reply.status).toBe(429);
      expect(reply.text).toMatch(/auth-broker: no plan or subscription can serve: .*start the broker with/);
      await w.broker.restart();
      let back = await w.ask("main", "hi");
      // OpenClaw tries a provider that has just failed again at most every 30 s.
      for (const began = Date.now(); back.status !== 200 && Date.now() - began < 60_000; ) {
        expect(back.text).toContain("Provider authbroker is in cooldown");
        back = await w.ask("main", "hi");
      }
      expect(back, w.log()).toMatchObject({ status: 200, text: "hello from a" });
      expect(await holding(w.stateDir, /openclaw-oauth-refresh-fence:v1:/)).toEqual([]);
    });
  },
);

async function enable(enabled: boolean, ...names: readonly string[]): Promise<void> {
  for (const name of names) await w.broker.update({ profile: `openai-codex:${name}`, enabled });
}

/** One model for each wire format that the login did not set up, and an agent with a second choice. */
async function addModels(): Promise<void> {
  const { models, plugins, agents, ...rest } = await w.readConfig();
  const { authbroker } = models.providers;
  const row = (id: string, api: string, baseUrl: string) => ({ id, name: id, api, baseUrl });
  authbroker.models.push(
    row("claude", "anthropic-messages", w.baseUrl.replace("/v1", "")),
    row("chat", "openai-completions", w.baseUrl),
  );
  Object.assign(plugins.entries.authbroker.config.models, {
    claude: { provider: "anthropic" },
    chat: { provider: "openrouter" },
  });
  agents.entries.careful = { model: { primary: "authbroker/gpt-5.6-terra", fallbacks: ["authbroker/chat"] } };
  await w.configure({ ...rest, models, plugins, agents });
}

function refreshed(refreshToken: string): Response {
  const [, name, n = "1"] = /FAKE-([a-z]+)-?(\d*)/.exec(refreshToken) ?? [];
  const next = `FAKE-${name}-${Number(n || 1) + 1}`;
  return json(200, {
    access_token: `at-${next}`,
    refresh_token: `rt-${next}`,
    token_type: "Bearer",
    expires_in: 36_000,
  });
}

/** Files that OpenClaw keeps its state in and in which the pattern stands. */
async function holding(stateDir: string, pattern: RegExp): Promise<readonly string[]> {
  const places = ["state", "agents"].map((name) => join(stateDir, name));
  const read = (place: string) => readdir(place, { recursive: true, withFileTypes: true });
  const entries = (await Promise.all(places.map(read))).flat();
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(
    files.map(async (file) => (pattern.test(await readFile(file, "latin1").catch(() => "")) ? file : "")),
  );
  return found.filter((file) => file !== "");
}
