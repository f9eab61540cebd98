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
