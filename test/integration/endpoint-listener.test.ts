import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../../src/endpoint/limits.ts";
import { connectionOf } from "../../src/endpoint/peer.ts";
import { clientOf, open, ownDirectory, rawConnection, refusal } from "../support/endpoint-fixture.ts";
import { http2BelowGrpc } from "../support/http2-below-grpc.ts";
import { ManualTimers } from "../support/manual-timer.ts";
import { turns, until } from "../support/until.ts";

const MAGIC = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const socketPath = () => join(ownDirectory(), "agent.sock");

describe("a connection", () => {
  test("is named to the handlers by endpoint, number and user", async () => {
    const { address } = await open(socketPath());
    const first = await clientOf(address).say({ text: "x" });
    const second = await clientOf(address).say({ text: "x" });
    const uid = process.geteuid?.();
    expect(connectionOf(first.peer)).toMatchObject({ endpoint: "agent", number: 1, uid });
    expect(connectionOf(second.peer)).toMatchObject({ endpoint: "agent", number: 2, uid });
  });

  test.runIf(process.platform === "linux")(
    "of a shared socket is named by the kernel, program and all",
    async () => {
      const { address } = await open(socketPath(), { mode: "shared", name: "ci" });
      const { peer } = await clientOf(address).say({ text: "x" });
      expect(connectionOf(peer)).toMatchObject({
        endpoint: "ci",
        number: 1,
        uid: process.geteuid?.(),
        gid: process.getegid?.(),
        pid: process.pid,
        program: { executable: { path: readlinkSync("/proc/self/exe") } },
      });
    },
  );

  test("that is not admitted is cut off before any frame", async () => {
    const path = socketPath();
    const asked: unknown[] = [];
    const { listener } = await open(path, { admit: (identity) => asked.push(identity) === 0 });
    const { socket, closed } = await rawConnection(path);
    await closed;
    expect(socket.bytesRead).toBe(0);
    expect(asked).toMatchObject([{ uid: process.geteuid?.() }]);
    expect(listener.connections()).toBe(0);
  });

  test("counts until it is closed", async () => {
    const path = socketPath();
    const { listener } = await open(path);
    const { socket } = await rawConnection(path);
    await until(() => listener.connections() === 1);
    socket.destroy();
    await until(() => listener.connections() === 0);
  });
});

describe("clients that hang up early leave no descriptor and no timer behind:", () => {
  const openDescriptors = () => readdirSync("/proc/self/fd").length;

  test.runIf(process.platform === "linux").each([
    ["at once", ""],
    ["within the preface", MAGIC.slice(0, 10)],
    ["after the preface", Buffer.concat([Buffer.from(MAGIC), EMPTY_SETTINGS])],
    ["having spoken HTTP/1", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"],
  ])("%s", async (_when, bytes) => {
    const path = socketPath();
    const timers = new ManualTimers();
    const { listener, address } = await open(path, { startTimer: timers.start });
    const before = openDescriptors();
    for (let i = 0; i < 200; i += 1) {
      const { socket, closed } = await rawConnection(path);
      // Half of them only end their own side.
      if (i % 2 === 0) socket.end(bytes);
      else socket.write(bytes, () => socket.destroy());
      await closed;
    }
    await until(() => openDescriptors() <= before && listener.connections() === 0);
    expect(timers.running).toBe(0);
    expect(await clientOf(address).say({ text: "x" })).toMatchObject({ by: "A" });
  });
});

describe("the preface deadline", () => {
  test.each([
    ["nothing", ""],
    ["half a preface", MAGIC.slice(0, 20)],
    ["all but the last byte", Buffer.concat([Buffer.from(MAGIC), EMPTY_SETTINGS.subarray(0, 8)])],
  ])("ends a connection that has sent %s", async (_what, bytes) => {
    const path = socketPath();
    const timers = new ManualTimers();
    const { listener } = await open(path, { startTimer: timers.start });
    const { socket, closed } = await rawConnection(path);
    await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
    await until(() => listener.connections() === 1);
    await turns();
    timers.expire();
    await closed;
  });

  test("spares one that is idle after its preface", async () => {
    const timers = new ManualTimers();
    const { listener, address } = await open(socketPath(), { startTimer: timers.start });
    const client = clientOf(address);
    const { peer } = await client.say({ text: "x" });
    expect(timers.running).toBe(1);
    timers.expire();
    expect((await client.say({ text: "y" })).peer).toBe(peer);
    expect(listener.connections()).toBe(1);
  });

  test("runs by itself", async () => {
    const path = socketPath();
    await open(path, { limits: { ...DEFAULT_LIMITS, prefaceMs: 20 } });
    await (await rawConnection(path)).closed;
  });

  test("leaves a good client served among 500 silent ones, and then frees them all", async () => {
    const path = socketPath();
    const timers = new ManualTimers();
    const { listener, address } = await open(path, { startTimer: timers.start });
    const client = clientOf(address);
    await client.say({ text: "x" });
    const silent = await Promise.all(Array.from({ length: 500 }, () => rawConnection(path)));
    await until(() => listener.connections() === 501);
    expect(await client.say({ text: "y" })).toMatchObject({ text: "y" });
    timers.expire();
    await Promise.all(silent.map(({ closed }) => closed));
    await until(() => listener.connections() === 1);
    expect(await client.say({ text: "z" })).toMatchObject({ text: "z" });
  });
});

describe("at the limit of connections", () => {
  const two = { limits: { ...DEFAULT_LIMITS, connections: 2 } };

  test("the oldest that has no call open goes for a new one, and a call that is open goes on", async () => {
    const path = socketPath();
    const { listener, address, held, release } = await open(path, two);
    const answer = clientOf(address).say({ text: "x", hold: true });
    await held;
    const silent = await rawConnection(path);
    await until(() => listener.connections() === 2);
    expect(await clientOf(address).say({ text: "y" })).toMatchObject({ text: "y" });
    await silent.closed;
    release();
    expect(await answer).toMatchObject({ text: "x" });
  });

  test("the new one goes if all the others have a call open, and there is room when one is answered", async () => {
    const path = socketPath();
    const { listener, address, release } = await open(path, two);
    const answers = [1, 2].map(() => clientOf(address).say({ text: "x", hold: true }));
    await until(() => listener.connections() === 2);
    // Both calls have arrived when a second one on each connection would have.
    await turns();
    await (await rawConnection(path)).closed;
    release();
    await Promise.all(answers);
    expect(await clientOf(address).say({ text: "z" })).toMatchObject({ text: "z" });
  });
});

describe("too much is refused, and others are served meanwhile:", () => {
  test("a message over 256 KiB", async () => {
    const { address } = await open(socketPath());
    const big = clientOf(address).say({ text: "m".repeat(256 * 1024) });
    await expect(big).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(await clientOf(address).say({ text: "m".repeat(255 * 1024) })).toMatchObject({ by: "A" });
  });

  test.each([
    [
      "more than 128 header fields",
      Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`h-${i}`, "v"])),
    ],
    ["header fields of 100 KiB", { large: "v".repeat(100 * 1024) }],
  ])("%s", async (_what, headers) => {
    const path = socketPath();
    const { address } = await open(path);
    const { session, begin } = http2BelowGrpc(path);
    const stream = begin("Say", { ...headers });
    let answered = false;
    stream.once("response", () => {
      answered = true;
    });
    await Promise.race([
      new Promise((resolve) => stream.once("close", resolve)),
      new Promise((resolve) => session.once("close", resolve)),
    ]);
    expect(answered).toBe(false);
    expect(await clientOf(address).say({ text: "x" })).toMatchObject({ by: "A" });
  });

  test("a flood of requests that are reset at once", async () => {
    const path = socketPath();
    const { address } = await open(path);
    const { session, begin } = http2BelowGrpc(path);
    let closed = false;
    session.once("close", () => {
      closed = true;
    });
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    while (!closed) {
      for (let i = 0; i < 100 && !session.closed && !session.destroyed; i += 1) begin("Say").close(8);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await clientOf(address).say({ text: "x" })).toMatchObject({ by: "A" });
  });
});

describe("closing", () => {
  test("stops new connections, and open ones are served on", async () => {
    const path = socketPath();
    const { listener, address } = await open(path);
    const client = clientOf(address);
    await client.say({ text: "x" });
    listener.stop();
    expect(existsSync(path)).toBe(false);
    expect(await client.say({ text: "y" })).toMatchObject({ text: "y" });
    listener.stop();
  });

  test("after the server's own shutdown has nothing left to destroy", async () => {
    const { listener, address, server, held, release } = await open(socketPath());
    const answer = clientOf(address).say({ text: "x", hold: true });
    await held;
    listener.stop();
    const shutdown = new Promise<void>((resolve, reject) =>
      server.tryShutdown((error) => (error === undefined ? resolve() : reject(error))),
    );
    release();
    expect(await answer).toMatchObject({ text: "x" });
    await shutdown;
    await until(() => listener.connections() === 0);
    await listener.close();
  });

  test("destroys what is still connected", async () => {
    const path = socketPath();
    const { listener, address, held } = await open(path);
    const answer = clientOf(address).say({ text: "x", hold: true });
    await held;
    const { closed } = await rawConnection(path);
    await until(() => listener.connections() === 2);
    const refused = expect(answer).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await listener.close();
    await refused;
    await closed;
    expect(listener.connections()).toBe(0);
    await listener.close();
  });

  test("frees the path for the next one", async () => {
    const path = socketPath();
    const { listener } = await open(path);
    expect(await refusal(open(path))).toMatchObject({ exit: 75 });
    await listener.close();
    await open(path);
  });
});
