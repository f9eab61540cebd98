import type { ServerHttp2Stream } from "node:http2";
import { beforeEach, describe, expect, test } from "vitest";
import { Fairness } from "../../src/endpoint/fairness.ts";
import { introduce } from "../../src/endpoint/peer.ts";

const USUAL = 2_048;
let nowMs: number;
let fairness: Fairness;

beforeEach(() => {
  nowMs = 0;
  fairness = new Fairness(USUAL, () => nowMs);
});

/** A connection of one process that makes calls; `most` is what it may have under way. */
function connection(pid: number) {
  const identity = { pid, program: { start: "1" } };
  const peer = introduce({ endpoint: "agent", number: 1, ...identity });
  const session = {
    localSettings: { maxConcurrentStreams: USUAL },
    settings: (given: { maxConcurrentStreams: number }) => Object.assign(session.localSettings, given),
  };
  const call = () => {
    const stream = { session } as unknown as ServerHttp2Stream;
    fairness.began(stream, peer);
    return stream;
  };
  const calls = (count: number) => Array.from({ length: count }, call);
  const end = (streams: readonly ServerHttp2Stream[], isReset = false) =>
    streams.map((stream) => fairness.ended(stream, peer, isReset)).includes(true);
  return { identity, peer, calls, end, most: () => session.localSettings.maxConcurrentStreams };
}

describe("a connection with a flood of calls", () => {
  test("may have few at a time while others ask too, and all of them again when it is calm", () => {
    const [loud, quiet] = [connection(1), connection(2)];
    quiet.end(quiet.calls(1));
    loud.end(loud.calls(200));
    expect(loud.most()).toBe(16);
    expect(quiet.most()).toBe(USUAL);
    nowMs += 150;
    quiet.end(quiet.calls(1));
    loud.end(loud.calls(10));
    nowMs += 150;
    loud.end(loud.calls(1));
    expect(loud.most()).toBe(USUAL);
  });

  test("is as fast as it can if it is alone", () => {
    const loud = connection(1);
    for (let i = 0; i < 20; i += 1, nowMs += 60) loud.end(loud.calls(500));
    expect(loud.most()).toBe(USUAL);
  });

  test("keeps what has been open for longer, such as watches", () => {
    const [loud, quiet] = [connection(1), connection(2)];
    loud.calls(300);
    nowMs += 5_000;
    quiet.calls(1);
    loud.calls(200);
    expect(loud.most()).toBe(316);
    expect(fairness.has(loud.peer)).toBe(true);
  });
});

describe("a connection that resets what it has just begun, again and again,", () => {
  test("ends, and its process stays out for a second, then for two", () => {
    for (const heldMs of [1_000, 2_000]) {
      const one = connection(7);
      expect(one.end(one.calls(799), true)).toBe(false);
      expect(fairness.refuses(one.identity)).toBe(false);
      expect(one.end(one.calls(1), true)).toBe(true);
      fairness.gone(one.peer);
      expect(fairness.refuses(one.identity)).toBe(true);
      expect(fairness.refuses({ pid: 8, program: { start: "1" } })).toBe(false);
      expect(fairness.refuses({ pid: 7, program: { start: "2" } })).toBe(false);
      nowMs += heldMs - 1;
      expect(fairness.refuses(one.identity)).toBe(true);
      nowMs += 1;
      expect(fairness.refuses(one.identity)).toBe(false);
    }
  });

  test("is another thing than one that cancels what it has waited for, or a few calls now and then", () => {
    const one = connection(1);
    const waiting = one.calls(1_000);
    nowMs += 200;
    expect(one.end(waiting, true)).toBe(false);
    for (let i = 0; i < 50; i += 1, nowMs += 1_000) expect(one.end(one.calls(70), true)).toBe(false);
  });
});
