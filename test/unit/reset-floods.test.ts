import type { ServerHttp2Stream } from "node:http2";
import { beforeEach, describe, expect, test } from "vitest";
import { ResetFloods, type Verdict } from "../../src/endpoint/reset-floods.ts";

const PEER = "agent#1/1";

let nowMs: number;
let nextTurn: () => void;
let floods: ResetFloods;

beforeEach(() => {
  nowMs = 0;
  floods = new ResetFloods(
    () => nowMs,
    (run) => {
      nextTurn = run;
    },
  );
});

type Stream = { rstCode: number; writableEnded: boolean };

function begin(): Stream {
  const stream = { rstCode: 0, writableEnded: false };
  floods.began(stream as ServerHttp2Stream, PEER);
  return stream;
}

const end = (stream: Stream) => floods.ended(stream as ServerHttp2Stream, PEER);

/** Resets them all; says what was said of the connection, and after how many before it. */
function reset(streams: readonly Stream[], rstCode = 8): [number, Verdict][] {
  return streams.flatMap((stream, before): [number, Verdict][] => {
    const verdict = end(Object.assign(stream, { rstCode }));
    return verdict === undefined ? [] : [[before, verdict]];
  });
}

function answer(stream: Stream): Verdict | undefined {
  stream.writableEnded = true;
  return end(stream);
}

const many = (count: number) => Array.from({ length: count }, begin);

describe("a connection must end, which is said once", () => {
  test.each([0, 8, 7])("at 200 calls that are reset in the turn that brought them, code %i", (code) => {
    expect(reset(many(2_000), code)).toEqual([[199, "flood"]]);
  });

  test("when it goes on like that a few at a time", () => {
    expect(reset(many(150))).toEqual([]);
    nextTurn();
    nowMs += 1_000;
    expect(reset(many(90))).toEqual([[82, "flood"]]);
  });

  test.each([0, 8])(
    "when Node reads it no more: after a thousand resets, code %i, waited for or not",
    (code) => {
      const streams = many(2_000);
      nextTurn();
      nowMs += 60_000;
      expect(reset(streams, code)).toEqual([[999, "deaf"]]);
    },
  );
});

describe("a connection goes on", () => {
  test("when it resets what it has waited for, some hundred at a time", () => {
    for (let i = 0; i < 20; i += 1, nowMs += 30_000) {
      const streams = many(900);
      nextTurn();
      expect(reset(streams)).toEqual([]);
    }
  });

  test("when its calls are answered, however many they are", () => {
    for (let i = 0; i < 5_000; i += 1) expect(answer(begin())).toBeUndefined();
  });

  test("when it thinks better of a hundred calls at once, now and then", () => {
    for (let i = 0; i < 5; i += 1, nowMs += 10_000) {
      expect(reset(many(150))).toEqual([]);
      nextTurn();
    }
  });
});

test("it has a call open until its last one is over, or it is gone", () => {
  expect(floods.has(PEER)).toBe(false);
  const [first, second] = [begin(), begin()];
  answer(first);
  expect(floods.has(PEER)).toBe(true);
  answer(second);
  expect(floods.has(PEER)).toBe(false);
  begin();
  floods.gone(PEER);
  expect(floods.has(PEER)).toBe(false);
});
