import type { ServerHttp2Stream } from "node:http2";
import { beforeEach, describe, expect, test } from "vitest";
import { introduce } from "../../src/endpoint/peer.ts";
import { ResetFloods } from "../../src/endpoint/reset-floods.ts";

let nowMs: number;
let floods: ResetFloods;

beforeEach(() => {
  nowMs = 0;
  floods = new ResetFloods(() => nowMs);
});

/** A connection of one process that makes calls. */
function connection(pid: number) {
  const identity = { pid, program: { start: "1" } };
  const peer = introduce({ endpoint: "agent", number: 1, ...identity });
  const calls = (count: number) =>
    Array.from({ length: count }, () => {
      const stream = {} as ServerHttp2Stream;
      floods.began(stream, peer);
      return stream;
    });
  const end = (streams: readonly ServerHttp2Stream[], isReset = false) =>
    streams.map((stream) => floods.ended(stream, peer, isReset)).includes(true);
  return { identity, peer, calls, end };
}

describe("a connection that resets what it has just begun, again and again,", () => {
  test("ends, and its process stays out for a second, then for two", () => {
    for (const heldMs of [1_000, 2_000]) {
      const one = connection(7);
      expect(one.end(one.calls(799), true)).toBe(false);
      expect(floods.refuses(one.identity)).toBe(false);
      expect(one.end(one.calls(1), true)).toBe(true);
      floods.gone(one.peer);
      expect(floods.refuses(one.identity)).toBe(true);
      expect(floods.refuses({ pid: 8, program: { start: "1" } })).toBe(false);
      expect(floods.refuses({ pid: 7, program: { start: "2" } })).toBe(false);
      nowMs += heldMs - 1;
      expect(floods.refuses(one.identity)).toBe(true);
      nowMs += 1;
      expect(floods.refuses(one.identity)).toBe(false);
    }
  });

  test("is another thing than one that cancels what it has waited for, or a few calls now and then", () => {
    const one = connection(1);
    const waiting = one.calls(1_000);
    expect(floods.has(one.peer)).toBe(true);
    nowMs += 200;
    expect(one.end(waiting, true)).toBe(false);
    expect(floods.has(one.peer)).toBe(false);
    for (let i = 0; i < 50; i += 1, nowMs += 1_000) expect(one.end(one.calls(70), true)).toBe(false);
  });
});
