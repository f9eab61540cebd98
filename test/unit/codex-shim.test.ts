import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { Acquired, Broker, Report, ReportOptions } from "../../src/client/index.ts";
import { Loan } from "../../src/codex/loan.ts";
import { Shim } from "../../src/codex/shim.ts";
import { fakeJwt } from "../support/jwt.ts";
import { turns, until } from "../support/until.ts";

const INITIALIZE = '{"id":0,"method":"initialize","params":{}}';
const TURN = '{"method":"turn/start","id":7,"params":{"threadId":"t","input":[]}}';

test("everything but the login goes through byte for byte, even what is no message", async () => {
  const world = shimWorld();
  world.client.input.write(`${INITIALIZE}\n not json\r\n{"a":1}`);
  world.client.input.end("\n[1]");
  await world.fromClient;
  expect(world.server.output.read().toString()).toBe(`${INITIALIZE}\n not json\r\n{"a":1}\n[1]`);
  const said =
    '{"method":"item/agentMessage/delta","params":{"delta":"\\"method\\":\\"turn/completed\\""}}\n{"id":';
  world.server.input.end(said);
  await world.fromServer;
  expect(world.client.output.read().toString()).toBe(said);
});

test("requests wait for the login, in order, and what the server says meanwhile does not", async () => {
  const world = shimWorld();
  world.client.input.write(`${INITIALIZE}\n${TURN}\n{"method":"turn/interrupt","id":8}\n`);
  const login = await world.asked("account/login/start");
  expect(login.params).toEqual({
    type: "chatgptAuthTokens",
    accessToken: world.granted.credential.oauth?.accessToken,
    chatgptAccountId: "acct-a",
    chatgptPlanType: "plus",
  });
  world.server.input.write('{"method":"warning","params":{}}\n');
  await until(() => world.client.output.readableLength > 0);
  expect(world.seen()).toEqual(["initialize", "account/login/start"]);
  world.server.input.write(`${JSON.stringify({ id: login.id, result: { type: "chatgptAuthTokens" } })}\n`);
  await world.asked("turn/interrupt");
  expect(world.seen()).toEqual(["initialize", "account/login/start", "turn/start", "turn/interrupt"]);
  expect(world.client.output.read().toString()).toBe('{"method":"warning","params":{}}\n');
});

test("a server that is not read is not written to any further, and the other direction goes on", async () => {
  const world = shimWorld();
  const line = `{"method":"note","params":"${"x".repeat(20_000)}"}\n`;
  for (let n = 0; n < 50; n += 1) world.client.input.write(line);
  await turns(200);
  expect(world.server.output.writableLength).toBeLessThan(3 * line.length);
  world.server.input.write('{"method":"warning"}\n');
  await until(() => world.client.output.readableLength > 0);
});

test("a login that Codex refuses is told to the client at its turn, which does not reach the server", async () => {
  const world = shimWorld();
  world.client.input.write(`${INITIALIZE}\n${TURN}\n`);
  const login = await world.asked("account/login/start");
  world.server.input.write(
    `${JSON.stringify({ error: { code: 1, message: "no such plan" }, id: login.id })}\n`,
  );
  await until(() => world.client.output.readableLength > 0);
  const answer = JSON.parse(world.client.output.read().toString());
  expect(answer).toMatchObject({ id: 7, error: { message: expect.stringContaining("no such plan") } });
  expect(world.seen()).not.toContain("turn/start");
});

test("a client that has logged out stays so", async () => {
  const world = shimWorld();
  world.client.input.write(`${INITIALIZE}\n{"id":1,"method":"account/logout"}\n${TURN}\n`);
  await world.asked("turn/start");
  expect(world.seen()).toEqual(["initialize", "account/logout", "turn/start"]);
});

test("a server that asks for a token gets an answer though the broker gives none", async () => {
  const world = shimWorld();
  world.client.input.write(`${INITIALIZE}\n{"id":1,"method":"account/read"}\n`);
  const login = await world.asked("account/login/start");
  world.server.input.write(`${JSON.stringify({ id: login.id, result: {} })}\n`);
  await world.asked("account/read");
  world.server.input.write('{"method":"account/chatgptAuthTokens/refresh","id":3,"params":{}}\n');
  await until(() => world.lines().some((line) => line.includes('"error"')));
  expect(JSON.parse(world.lines().at(-1) ?? "")).toMatchObject({ id: 3, error: { message: "nothing left" } });
  expect(world.reports).toMatchObject([{ outcome: "AUTH_INVALID_TOKEN", acquireNext: true }]);
  expect(world.client.output.readableLength).toBe(0);
});

test.each([
  ["openclaw", "completed", ["turn/started", "turn/completed"]],
  ["an editor", "failed", ["turn/started", "thread/status/changed", "error", "turn/completed"]],
])(
  "a turn of %s at a limit ends as %s, and what comes before the end fits to that",
  async (name, status, methods) => {
    const world = shimWorld();
    const initialize = { id: 0, method: "initialize", params: { clientInfo: { name } } };
    const input = [{ type: "text", text: "hello" }];
    world.client.input.write(
      `${JSON.stringify(initialize)}\n${JSON.stringify({ id: 7, method: "turn/start", params: { threadId: "t", input } })}\n`,
    );
    const says = (message: object) => world.server.input.write(`${JSON.stringify(message)}\n`);
    says({ id: (await world.asked("account/login/start")).id, result: {} });
    await world.asked("turn/start");
    world.serves("b");
    says({ id: 7, result: { turn: { id: "T1" } } });
    says({ method: "turn/started", params: { threadId: "t", turn: { id: "T1" } } });
    says({ method: "thread/status/changed", params: { threadId: "t", status: { type: "systemError" } } });
    says({ method: "error", params: { threadId: "t", willRetry: false, error: {} } });
    const error = { message: "limit", codexErrorInfo: "usageLimitExceeded" };
    says({
      method: "turn/completed",
      params: { threadId: "t", turn: { id: "T1", status: "failed", error } },
    });
    if (status === "completed") {
      await until(() => world.seen().filter((method) => method === "account/login/start").length === 2);
      const [, login] = world.messages().filter(({ method }) => method === "account/login/start");
      expect(login.params.chatgptAccountId).toBe("acct-b");
      says({ id: login.id, result: {} });
      await until(() => world.seen().filter((method) => method === "turn/start").length === 2);
      const [, again] = world.messages().filter(({ method }) => method === "turn/start");
      expect(again.params).toEqual({ threadId: "t", input: [] });
      says({ id: again.id, result: { turn: { id: "T2" } } });
      says({ method: "turn/started", params: { threadId: "t", turn: { id: "T2" } } });
      says({ method: "turn/completed", params: { threadId: "t", turn: { id: "T2", status: "completed" } } });
    }
    let told = "";
    await until(() => {
      told += world.client.output.read()?.toString() ?? "";
      return told.includes("turn/completed");
    });
    const [answer, ...rest] = told
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answer).toMatchObject({ id: 7, result: { turn: { id: "T1" } } });
    expect(rest.map(({ method }) => method)).toEqual(methods);
    expect(rest.at(-1).params.turn).toMatchObject({ id: "T1", status });
  },
);

/** A shim between streams, with a broker that has one login and nothing in its place. */
function shimWorld() {
  const small = { highWaterMark: 16 * 1024 };
  const client = { input: new PassThrough(small), output: new PassThrough(small) };
  const server = { input: new PassThrough(small), output: new PassThrough(small) };
  const grantOf = (name: string) =>
    ({
      lease: {
        ...{
          leaseId: "l",
          provider: "openai-codex",
          profile: `openai-codex:${name}`,
          generation: 1,
          sessionId: "s",
        },
        ...{ issueTime: new Date(), expireTime: new Date(Date.now() + 3_600_000), trial: false },
        costClass: "COST_CLASS_SUBSCRIPTION",
      },
      credential: {
        oauth: {
          ...{ accessToken: fakeJwt({ sub: name }), tokenType: "Bearer", idToken: "" },
          ...{ accountId: `acct-${name}`, planType: "plus" },
        },
        ...{ baseUrl: "", headers: {}, attributes: {} },
      },
    }) satisfies Acquired;
  const granted = grantOf("a");
  let serving: Acquired = granted;
  const reports: ReportOptions[] = [];
  const broker = {
    acquire: async () => serving,
    report: async (options: ReportOptions) => {
      reports.push(options);
      const unavailable = { reason: "LOGIN_REQUIRED", message: "nothing left", help: "", profiles: [] };
      return { next: { unavailable } } as unknown as Report;
    },
  } as unknown as Broker;
  const options = {
    provider: "openai-codex",
    sessionId: "s",
    profile: undefined,
    model: undefined,
    failover: true,
  };
  const shim = new Shim({ client, server }, new Loan(broker, options, () => {}), () => {});
  let text = "";
  const lines = () => {
    text += server.output.read()?.toString() ?? "";
    return text.split("\n").slice(0, -1);
  };
  const messages = () => lines().map((line) => JSON.parse(line));
  return {
    ...{ client, server, granted, reports, lines, messages },
    /** This account serves from now on. */
    serves: (name: string) => {
      serving = grantOf(name);
    },
    fromClient: shim.fromClient(),
    fromServer: shim.fromServer(),
    seen: () => messages().map(({ method }) => method),
    async asked(method: string) {
      await until(() => messages().some((message) => message.method === method));
      return messages().find((message) => message.method === method);
    },
  };
}
