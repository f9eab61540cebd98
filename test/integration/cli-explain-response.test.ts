import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emptyCli, errorJson } from "../support/cli.ts";

const RECEIVED = "2026-05-19T12:00:00Z";
const LIMITED = {
  httpStatus: 429,
  receiveTime: RECEIVED,
  headers: { "X-Codex-Primary-Used-Percent": "100", "X-Codex-Primary-Window-Minutes": "300" },
  bodyText: '{"error":{"type":"usage_limit_reached","resets_in_seconds":7200}}',
};

const explain = async (answer: object | string, args: string, config?: object) => {
  const cli = await emptyCli();
  if (config !== undefined) await writeFile(join(cli.home, "config.json"), JSON.stringify(config));
  const input = typeof answer === "string" ? answer : JSON.stringify(answer);
  return cli(`explain-response ${args} --response -`, { input });
};
const json = async (...args: Parameters<typeof explain>) => {
  const ended = await explain(args[0], `${args[1]} --json`, args[2]);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(ended.stdout);
};

test("without a broker it shows outcome, scope, reset, rule and windows of an answer", async () => {
  const ended = await explain(LIMITED, "openai-codex");
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(ended.stdout).toBe(
    [
      "outcome  USAGE_LIMIT",
      "scope    PROFILE",
      "reset    2026-05-19T14:00:00Z, here 2026-05-19 14:00, 2 h after the answer",
      "rule     codex.usage_limit_reached",
      "",
      "WINDOW   USED   LENGTH  STARTS ANEW",
      "primary  100 %  5 h",
      "",
    ].join("\n"),
  );
});

test("--json gives the same with the names of the wire", async () => {
  expect(await json(LIMITED, "openai")).toEqual({
    source: "RESPONSE_SOURCE_MODEL_API",
    outcome: "OUTCOME_USAGE_LIMIT",
    scope: "SCOPE_PROFILE",
    retryTime: "2026-05-19T14:00:00Z",
    receiveTime: RECEIVED,
    ban: false,
    rule: "codex.usage_limit_reached",
    usageWindows: [
      { name: "primary", windowMinutes: 300, usedPercent: 100, resetTime: null, observeTime: RECEIVED },
    ],
  });
});

test("a file as curl prints it is read, and what it does not state is said so", async () => {
  const cli = await emptyCli();
  const file = join(cli.home, "answer");
  await writeFile(file, 'HTTP/1.1 403 No\r\n\r\n{"error":{"code":"account_suspended","message":"x"}}');
  const { stdout } = await cli(`explain-response openai-codex --response ${file}`);
  expect(stdout).toMatch(/^outcome +FORBIDDEN$/m);
  expect(stdout).toMatch(/^reset +none stated$/m);
  expect(stdout).toMatch(/^ban +yes: /m);
  expect(stdout).toMatch(/^rule +banned$/m);
});

test("the model that was asked decides about a scope", async () => {
  const answer = { httpStatus: 404, bodyText: '{"error":{"code":"model_not_found"}}' };
  expect((await json(answer, "openai-codex --model m")).scope).toBe("SCOPE_PROFILE_MODEL");
  expect((await json(answer, "openai-codex")).scope).toBe("SCOPE_PROFILE");
});

test("the source that is given wins over the one in the file", async () => {
  const answer = { httpStatus: 429, source: "STREAM_EVENT" };
  expect(await json(answer, "openai-codex")).toMatchObject({ source: "RESPONSE_SOURCE_STREAM_EVENT" });
  expect(await json(answer, "openai-codex --source usage_api")).toMatchObject({
    source: "RESPONSE_SOURCE_USAGE_API",
    scope: "SCOPE_NONE",
    rule: expect.stringMatching(/^usage\./),
  });
});

test.each([
  ["invalid_grant", "over: a new one is needed", true],
  ["temporarily_unavailable", "not spent", false],
])("an answer of a token endpoint that says %s: the login is %s", async (code, login, terminal) => {
  const answer = { httpStatus: 400, bodyText: JSON.stringify({ error: code }) };
  const { stdout } = await explain(answer, "openai-codex --source token_endpoint");
  expect(stdout).toContain(`login    ${login}\n`);
  expect(await json(answer, "openai-codex --source token-endpoint")).toMatchObject({
    source: "RESPONSE_SOURCE_TOKEN_ENDPOINT",
    terminal,
  });
});

test("an operator's rule is seen at work, and longestWindow counts", async () => {
  const rules = [{ name: "mine", match: { status: 429 }, outcome: "BILLING", reset: "1h" }];
  expect(await json(LIMITED, "openai-codex", { rules })).toMatchObject({
    outcome: "OUTCOME_BILLING",
    retryTime: "2026-05-19T13:00:00Z",
    rule: "operator.mine",
  });
  const short = { cooldown: { longestWindow: "1h" } };
  expect((await json(LIMITED, "openai-codex", short)).retryTime).toBe(null);
});

test("a provider that nobody configured is read too, with a remark", async () => {
  const ended = await explain(LIMITED, "my-company");
  expect(ended).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("neither built in nor configured"),
  });
  expect(ended.stdout).toMatch(/^outcome +USAGE_LIMIT$/m);
});

test.each([
  ["a wrong config", LIMITED, "openai-codex", { rules: [{ name: "mine" }] }, 78, "rules[0]"],
  ["a source of no name", LIMITED, "openai-codex --source mail", {}, 64, "token_endpoint"],
  ["a provider of no name", LIMITED, "a:b", {}, 64, "openai-codex"],
  ["a wrong field", { httpStatus: 1_000 }, "openai-codex", {}, 64, "http_status"],
  ["an unknown field", { httpStatus: 429, sauce: 1 }, "openai-codex", {}, 64, "sauce"],
  ["a bare body", { error: { code: "x" } }, "openai-codex", {}, 64, "looks like a bare body"],
  ["nothing at all", {}, "openai-codex", {}, 64, "http_status"],
  ["a broken file", "{", "openai-codex", {}, 65, "not valid JSON"],
])("%s ends it", async (_what, answer, args, config, exit, why) => {
  const ended = await explain(answer, `${args} --json`, config);
  expect(ended).toMatchObject({ code: exit, stdout: "" });
  expect(errorJson(ended).message).toContain(why);
});

test("the answer must be given", async () => {
  const cli = await emptyCli();
  expect(await cli("explain-response openai-codex")).toMatchObject({
    code: 64,
    stderr: expect.stringContaining("--response"),
  });
});
