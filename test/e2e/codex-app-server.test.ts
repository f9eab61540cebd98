import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAppServer } from "../support/app-server-client.ts";
import { HOUR, MINUTE } from "../support/broker-world.ts";
import { runs, says } from "../support/codex-backend.mjs";
import {
  type CodexWorld,
  codexWorld,
  DROP_IN,
  filesBelow,
  hasNamespaces,
  homesOf,
  tokens,
} from "../support/codex-world.ts";
import { usageLimitReached } from "../support/model-api.mjs";
import { json } from "../support/token-endpoint.ts";
import { until } from "../support/until.ts";

const OWN = tokens("own", Date.now(), HOUR);
const OWN_LOGIN = {
  type: "chatgptAuthTokens",
  accessToken: OWN.accessToken,
  chatgptAccountId: OWN.accountId,
  chatgptPlanType: null,
};

describe.skipIf(!(await hasNamespaces()))("codex app-server on borrowed credentials", () => {
  test("a client's own login is answered as such, but the broker's credential is used, and kept in memory", async () => {
    const world = await codexWorld({ tls: true });
    const token = await world.login("a");
    const own = '{"auth_mode":"chatgpt","OPENAI_API_KEY":null, "tokens":null}';
    await writeFile(join(world.codexHome, "auth.json"), own);
    const client = await startAppServer(world);
    expect(await client.request("account/login/start", OWN_LOGIN)).toMatchObject({
      result: { type: "chatgptAuthTokens" },
    });
    world.backend.model = () => says("hello from the model");
    expect(await client.turn(await client.thread(), "hello")).toMatchObject({ status: "completed" });
    expect(client.running.stdout()).toContain("hello from the model");

    expect(world.backend.modelRequests()).toHaveLength(1);
    for (const request of world.backend.requests)
      expect(request).toMatchObject({ token, account: "acct-a", status: 200 });
    expect(homesOf(client.running.pid)).toEqual([]);
    expect(await readFile(join(world.codexHome, "auth.json"), "utf8")).toBe(own);
    for (const secret of [token, "rt-FAKE"])
      expect(
        filesBelow(world.codexHome).filter((path) => readFileSync(path, "latin1").includes(secret)),
      ).toEqual([]);
    expect(client.running.stdout() + client.running.stderr()).not.toContain("rt-FAKE");
  });

  test("the commands of the model do not learn where the broker is", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    world.backend.model = ({ body }) => (body.includes("PWD=") ? says("seen") : runs("env"));
    const client = await startAppServer(world);
    expect(await client.turn(await client.thread(), "look around")).toMatchObject({ status: "completed" });
    const bodies = world.backend.modelRequests().map(({ body }) => body);
    expect(bodies.some((body) => body.includes("PWD="))).toBe(true);
    expect(bodies.filter((body) => body.includes("AUTH_BROKER"))).toEqual([]);
  });

  test("a client that never logs in gets a login, and no answer to what it did not ask", async () => {
    const world = await codexWorld({ tls: true });
    const token = await world.login("a");
    const client = await startAppServer(world);
    expect(await client.request("account/read", {})).toMatchObject({
      result: { account: { type: "chatgpt", planType: "plus" } },
    });
    expect(await client.turn(await client.thread(), "hello")).toMatchObject({ status: "completed" });
    expect(world.backend.modelRequests()).toMatchObject([{ token, account: "acct-a" }]);
    expect(client.running.stdout()).not.toContain("auth-broker");
  });

  test("a refused token is renewed within the turn, once, by the broker, and the client hears nothing of it", async () => {
    const world = await codexWorld({ tls: true });
    const first = await world.login("a");
    const renewed = renewal(world, "a");
    world.backend.model = ({ body }) => {
      if (body.includes("half-way")) return says("the whole way");
      world.backend.refuse(first);
      return runs("echo half-way");
    };
    const client = await startAppServer(world);
    const { result } = await client.request("thread/start", {
      sandbox: "danger-full-access",
      approvalPolicy: "never",
    });
    const thread = (result?.thread as { readonly id: string } | undefined)?.id ?? "";
    expect(await client.turn(thread, "hello")).toMatchObject({ status: "completed", error: null });
    const sent = world.backend.modelRequests().map(({ token, status }) => ({ token, status }));
    expect(sent).toEqual([
      { token: first, status: 200 },
      { token: first, status: 401 },
      { token: renewed, status: 200 },
    ]);
    expect(world.broker.token.requests.map(({ fields }) => fields.refresh_token)).toEqual(["rt-FAKE-a-1"]);
    expect(client.told().filter(({ id }) => id !== undefined)).toEqual([]);
  });

  test("a token that the broker renewed is used from the next turn on, without a refusal", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a", HOUR);
    const renewed = renewal(world, "a");
    const client = await startAppServer(world);
    const thread = await client.thread();
    await client.turn(thread, "the first");
    await world.broker.advance(56 * MINUTE);
    await until(() => world.broker.token.requests.length === 1);
    await world.broker.settle();
    await client.turn(thread, "the second");
    expect(world.backend.modelRequests().map(({ status }) => status)).toEqual([200, 200]);
    expect(world.backend.modelRequests()[1]?.token).toBe(renewed);
  });

  test("where a refused token cannot be renewed the turn goes on with the next account", async () => {
    const world = await codexWorld({ tls: true });
    const first = await world.login("a");
    const second = await world.login("b");
    world.broker.token.always(() => json(400, { error: "invalid_grant" }));
    const client = await startAppServer(world);
    const thread = await client.thread();
    await client.turn(thread, "the first");
    world.backend.refuse(first);
    expect(await client.turn(thread, "the second")).toMatchObject({ status: "completed" });
    const requests = world.backend.modelRequests();
    expect(requests.map(({ token }) => token)).toEqual([first, first, second]);
    expect(requests[2]?.body).toContain("the first");
    expect((await world.broker.get("openai-codex:a")).state).toBe("PROFILE_STATE_NEEDS_LOGIN");
  });

  test("an API key serves a client as well, and the thread moves to it from a login and back", async () => {
    const world = await codexWorld({
      tls: true,
      config: { providers: { "openai-codex": { meteredFallback: true } } },
    });
    const token = await world.login("a");
    await world.broker.putKey("openai-codex:key");
    const client = await startAppServer(world);
    const thread = await client.thread();
    await client.turn(thread, "the first");
    await world.broker.update({ profile: "openai-codex:a", enabled: false });
    await client.turn(thread, "the second");
    await world.broker.update({ profile: "openai-codex:a", enabled: true });
    await world.broker.update({ profile: "openai-codex:key", enabled: false });
    await client.turn(thread, "the third");
    const sent = world.backend.modelRequests().map((request) => request.token);
    expect(sent).toEqual([token, "sk-FAKE-key", token]);
  });

  test("at a usage limit the turn fails as it does without a broker, and the thread goes on with the next account", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    await world.login("b");
    const resetsAtMs = Math.floor(world.broker.nowMs / 1000) * 1000 + 3 * HOUR;
    world.backend.model = ({ account, body }) =>
      account === "acct-a" && body.includes("the second") ? usageLimitReached({ resetsAtMs }) : says("done");
    const client = await startAppServer(world);
    const thread = await client.thread();
    await client.turn(thread, "the first");
    expect(await client.turn(thread, "the second")).toMatchObject({
      status: "failed",
      error: { codexErrorInfo: "usageLimitExceeded" },
    });
    expect(await client.turn(thread, "the third")).toMatchObject({ status: "completed" });

    const requests = world.backend.modelRequests();
    expect(requests.map(({ account }) => account)).toEqual(["acct-a", "acct-a", "acct-b"]);
    for (const text of ["the first", "the second", "the third"]) expect(requests[2]?.body).toContain(text);
    const { cooldowns, usageWindows } = await world.broker.get("openai-codex:a");
    const untilTime = new Date(resetsAtMs).toISOString().replace(".000", "");
    expect(cooldowns).toMatchObject([{ outcome: "OUTCOME_USAGE_LIMIT", untilTime }]);
    expect(usageWindows).toMatchObject([{ name: "primary", usedPercent: 100, resetTime: untilTime }]);
    expect(client.running.stderr()).toMatch(
      /openai-codex:a is at its limit until .*\n.*goes on with openai-codex:b/,
    );
  });

  test("OpenClaw sees one turn that ends well, though the account was changed in the middle of its work", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    await world.login("b");
    const limit = usageLimitReached({ resetsAtMs: Date.now() + 3 * HOUR });
    world.backend.model = ({ account, body }) => {
      if (!body.includes("function_call_output")) return runs("echo half of it");
      return account === "acct-a" ? limit : says("all of it");
    };
    const client = await startAppServer(world, [], { name: "openclaw" });
    const thread = await client.thread();
    const id = await client.begin(thread, "count the sheep");
    const [line] = await client.running.line(/^{"method":"turn\/completed".*$/);
    expect(JSON.parse(line).params.turn).toMatchObject({ id, status: "completed", error: null });

    const requests = world.backend.modelRequests();
    expect(requests.map(({ account }) => account)).toEqual(["acct-a", "acct-a", "acct-b"]);
    expect(requests[2]?.body).toMatch(/count the sheep.*half of it/);
    expect(requests[2]?.body.match(/count the sheep/g)).toHaveLength(1);
    const told = client.told();
    expect(told.filter(({ method }) => method === "turn/started")).toHaveLength(1);
    expect(told.map(({ method }) => method)).not.toContain("error");
    expect(told.map(({ params }) => params.turnId ?? id)).toEqual(told.map(() => id));
    expect(client.running.stdout()).not.toContain("systemError");
    expect(client.running.stderr()).toMatch(/goes on with openai-codex:b/);
    expect((await world.broker.get("openai-codex:a")).state).toBe("PROFILE_STATE_COOLING_DOWN");
  });

  test("OpenClaw may interrupt a turn that has gone on, by the name that it knows", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    await world.login("b");
    world.backend.model = ({ account }) =>
      account === "acct-a" ? usageLimitReached({ resetsAtMs: Date.now() + HOUR }) : new Promise(() => {});
    const client = await startAppServer(world, [], { name: "openclaw" });
    const thread = await client.thread();
    const turnId = await client.begin(thread, "wait");
    await world.backend.seen(({ account, path }) => account === "acct-b" && path.endsWith("/responses"));
    expect(await client.request("turn/interrupt", { threadId: thread, turnId })).toHaveProperty("result");
    const [line] = await client.running.line(/^{"method":"turn\/completed".*$/);
    expect(JSON.parse(line).params.turn).toMatchObject({ id: turnId, status: "interrupted" });
  });

  test("with no account left OpenClaw is told of the limit as by Codex itself, all of it and in order", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    await world.login("b");
    world.backend.model = () => usageLimitReached({ resetsAtMs: Date.now() + HOUR });
    const client = await startAppServer(world, [], { name: "openclaw" });
    const thread = await client.thread();
    expect(await client.turn(thread, "the task")).toMatchObject({
      status: "failed",
      error: { codexErrorInfo: "usageLimitExceeded" },
    });
    expect(world.backend.modelRequests().map(({ account }) => account)).toEqual(["acct-a", "acct-b"]);
    const told = client.told().map(({ method, params }) => [method, params] as const);
    const ends = told.filter(([method]) => method === "error" || method === "turn/completed");
    expect(ends.map(([method]) => method)).toEqual(["error", "turn/completed"]);
    const statuses = told.filter(([method]) => method === "thread/status/changed");
    expect(statuses.at(-1)?.[1]).toMatchObject({ status: { type: "systemError" } });
  });

  test("with every account at its limit a turn is refused with the reason and the time, and nobody is asked", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    world.backend.model = () => usageLimitReached({ resetsAtMs: Date.now() + 3 * HOUR });
    const client = await startAppServer(world);
    const thread = await client.thread();
    expect(await client.turn(thread, "the first")).toMatchObject({ status: "failed" });
    const { error } = await client.request("turn/start", { threadId: thread, input: [] });
    expect(error?.message).toMatch(/^429 usage limit: .*; Retry-After: \d+ seconds$/);
    expect(error?.data).toMatchObject({
      reason: "ALL_COOLING_DOWN",
      profiles: [{ profile: "openai-codex:a", reason: "COOLING_DOWN" }],
    });
    expect(world.backend.modelRequests()).toHaveLength(1);
  });

  test("what a turn has used up is known to the broker while the thread goes on", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    const resetsAtSec = Math.floor(world.broker.nowMs / 1000) + 3_600;
    world.backend.model = () =>
      says("done", {
        "x-codex-primary-used-percent": "42",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": String(resetsAtSec),
      });
    const client = await startAppServer(world);
    const thread = await client.thread();
    await client.turn(thread, "the first");
    await client.turn(thread, "the second");
    expect((await world.broker.get("openai-codex:a")).usageWindows).toMatchObject([
      { name: "primary", usedPercent: 42, windowMinutes: 300 },
    ]);
  });

  test("a login that would bring a refresh token of its own is refused, and names the broker's", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    const client = await startAppServer(world);
    for (const type of ["chatgpt", "chatgptDeviceCode"]) {
      const { error } = await client.request("account/login/start", { type });
      expect(error?.message).toContain("auth-broker login openai-codex");
    }
    expect(world.backend.requests).toEqual([]);
  });

  test("a broker that is away does not hold up a thread that has a login", async () => {
    const world = await codexWorld({ tls: true });
    const token = await world.login("a");
    const client = await startAppServer(world);
    const thread = await client.thread();
    await client.turn(thread, "the first");
    await world.broker.drain();
    expect(await client.turn(thread, "the second")).toMatchObject({ status: "completed" });
    expect(world.backend.modelRequests().map((request) => request.token)).toEqual([token, token]);
  });

  test.for(["hangs up", "is killed with the shim"])(
    "when the client %s in the middle of a turn nothing is left",
    async (how) => {
      const world = await codexWorld({ tls: true });
      await world.login("a");
      world.backend.model = () => new Promise(() => {});
      const client = await startAppServer(world);
      await client.begin(await client.thread(), "wait");
      await world.backend.seen(({ path }) => path.endsWith("/responses"));
      if (how === "hangs up") client.running.hangUp();
      else await client.running.kill("SIGKILL");
      await client.running.exited;
      await until(() => world.processes().length === 0);
      expect(homesOf(client.running.pid)).toEqual([]);
    },
  );

  test("an app-server that does not end with its client is ended", async () => {
    const world = await codexWorld({ tls: true });
    await writeFile(join(world.work, "codex"), "#!/bin/sh\necho here\nexec sleep 1000", { mode: 0o755 });
    const running = await world.start(["app-server"], { env: { PATH: `${world.work}:/usr/bin:/bin` } });
    await running.line(/^here$/);
    expect(await running.exited).toMatchObject({ code: 143 });
  });

  test("a client that writes before it reads is not held up by what the server says", async () => {
    const world = await codexWorld();
    const talkative = '#!/bin/sh\nyes "{}" &\ncat >/dev/null\nkill $!';
    await writeFile(join(world.work, "codex"), talkative, { mode: 0o755 });
    const env = { ...world.env, PATH: `${world.work}:/usr/bin:/bin` };
    const shim = spawn(process.execPath, [DROP_IN, "app-server"], {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(shim.stdout, "readable");
    shim.stdin.end(`${"x".repeat(4_000_000)}\n`);
    await once(shim.stdin, "finish");
    shim.kill("SIGKILL");
    await once(shim, "exit");
  });

  test("an app-server that ends by itself ends the shim with its own code, the client still there", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    const client = await startAppServer(world);
    const children = readFileSync(`/proc/${client.running.pid}/task/${client.running.pid}/children`, "utf8");
    process.kill(Number(children.trim().split(" ").at(-1)), "SIGKILL");
    expect(await client.running.exited).toMatchObject({ code: 137 });
  });

  test("it lives in the home that its client names, and takes the settings that its client adds", async () => {
    const world = await codexWorld({ tls: true });
    const token = await world.login("a");
    const args = [
      "-c",
      'cli_auth_credentials_store="ephemeral"',
      "-c",
      'model="gpt-5.4-mini"',
      "--listen",
      "stdio://",
    ];
    const client = await startAppServer(world, args, { env: { CODEX_HOME: world.codexHome } });
    await client.turn(await client.thread(), "hello");
    expect(world.backend.modelRequests()).toMatchObject([
      { token, body: expect.stringContaining("gpt-5.4-mini") },
    ]);
  });

  test("a prompt as long as Codex takes one goes through", async () => {
    const world = await codexWorld({ tls: true });
    await world.login("a");
    const client = await startAppServer(world);
    const text = "äö".repeat(250_000);
    expect(await client.turn(await client.thread(), text)).toMatchObject({ status: "completed" });
    expect(world.backend.modelRequests()[0]?.body).toContain(text);
  });
});

/** The token endpoint gives this login a new token; gives the token. */
function renewal({ broker }: CodexWorld, name: string): string {
  const { accessToken, refreshToken, idToken } = tokens(name, broker.nowMs, 2 * HOUR, 2);
  const fields = {
    access_token: accessToken,
    refresh_token: refreshToken,
    id_token: idToken,
    expires_in: 7_200,
  };
  broker.token.always(() => json(200, fields));
  return accessToken;
}
