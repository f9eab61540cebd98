import { once } from "node:events";
import { constants } from "node:http2";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OpenStreams } from "../../src/endpoint/open-streams.ts";
import { receiveDeadline } from "../../src/endpoint/receive-deadline.ts";
import { ResetFloods } from "../../src/endpoint/reset-floods.ts";
import { startTimer } from "../../src/endpoint/timer.ts";
import { clientOf, open, ownDirectory, rawConnection } from "../support/endpoint-fixture.ts";
import { http2BelowGrpc } from "../support/http2-below-grpc.ts";
import { ManualTimers } from "../support/manual-timer.ts";
import { turns as eventLoopTurns, until } from "../support/until.ts";

const BODY = Buffer.from('{"text":"x","hold":true}');
const HOLD = Buffer.concat([Buffer.from([0, 0, 0, 0, BODY.length]), BODY]);

/** Calls, each with its reset behind it: preface, SETTINGS, then HEADERS, DATA and RST_STREAM (RFC 9113). */
function callsAndResets(count: number): Buffer {
  const literal = (name: number[], value: string) =>
    Buffer.concat([Buffer.from([...name, value.length]), Buffer.from(value)]);
  // HPACK: POST, http, :authority, :path, content-type.
  const head = Buffer.concat([
    Buffer.from([0x83, 0x86]),
    literal([0x01], "localhost"),
    literal([0x04], "/test.Echo/Say"),
    literal([0x0f, 0x10], "application/grpc"),
  ]);
  const calls = Array.from({ length: count }, (_, i) => [
    frame(1, 4, 2 * i + 1, head),
    frame(0, 0, 2 * i + 1, Buffer.alloc(4)),
    frame(3, 0, 2 * i + 1, Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL])),
  ]);
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  return Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0)), ...calls.flat()]);
}

function frame(type: number, flags: number, stream: number, body: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

async function opened() {
  const path = join(ownDirectory(), "agent.sock");
  const timers = new ManualTimers();
  const streams = new OpenStreams({ afterMs: 10_000, bytes: 2 ** 30 }, timers.start, new ResetFloods());
  const interceptors = [receiveDeadline(10_000, startTimer, streams)];
  const server = await open(path, { streams, needsProgram: true }, { interceptors });
  return { ...server, path, timers };
}

describe("a flood of resets", () => {
  test("ends its connection, and its process is listened to again a moment later", async () => {
    const { path, address, listener, timers } = await opened();
    const { socket, closed } = await rawConnection(path);
    socket.write(callsAndResets(400));
    await closed;
    await until(() => listener.connections() === 0);
    // Its process is held once, not for each reset above the limit.
    expect(timers.running).toBe(1);

    let isAnswered = false;
    const answer = clientOf(address)
      .say({ text: "x" })
      .then(() => {
        isAnswered = true;
      });
    await until(() => listener.connections() === 1);
    await eventLoopTurns(50);
    expect(isAnswered).toBe(false);
    timers.expire();
    await answer;
  });

  test("that makes Node deaf leaves no connection behind, also if all had been waited for, and holds nobody", async () => {
    const { path, address, listener, timers } = await opened();
    const { session, begin } = http2BelowGrpc(path);
    await once(session, "connect");
    const gone = new Promise<void>((resolve) => session.once("close", resolve));
    const streams = Array.from({ length: 1_200 }, () => begin("Chat"));
    // A ping comes back only when everything before it has been read.
    await new Promise((resolve) => session.ping(resolve));
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await gone;
    await until(() => listener.connections() === 0);
    expect(timers.running).toBe(0);
    expect((await clientOf(address).say({ text: "x" })).text).toBe("x");
  });
});

test("a call begins when it is its caller's turn, and not at all if it was given up before", async () => {
  const path = join(ownDirectory(), "agent.sock");
  const waiting = new Set<() => void>();
  const parties = new Set<unknown>();
  const turns = {
    take: (party: unknown, begin: () => void) => {
      parties.add(party);
      waiting.add(begin);
      return () => void waiting.delete(begin);
    },
  };
  const interceptors = [receiveDeadline(10_000, startTimer, undefined, turns)];
  const { address, held } = await open(path, { needsProgram: true }, { interceptors });
  const one = clientOf(address).say({ text: "x" });
  await until(() => waiting.size === 1);
  const { begin, session } = http2BelowGrpc(path);
  const stream = begin("Say");
  stream.end(HOLD);
  await until(() => waiting.size === 2);
  expect(parties).toEqual(new Set([process.pid]));
  stream.close(constants.NGHTTP2_CANCEL);
  await new Promise((resolve) => session.ping(resolve));
  await until(() => waiting.size === 1);
  for (const next of waiting) next();
  expect((await one).text).toBe("x");
  await eventLoopTurns();
  expect(await Promise.race([held.then(() => "begun"), "not begun"])).toBe("not begun");
});
