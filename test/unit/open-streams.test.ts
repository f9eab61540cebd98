import { EventEmitter } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { beforeEach, describe, expect, test } from "vitest";
import { OpenStreams } from "../../src/endpoint/open-streams.ts";
import { introduce } from "../../src/endpoint/peer.ts";
import { ResetFloods } from "../../src/endpoint/reset-floods.ts";
import { ManualClock } from "../support/clock.ts";

const FLOODER = 4_001;
const OTHER = 4_002;

let clock: ManualClock;
let nextTurn: () => void;
let streams: OpenStreams;
let connections = 0;

beforeEach(() => {
  clock = new ManualClock({ wallMs: 1_800_000_000_000 });
  const nowMs = () => clock.now().monoMs;
  const startTimer = (afterMs: number, fire: () => void) => clock.timer(afterMs, fire);
  const floods = new ResetFloods(nowMs, (run) => {
    nextTurn = run;
  });
  streams = new OpenStreams({ afterMs: 10_000, bytes: 2 ** 30 }, startTimer, floods, nowMs);
});

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
  test("for what is left of three seconds", async () => {
    reset(begin(connect(FLOODER).peer, 200));
    await clock.advance(2_900);
    const next = connect(FLOODER);
    expect([next.isServed, connect(OTHER).isServed]).toEqual([false, true]);
    await clock.advance(99);
    expect(next.isServed).toBe(false);
    await clock.advance(1);
    expect([next.isServed, connect(FLOODER).isServed]).toEqual([true, true]);
  });

  test("until three seconds after its last flood, also if an earlier one is over", async () => {
    const [first, second] = [connect(FLOODER), connect(FLOODER)];
    reset(begin(first.peer, 200));
    await clock.advance(2_900);
    const waiting = connect(FLOODER);
    reset(begin(second.peer, 200));
    await clock.advance(100);
    expect([waiting.isServed, connect(FLOODER).isServed]).toEqual([true, false]);
    await clock.advance(2_899);
    expect(connect(FLOODER).isServed).toBe(false);
    await clock.advance(1);
    expect(connect(FLOODER).isServed).toBe(true);
    expect(clock.timers().length).toBe(0);
  });

  test("and no timer is left of one that goes while it waits", async () => {
    reset(begin(connect(FLOODER).peer, 200));
    const next = connect(FLOODER);
    expect(clock.timers().length).toBe(2);
    next.socket.emit("close");
    await clock.advance(3_000);
    expect([next.isServed, clock.timers().length]).toEqual([false, 0]);
  });
});

test("two thousand resets of a connection put it out once", () => {
  reset(begin(connect(FLOODER).peer, 2_000));
  expect(clock.timers().length).toBe(1);
});

test("an honest program that gives up 1,100 watches together is served at once", async () => {
  const watches = begin(connect(FLOODER).peer, 1_100);
  nextTurn();
  await clock.advance(1_500);
  reset(watches);
  expect(connect(FLOODER).isServed).toBe(true);
});
