import { EventEmitter } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { beforeEach, describe, expect, test } from "vitest";
import { OpenStreams } from "../../src/endpoint/open-streams.ts";
import { introduce } from "../../src/endpoint/peer.ts";
import { ResetFloods } from "../../src/endpoint/reset-floods.ts";

const FLOODER = 4_001;
const OTHER = 4_002;

let nowMs: number;
let timers: Set<{ readonly atMs: number; readonly fire: () => void }>;
let nextTurn: () => void;
let streams: OpenStreams;
let connections = 0;

beforeEach(() => {
  nowMs = 50_000;
  timers = new Set();
  nextTurn = () => {};
  const clock = () => nowMs;
  const start = (afterMs: number, fire: () => void) => {
    const timer = { atMs: nowMs + afterMs, fire };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  const floods = new ResetFloods(clock, (run) => {
    nextTurn = run;
  });
  streams = new OpenStreams({ afterMs: 10_000, bytes: 2 ** 30 }, start, floods, clock);
});

/** Time goes on, and what is due by then runs at its time. */
function pass(ms: number): void {
  const untilMs = nowMs + ms;
  for (const timer of [...timers].sort((a, b) => a.atMs - b.atMs)) {
    if (timer.atMs > untilMs) break;
    nowMs = timer.atMs;
    timers.delete(timer);
    timer.fire();
  }
  nowMs = untilMs;
}

function connect(pid: number) {
  connections += 1;
  const peer = introduce({ endpoint: "agent", number: connections, pid });
  const socket = Object.assign(new EventEmitter(), { destroy: () => {} });
  const connection = { peer, socket, isServed: false };
  streams.connected(peer, socket as unknown as Socket, () => {
    connection.isServed = true;
  });
  return connection;
}

function begin(peer: string, count: number): EventEmitter[] {
  return Array.from({ length: count }, () => {
    const stream = Object.assign(new EventEmitter(), { rstCode: 8, writableEnded: false });
    streams.opened(stream as unknown as ServerHttp2Stream, peer);
    return stream;
  });
}

function reset(calls: readonly EventEmitter[]): void {
  for (const call of calls) call.emit("close");
}

describe("who has flooded is not listened to when it comes again", () => {
  test("for what is left of three seconds", () => {
    reset(begin(connect(FLOODER).peer, 200));
    pass(2_900);
    const next = connect(FLOODER);
    expect([next.isServed, connect(OTHER).isServed]).toEqual([false, true]);
    pass(99);
    expect(next.isServed).toBe(false);
    pass(1);
    expect([next.isServed, connect(FLOODER).isServed]).toEqual([true, true]);
  });

  test("until three seconds after its last flood, also if an earlier one is over", () => {
    const [first, second] = [connect(FLOODER), connect(FLOODER)];
    reset(begin(first.peer, 200));
    pass(2_900);
    const waiting = connect(FLOODER);
    reset(begin(second.peer, 200));
    pass(100);
    expect([waiting.isServed, connect(FLOODER).isServed]).toEqual([true, false]);
    pass(2_899);
    expect(connect(FLOODER).isServed).toBe(false);
    pass(1);
    expect(connect(FLOODER).isServed).toBe(true);
    expect(timers.size).toBe(0);
  });

  test("and no timer is left of one that goes while it waits", () => {
    reset(begin(connect(FLOODER).peer, 200));
    const next = connect(FLOODER);
    expect(timers.size).toBe(2);
    next.socket.emit("close");
    pass(3_000);
    expect([next.isServed, timers.size]).toEqual([false, 0]);
  });
});

test("two thousand resets of a connection put it out once", () => {
  reset(begin(connect(FLOODER).peer, 2_000));
  expect(timers.size).toBe(1);
});

test("an honest program that gives up 1,100 watches together is served at once", () => {
  const watches = begin(connect(FLOODER).peer, 1_100);
  nextTurn();
  pass(1_500);
  reset(watches);
  expect(connect(FLOODER).isServed).toBe(true);
});
