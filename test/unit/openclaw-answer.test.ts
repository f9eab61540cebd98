import { expect, test } from "vitest";
import { refusalOf } from "../../src/openclaw-plugin/answer.ts";
import type { AssistantMessage } from "../../src/openclaw-plugin/host.ts";
import { providersOf, wanted } from "../../src/openclaw-plugin/setting.ts";

const error = (fields: Partial<AssistantMessage>) => ({ errorMessage: "", ...fields }) as AssistantMessage;

test("status, body and Retry-After come out of what OpenClaw keeps of a refusal", () => {
  const said = error({
    errorMessage: "429: The usage limit has been reached; Retry-After: 120 seconds",
    errorCode: "usage_limit_reached",
    errorBody: '{"type":"usage_limit_reached"}',
  });
  expect(refusalOf(said, undefined, false)).toEqual({
    status: 429,
    headers: { "retry-after": "120" },
    body: '{"type":"usage_limit_reached"}',
  });
});

test("where the wire format tells the headers they count, and the text is the body without one", () => {
  const head = { status: 529, headers: { "request-id": "r" } };
  expect(refusalOf(error({ errorMessage: "529 Overloaded" }), head, false)).toEqual({
    status: 529,
    headers: { "request-id": "r" },
    body: "Overloaded",
  });
});

test("a status that stands only in the code is one too", () => {
  expect(refusalOf(error({ errorMessage: "no", errorCode: "503" }), undefined, false)).toMatchObject({
    status: 503,
  });
});

test("an error after a good status is one of the stream", () => {
  const head = { status: 200, headers: { used: "1" } };
  const said = error({ errorMessage: "usage limit", errorBody: "{}" });
  expect(refusalOf(said, head, true)).toEqual({ headers: { used: "1" }, body: "{}", source: "STREAM_EVENT" });
});

test("no answer at all is a broken connection", () => {
  const said = error({ errorMessage: "Connection error.", errorCode: "ECONNREFUSED" });
  expect(refusalOf(said, undefined, false)).toEqual({ transportError: "ECONNREFUSED" });
});

test("a model's own choice goes before the plugin's, and that before the default", () => {
  const model = { id: "m", api: "openai-responses" };
  expect(wanted({}, model)).toEqual({ provider: "openai-codex", model: "m" });
  expect(wanted({ provider: "p", pool: "work" }, model)).toEqual({ provider: "p", model: "m", pool: "work" });
  const setting = { provider: "p", models: { m: { provider: "q", pool: "home" } } };
  expect(wanted(setting, model)).toEqual({ provider: "q", model: "m", pool: "home" });
  expect([...providersOf(setting)]).toEqual(["p", "q"]);
  expect([...providersOf({ models: { m: { provider: "q" } } })]).toEqual(["q"]);
});

test("of a vendor whose terms bind its logins to its own client only keys are asked for, unless the operator decides", () => {
  const model = { id: "m", api: "anthropic-messages" };
  expect(wanted({ provider: "anthropic" }, model)).toMatchObject({ kinds: ["API_KEY"] });
  expect(wanted({ provider: "anthropic", kinds: ["OAUTH"] }, model)).toMatchObject({ kinds: ["OAUTH"] });
});
