import type { ServerHttp2Stream } from "node:http2";
import { beforeEach, describe, expect, test } from "vitest";
import { ResetFloods } from "../../src/endpoint/reset-floods.ts";

let nowMs: number;
let floods: ResetFloods;

beforeEach(() => {
  nowMs = 0;
  floods = new ResetFloods(() => nowMs);
});

/** A connection that makes calls. */
function connection() {
  const peer = "agent#1/1";
  const calls = (count: number) =>
    Array.from({ length: count }, () => {
      const stream = {} as ServerHttp2Stream;
      floods.began(stream, peer);
      return stream;
    });
  const end = (streams: readonly ServerHttp2Stream[], isReset = false) =>
    streams.map((stream) => floods.ended(stream, peer, isReset)).includes(true);
  return { peer, calls, end };
}

describe("a connection that resets what it has just begun, again and again,", () => {
  test("ends, once it has done so eight hundred times", () => {
    const one = connection();
    expect(one.end(one.calls(799), true)).toBe(false);
    expect(one.end(one.calls(1), true)).toBe(true);
    floods.gone(one.peer);
    expect(floods.has(one.peer)).toBe(false);
  });

  test("is another thing than one that cancels what it has waited for, or a few calls now and then", () => {
    const one = connection();
    const waiting = one.calls(1_000);
    expect(floods.has(one.peer)).toBe(true);
    nowMs += 1_200;
    expect(one.end(waiting, true)).toBe(false);
    expect(floods.has(one.peer)).toBe(false);
    for (let i = 0; i < 50; i += 1, nowMs += 1_000) expect(one.end(one.calls(70), true)).toBe(false);
  });
});
