import { once } from "node:events";
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { receiveDeadline } from "../../src/endpoint/receive-deadline.ts";
import { startTimer } from "../../src/endpoint/timer.ts";
import { clientOf, open, ownDirectory } from "../support/endpoint-fixture.ts";
import { http2BelowGrpc } from "../support/http2-below-grpc.ts";
import { ManualTimers } from "../support/manual-timer.ts";
import { until } from "../support/until.ts";

/** A message that says it has 100 bytes and brings three. */
const HALF_A_MESSAGE = Buffer.from([0, 0, 0, 0, 100, 1, 2, 3]);

async function openWithDeadline() {
  const path = join(ownDirectory(), "agent.sock");
  const timers = new ManualTimers();
  const deadline = receiveDeadline(10_000, timers.start);
  const opened = await open(path, {}, { interceptors: [deadline] });
  return { ...opened, path, timers };
}

function ends(stream: ClientHttp2Stream): Promise<{ headers: IncomingHttpHeaders; resetBy: number }> {
  let headers: IncomingHttpHeaders = {};
  stream.once("response", (received) => {
    headers = received;
  });
  stream.resume();
  return new Promise((resolve) => {
    stream.once("close", () => resolve({ headers, resetBy: stream.rstCode }));
  });
}

describe("a request that is not complete in time", () => {
  test.each([
    ["nothing of its message", Buffer.alloc(0)],
    ["half its message", HALF_A_MESSAGE],
    [
      "its message, but not its end",
      Buffer.concat([Buffer.from([0, 0, 0, 0, 12]), Buffer.from('{"text":"x"}')]),
    ],
  ])("and has sent %s is ended with a status and a reset", async (_what, bytes) => {
    const { path, timers } = await openWithDeadline();
    const { session, begin } = http2BelowGrpc(path);
    const stream = begin("Say");
    const end = ends(stream);
    stream.write(bytes);
    // A ping comes back only when everything before it has been read.
    await new Promise((resolve) => session.ping(resolve));
    await until(() => timers.running === 1);
    timers.expire();
    await once(stream, "response");
    timers.expire();
    const { headers, resetBy } = await end;
    expect(headers["grpc-status"]).toBe(String(status.DEADLINE_EXCEEDED));
    expect(headers["grpc-message"]).toContain("10000");
    expect(resetBy).toBe(constants.NGHTTP2_CANCEL);
    expect(timers.running).toBe(0);
  });

  test("leaves the other calls of its connection alone", async () => {
    const { path, timers } = await openWithDeadline();
    const { session, begin } = http2BelowGrpc(path);
    const half = begin("Say");
    const end = ends(half);
    half.write(HALF_A_MESSAGE);
    await until(() => timers.running === 1);
    timers.expire();
    timers.expire();
    await end;
    const good = begin("Say");
    const goodEnd = ends(good);
    good.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 12]), Buffer.from('{"text":"x"}')]));
    expect((await goodEnd).resetBy).toBe(constants.NGHTTP2_NO_ERROR);
    expect(session.destroyed).toBe(false);
  });

  test("is reset even if the caller's own deadline was shorter and the call is answered already", async () => {
    const { path, timers } = await openWithDeadline();
    const stream = http2BelowGrpc(path).begin("Say", { "grpc-timeout": "1m" });
    const end = ends(stream);
    stream.write(HALF_A_MESSAGE);
    await once(stream, "response");
    expect(timers.running).toBe(1);
    timers.expire();
    timers.expire();
    expect((await end).resetBy).toBe(constants.NGHTTP2_CANCEL);
  });

  test("is reset even if it was refused as too large already", async () => {
    const { path, timers } = await openWithDeadline();
    const stream = http2BelowGrpc(path).begin("Say");
    const end = ends(stream);
    stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
    await once(stream, "response");
    timers.expire();
    timers.expire();
    const { headers, resetBy } = await end;
    expect(headers["grpc-status"]).toBe(String(status.RESOURCE_EXHAUSTED));
    expect(resetBy).toBe(constants.NGHTTP2_CANCEL);
  });

  test("is ended by the real timer too", async () => {
    const path = join(ownDirectory(), "agent.sock");
    await open(path, {}, { interceptors: [receiveDeadline(20, startTimer)] });
    const stream = http2BelowGrpc(path).begin("Say");
    expect((await ends(stream)).resetBy).toBe(constants.NGHTTP2_CANCEL);
  });
});

describe("a complete request", () => {
  test("may be answered as late as the handler likes", async () => {
    const { address, timers, held, release } = await openWithDeadline();
    const answer = clientOf(address).say({ text: "x", hold: true });
    await held;
    expect(timers.running).toBe(0);
    release();
    expect(await answer).toMatchObject({ text: "x" });
  });

  test("leaves no timer behind, and neither does one that is cancelled or cut off", async () => {
    const { address, path, timers, listener } = await openWithDeadline();
    await clientOf(address).say({ text: "x" });
    expect(timers.running).toBe(0);
    const { session, begin } = http2BelowGrpc(path);
    const cancelled = begin("Say");
    const cutOff = begin("Say");
    cutOff.write(HALF_A_MESSAGE);
    await until(() => timers.running === 2);
    cancelled.close(constants.NGHTTP2_CANCEL);
    await until(() => timers.running === 1);
    session.destroy();
    await until(() => timers.running === 0);
    http2BelowGrpc(path).begin("Say").write(HALF_A_MESSAGE);
    await until(() => timers.running === 1);
    await listener.close();
    await until(() => timers.running === 0);
  });
});

describe("a request stream", () => {
  test("has the whole time again for each next message", async () => {
    const { address, timers } = await openWithDeadline();
    const chat = clientOf(address).chat();
    for (const text of ["a", "b"]) {
      chat.write({ text });
      const [reply] = await once(chat, "data");
      expect(reply).toMatchObject({ text });
      expect(timers.running).toBe(1);
    }
    chat.end();
    await once(chat, "end");
    expect(timers.running).toBe(0);
  });

  test("that falls silent is ended, and an honest caller needs no reset", async () => {
    const { address, timers } = await openWithDeadline();
    const chat = clientOf(address).chat();
    chat.write({ text: "a" });
    await once(chat, "data");
    timers.expire();
    const [error] = await once(chat, "error");
    expect(error).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await until(() => timers.running === 0);
  });
});
