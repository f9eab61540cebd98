import { expect, test } from "vitest";
import { sharedConnection } from "../../src/openclaw-plugin/connection.ts";
import type { AssistantMessage, EventStream, StreamEvent, StreamFn } from "../../src/openclaw-plugin/host.ts";
import { authbroker } from "../../src/openclaw-plugin/provider.ts";
import type { Setting } from "../../src/openclaw-plugin/setting.ts";
import { type FakeBroker, granted, unavailable } from "../support/fake-broker.ts";
import { fakeBroker } from "../support/fake-connection.ts";

const MODEL = { id: "m", api: "openai-responses", provider: "authbroker", baseUrl: "http://model" };
const message = (more: Partial<AssistantMessage> = {}): AssistantMessage => ({
  ...{ role: "assistant", content: [], api: MODEL.api, provider: MODEL.provider, model: "m", usage: {} },
  ...{ stopReason: "stop", timestamp: 1, ...more },
});
const start: StreamEvent = { type: "start" };
const word: StreamEvent = { type: "text_delta" };
const done: StreamEvent = { type: "done", message: message() };
const failed = (more: Partial<AssistantMessage>): StreamEvent => ({
  type: "error",
  reason: "error",
  error: message({ stopReason: "error", ...more }),
});
const limit = failed({
  errorMessage: "429: limit; Retry-After: 7 seconds",
  errorCode: "limit",
  errorBody: '{"error":{}}',
});

/** OpenClaw's part: the wire answers with these streams, one after the other. */
async function openclaw(answers: StreamEvent[][], setting: Setting = {}) {
  const fake = await fakeBroker();
  const sent: { model: object; headers: object | undefined }[] = [];
  const streamFn: StreamFn = async (model, _context, options) => {
    sent.push({ model, headers: options?.headers });
    const events = answers.shift() ?? [];
    if (events.at(-1)?.type === "done")
      await options?.onResponse?.({ status: 200, headers: { used: "1" } }, model);
    return streamOf(events);
  };
  const plugin = authbroker(setting, sharedConnection({ address: fake.path }));
  const ask = plugin.wrapStreamFn({ streamFn }) ?? expect.unreachable();
  const heard = async (options = {}, model = MODEL): Promise<string[]> => {
    const types: string[] = [];
    for await (const event of await ask(model, {}, { sessionId: "s1", ...options }))
      types.push(textOf(event));
    return types;
  };
  return { fake, sent, ask, heard, plugin };
}

function streamOf(events: StreamEvent[]): EventStream {
  return {
    async *[Symbol.asyncIterator]() {
      yield* events;
    },
    result: async () => message(),
  };
}

const textOf = (event: StreamEvent) =>
  event.type === "error" ? (event.error.errorMessage ?? "") : event.type;
const reports = (fake: FakeBroker) => fake.asked.ReportOutcome ?? [];
const next = (profile: string) => ({
  applied: true,
  outcome: "OUTCOME_USAGE_LIMIT",
  advice: { action: "ADVICE_ACTION_RETRY_NEXT", delay: { seconds: 0, nanos: 0 } },
  next: { granted: granted(profile) },
});

test("a request carries the broker's credential for OpenClaw's session and model", async () => {
  const { fake, sent, heard } = await openclaw([[start, word, done]], {
    provider: "p",
    pool: "work",
    models: { m: { kinds: ["OAUTH"] } },
  });
  expect(await heard({ headers: { traceparent: "t" } })).toEqual(["start", "text_delta", "done"]);
  expect(fake.asked.AcquireCredential).toMatchObject([
    { provider: "p", model: "m", sessionId: "s1", pool: "work", kinds: ["PROFILE_KIND_OAUTH"] },
  ]);
  expect(sent).toMatchObject([
    { headers: { traceparent: "t", authorization: expect.stringContaining("Bearer ") } },
  ]);
  await expect
    .poll(() => reports(fake))
    .toMatchObject([{ providerResponse: { httpStatus: 200, headers: { used: "1" } } }]);
});

test("a refusal before the user has seen anything goes on with the next account, and nobody sees it", async () => {
  const { fake, sent, heard } = await openclaw([
    [start, limit],
    [start, word, done],
  ]);
  fake.report = () => next("p:b");
  expect(await heard()).toEqual(["start", "text_delta", "done"]);
  expect(sent).toHaveLength(2);
  const [report] = reports(fake);
  expect(report).toMatchObject({
    acquireNext: true,
    providerResponse: { httpStatus: 429, headers: { "retry-after": "7" }, body: Buffer.from('{"error":{}}') },
  });
});

test("once the user has seen a part of the answer there is no second try", async () => {
  const { fake, sent, heard } = await openclaw([[start, word, limit]]);
  fake.report = () => next("p:b");
  expect(await heard()).toEqual(["start", "text_delta", "429: limit; Retry-After: 7 seconds"]);
  expect(sent).toHaveLength(1);
  expect(reports(fake)).toMatchObject([{ responseStarted: true }]);
});

test("no account left after a refusal: the broker's reason and time, not the provider's", async () => {
  const { fake, heard } = await openclaw([[start, limit]]);
  fake.report = () => ({
    ...next("p:b"),
    advice: { action: "ADVICE_ACTION_WAIT", delay: { seconds: 7_200, nanos: 0 } },
    next: { unavailable: unavailable("ALL_COOLING_DOWN", 7_200_000) },
  });
  const [text] = await heard();
  expect(text).toMatch(/^429 auth-broker: usage limit: .*; the first resets at /);
  // OpenClaw would wait that long within the turn.
  expect(text).not.toMatch(/retry-after|try again in/i);
});

test("a short wait is one that OpenClaw may do itself", async () => {
  const { fake, heard } = await openclaw([[start, limit]]);
  fake.report = () => ({
    ...next("p:b"),
    advice: { action: "ADVICE_ACTION_WAIT", delay: { seconds: 20, nanos: 0 } },
    next: { unavailable: unavailable("ALL_COOLING_DOWN", 20_000) },
  });
  expect(await heard()).toEqual([
    expect.stringMatching(/^429 auth-broker: rate limit: .*; Retry-After: (19|20) seconds$/),
  ]);
});

test("no broker: an error that says what to do; as soon as there is one the next request is served", async () => {
  const { fake, heard } = await openclaw([[start, word, done]]);
  fake.stop();
  const [text] = await heard();
  expect(text).toMatch(/^429 auth-broker: no plan or subscription can serve: .*auth-broker serve/);
  await fake.start();
  expect(await heard()).toEqual(["start", "text_delta", "done"]);
});

test("a slow broker delays a request and does not lose it", async () => {
  const { fake, heard } = await openclaw([[start, word, done]]);
  let answer = () => {};
  fake.acquire = () =>
    new Promise((resolve) => {
      answer = () => resolve(granted("p:a"));
    });
  const events = heard();
  await expect.poll(() => fake.asked.AcquireCredential).toHaveLength(1);
  answer();
  expect(await events).toEqual(["start", "text_delta", "done"]);
});

test("what was stopped is not sent elsewhere, and what the user stopped is no failure of the account", async () => {
  const aborted: StreamEvent = {
    type: "error",
    reason: "aborted",
    error: message({ stopReason: "aborted" }),
  };
  const { fake, sent, ask } = await openclaw([[start, aborted], []]);
  fake.report = () => next("p:b");
  const stopped = await ask(MODEL, {}, {});
  expect(await stopped.result()).toMatchObject({ stopReason: "aborted" });
  expect(sent).toHaveLength(1);
  const before = reports(fake).length;
  const stream = await ask(MODEL, {}, { signal: AbortSignal.abort() });
  expect(await stream.result()).toMatchObject({ stopReason: "aborted" });
  expect(reports(fake)).toHaveLength(before);
});

test("an API key of Anthropic takes the place of the handle, and only keys are asked for", async () => {
  const { fake, sent, heard } = await openclaw([[start, word, done]], { provider: "anthropic" });
  const headers = { "x-api-key": "sk-FAKE-k" };
  fake.acquire = () => ({ ...granted("anthropic:k"), credential: { apiKey: { key: "sk-FAKE-k" }, headers } });
  await heard({}, { ...MODEL, api: "anthropic-messages" });
  expect(fake.asked.AcquireCredential).toMatchObject([{ kinds: ["PROFILE_KIND_API_KEY"] }]);
  expect(sent).toMatchObject([{ headers }]);
});

test("what is left of each account is shown as usage", async () => {
  const { plugin } = await openclaw([], { models: { m: { provider: "p" } } });
  // This fake has no such service; the person reads why.
  expect(await plugin.fetchUsageSnapshot({})).toMatchObject({
    provider: "authbroker",
    error: expect.any(String),
  });
});

test("a refusal of one account never reaches OpenClaw as its own: it would bar every account", async () => {
  const refused = failed({ errorMessage: "401 Sign in again.", errorCode: "token_expired" });
  const { fake, heard } = await openclaw([
    [start, refused],
    [start, refused],
  ]);
  const login = { action: "ADVICE_ACTION_LOGIN", delay: { seconds: 0, nanos: 0 } };
  fake.report = () => ({
    ...next("p:b"),
    advice: login,
    next: { unavailable: unavailable("LOGIN_REQUIRED") },
  });
  expect(await heard()).toEqual([expect.stringMatching(/^429 auth-broker: .*LOGIN_REQUIRED/)]);
  fake.report = () => ({ ...next("p:a"), advice: login });
  expect(await heard()).toEqual([expect.stringMatching(/^429 auth-broker: .*refused the account \(401\)/)]);
});
