import { describe, expect, test, vi } from "vitest";
import { bodyBytes, bodyOf, plainHeaders } from "../../src/client/answer.ts";
import { answerOf } from "../../src/client/failed-call.ts";

const coded = (code: string, more: object = {}) => Object.assign(new Error("x"), { code, ...more });
const caused = (cause: unknown) => new TypeError("fetch failed", { cause });

describe("errors of a broken connection", () => {
  test.each([
    ["a code", coded("ECONNRESET"), "ECONNRESET"],
    ["a name that does not resolve", coded("EAI_AGAIN"), "EAI_AGAIN"],
    ["a cause", caused(coded("ECONNREFUSED")), "ECONNREFUSED"],
    [
      "a cause of a cause",
      new Error("Connection error.", { cause: caused(coded("UND_ERR_SOCKET")) }),
      "UND_ERR_SOCKET",
    ],
    ["a timeout", new DOMException("x", "TimeoutError"), "TimeoutError"],
    ["an abort", new DOMException("x", "AbortError"), "AbortError"],
    [
      "an SDK's timeout, which has neither code nor cause",
      new (class APIConnectionTimeoutError extends Error {})("Request timed out."),
      "APIConnectionTimeoutError",
    ],
  ])("%s", async (_case, error, transportError) => {
    expect(await answerOf(error)).toEqual({ transportError });
  });
});

describe("errors that carry an answer", () => {
  const text = (body: Uint8Array | string | undefined) => Buffer.from(body ?? "").toString();

  test.each([
    ["axios", { response: { status: 429, headers: { A: "1" }, data: { error: "x" } } }, '{"error":"x"}'],
    ["got", { response: { statusCode: 429, headers: { a: ["1"] }, body: "text" } }, "text"],
    [
      "anthropic",
      { status: 429, headers: new Headers({ a: "1" }), error: { error: { type: "t" } } },
      '{"error":{"type":"t"}}',
    ],
    [
      "openai, without the envelope",
      { status: 429, headers: { a: "1" }, error: { code: "c" } },
      '{"error":{"code":"c"}}',
    ],
    ["ky", { response: new Response("text", { status: 429, headers: { a: "1" } }) }, "text"],
  ])("%s", async (_library, fields, body) => {
    const answer = await answerOf(Object.assign(new Error("429"), fields));
    expect(answer).toMatchObject({ httpStatus: 429, headers: { a: "1" } });
    expect(text(answer?.body)).toBe(body);
  });

  test("an answer counts more than a code beside it", async () => {
    expect(await answerOf(coded("ECONNRESET", { status: 503 }))).toMatchObject({ httpStatus: 503 });
  });
});

test.each([
  ["a bug", new TypeError("x is not a function")],
  ["a missing file", coded("ENOENT")],
  ["a wrong address", coded("ERR_INVALID_URL")],
  ["a status that is none", Object.assign(new Error("x"), { status: "failed" })],
  ["a text", "ECONNRESET"],
  ["nothing", undefined],
])("%s says nothing about the provider", async (_case, error) => {
  expect(await answerOf(error)).toBeUndefined();
});

test("an error that is its own cause is looked at no longer than others", async () => {
  const error = new Error("x");
  error.cause = error;
  expect(await answerOf(error)).toBeUndefined();
});

describe("headers", () => {
  test("of every form, in lower case, without cookies and what is too long", () => {
    const expected = { a: "1", "retry-after": "2" };
    expect(
      plainHeaders({
        A: "1",
        "Retry-After": 2,
        "Set-Cookie": ["s=1"],
        long: "x".repeat(9_000),
        none: undefined,
      }),
    ).toEqual(expected);
    expect(plainHeaders(new Headers({ A: "1", "Retry-After": "2", "Set-Cookie": "s=1" }))).toEqual(expected);
    expect(
      plainHeaders(
        new Map([
          ["A", "1"],
          ["Retry-After", "2"],
        ]),
      ),
    ).toEqual(expected);
    expect(plainHeaders({ a: ["1", "2"] })).toEqual({ a: "1, 2" });
    expect(plainHeaders(undefined)).toEqual({});
  });

  test("as many as a message takes", () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x-${index}`, "1"]));
    expect(Object.keys(plainHeaders(many))).toHaveLength(128);
  });
});

test("a body is at most 64 KiB, whatever it was made of", () => {
  expect(bodyBytes("é".repeat(65_536))).toHaveLength(65_536);
  expect(bodyBytes(new Uint8Array(100_000))).toHaveLength(65_536);
  expect(Buffer.from(bodyBytes({ a: 1 })).toString()).toBe('{"a":1}');
  expect(bodyBytes(undefined)).toHaveLength(0);
});

test("a body that trickles in is cut off after two seconds", async () => {
  vi.useFakeTimers();
  try {
    let start = (_: ReadableStreamDefaultController<Uint8Array>) => {};
    const started = new Promise<ReadableStreamDefaultController<Uint8Array>>((resolve) => {
      start = resolve;
    });
    const response = new Response(new ReadableStream({ start: (controller) => start(controller) }), {
      status: 500,
    });
    const reading = bodyOf(response);
    (await started).enqueue(Buffer.from("first part"));
    await vi.advanceTimersByTimeAsync(1_999);
    let isRead = false;
    void reading.then(() => {
      isRead = true;
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(isRead).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(Buffer.from(await reading).toString()).toBe("first part");
  } finally {
    vi.useRealTimers();
  }
});
