import { once } from "node:events";
import { constants } from "node:http2";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OpenStreams } from "../../src/endpoint/open-streams.ts";
import { receiveDeadline } from "../../src/endpoint/receive-deadline.ts";
import { startTimer } from "../../src/endpoint/timer.ts";
import { clientOf, open, ownDirectory } from "../support/endpoint-fixture.ts";
import { http2BelowGrpc } from "../support/http2-below-grpc.ts";
import { ManualTimers } from "../support/manual-timer.ts";
import { until } from "../support/until.ts";

const MIB = 1024 * 1024;

async function opened(bytes: number) {
  const path = join(ownDirectory(), "agent.sock");
  const timers = new ManualTimers();
  const streams = new OpenStreams({ afterMs: 10_000, bytes }, timers.start);
  const interceptors = [receiveDeadline(10_000, startTimer, streams)];
  return { ...(await open(path, { streams }, { interceptors })), path, timers };
}

const framed = (message: object): Buffer => {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
};

test("an answer that is not read in time is dropped, and the connection's other calls go on", async () => {
  const { path, timers } = await opened(64 * MIB);
  const { session, begin } = http2BelowGrpc(path, { initialWindowSize: 0 });
  const stream = begin("Say");
  stream.end(framed({ text: "x" }));
  await once(stream, "response");
  await until(() => timers.running === 1);
  timers.expire();
  await once(stream, "close");
  expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
  expect(session.destroyed).toBe(false);
  const next = begin("Say");
  next.end(framed({ text: "y" }));
  await once(next, "response");
});

test("answers that are read leave no timer behind, whole or refused", async () => {
  const { address, timers } = await opened(64 * MIB);
  const client = clientOf(address);
  await client.say({ text: "x" });
  await client.say({ text: "m".repeat(256 * 1024) }).catch(() => {});
  await until(() => timers.running === 0);
});

test("a stream that is not at its end may wait for its reader as long as it likes", async () => {
  const { path, timers } = await opened(64 * MIB);
  const chat = http2BelowGrpc(path, { initialWindowSize: 0 }).begin("Chat");
  chat.write(framed({ text: "x" }));
  await once(chat, "response");
  expect(timers.running).toBe(0);
});

test("all unread answers together have a bound: the oldest go first, and a good client is served", async () => {
  const { path, address, timers } = await opened(MIB);
  const { begin } = http2BelowGrpc(path, { initialWindowSize: 0 });
  const resets: Promise<number>[] = [];
  let dropped = 0;
  for (let i = 0; i < 20; i += 1) {
    const stream = begin("Say");
    resets.push(new Promise((resolve) => stream.once("close", () => resolve(stream.rstCode))));
    stream.once("close", () => {
      dropped += 1;
    });
    stream.end(framed({ text: "m".repeat(200 * 1024) }));
    await once(stream, "response");
  }
  // Four of 200 KiB fit into one MiB.
  await until(() => dropped === 16);
  expect(await Promise.all(resets.slice(0, 16))).toEqual(Array(16).fill(constants.NGHTTP2_CANCEL));
  expect(await clientOf(address).say({ text: "good" })).toMatchObject({ text: "good" });
  await until(() => timers.running <= 4);
});
