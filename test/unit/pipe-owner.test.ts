import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, connectivityState } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import type { Address } from "../../src/endpoint/address.ts";
import { channelCredentials } from "../../src/endpoint/pipe-owner.ts";

const PIPE: Address = { kind: "pipe", name: "x" };

/** Something that listens, and keeps what it is sent. */
async function listener() {
  const directory = mkdtempSync(join(tmpdir(), "pipe-"));
  const path = join(directory, "s.sock");
  const received: Buffer[] = [];
  const server = createServer((socket: Socket) => socket.on("data", (data) => received.push(data)));
  server.listen(path);
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { path, server, received };
}

/** Connects until the state is left that a first attempt begins with. */
async function attempt(path: string, judge: () => Promise<string | undefined>) {
  const client = new Client(`unix:${path}`, channelCredentials(PIPE, judge));
  onTestFinished(() => client.close());
  const channel = client.getChannel();
  channel.getConnectivityState(true);
  await new Promise((resolve) => channel.watchConnectivityState(connectivityState.IDLE, Infinity, resolve));
  return {
    settled: () =>
      new Promise((resolve) =>
        channel.watchConnectivityState(connectivityState.CONNECTING, Infinity, resolve),
      ),
    state: () => channel.getConnectivityState(false),
  };
}

test("a pipe of a stranger's, or one of which nothing is known, is sent nothing", async () => {
  for (const judge of [
    async () => "another user's",
    async () => {
      throw new Error("cannot be looked at");
    },
  ]) {
    const { path, server, received } = await listener();
    const connected = once(server, "connection");
    const channel = await attempt(path, judge);
    const [socket] = (await connected) as [Socket];
    await once(socket, "close");
    await channel.settled();
    expect(channel.state()).toBe(connectivityState.TRANSIENT_FAILURE);
    expect(received).toEqual([]);
  }
});

test("nothing is sent before the pipe was judged", async () => {
  const { path, server, received } = await listener();
  let answer: (objection: string | undefined) => void = () => {};
  const asked = new Promise<void>((begun) => {
    const judge = () =>
      new Promise<string | undefined>((resolve) => {
        answer = resolve;
        begun();
      });
    void attempt(path, judge);
  });
  const [socket] = (await once(server, "connection")) as [Socket];
  await asked;
  expect(received).toEqual([]);
  answer(undefined);
  await once(socket, "data");
  expect(Buffer.concat(received).toString("latin1")).toMatch(/^PRI \* HTTP\/2/);
});

test("a socket file is judged by its directory alone", () => {
  const judge = () => Promise.reject(new Error("was asked"));
  const credentials = channelCredentials({ kind: "unix", path: "/run/x.sock" }, judge);
  const connector = credentials._createSecureConnector({ path: "/run/x.sock" }, {});
  const socket = {} as Socket;
  return expect(connector.connect(socket)).resolves.toEqual({ socket, secure: false });
});
