import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { Redirect } from "../../src/domain/login.ts";
import { openLoopback } from "../../src/endpoint/loopback.ts";
import { visit } from "../support/login-world.ts";

/** A port that somebody else listens at. */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function open(ports: readonly number[]) {
  const redirect: Redirect = { host: "localhost", ports, path: "/auth/callback" };
  const loopback = await openLoopback(redirect, async () => ({ isGood: true, text: `<b>"a" & b</b>` }));
  if (loopback !== undefined) onTestFinished(() => loopback.close());
  return loopback;
}

test("a port that is taken is named and the next one of the list is used", async () => {
  const [taken, free] = [await takenPort(), await freePort()];
  expect(await open([taken, free])).toMatchObject({ port: free, busyPorts: [taken] });
});

test("when all are taken nothing is opened", async () => {
  expect(await open([await takenPort(), await takenPort()])).toBeUndefined();
});

test("without a list any port will do", async () => {
  expect((await open([]))?.port).toBeGreaterThan(0);
});

test("what is shown is text, whatever is in it", async () => {
  const loopback = await open([]);
  const { page } = await visit(`http://127.0.0.1:${loopback?.port}/auth/callback?code=x`);
  expect(page).toContain("&lt;b&gt;&quot;a&quot; &amp; b&lt;/b&gt;");
});

test("a closed listener leaves its port to others at once", async () => {
  const port = await freePort();
  const first = await open([port]);
  await first?.close();
  expect((await open([port]))?.port).toBe(port);
});

test("connections that say nothing do not keep the browser out, and are soon closed", async () => {
  const { port = 0 } = (await open([])) ?? {};
  const silent = await Promise.all(
    Array.from({ length: 16 }, async () => {
      const socket = connect(port, "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      await once(socket, "connect");
      // Without reading, the end would not be seen.
      return { closed: once(socket.resume(), "close"), begunMs: performance.now() };
    }),
  );
  expect(await visit(`http://127.0.0.1:${port}/auth/callback?code=x`)).toMatchObject({ status: 200 });
  await Promise.all(silent.map(({ closed }) => closed));
  // Node's own pace would be 30 s.
  expect(performance.now() - (silent[0]?.begunMs ?? 0)).toBeLessThan(25_000);
});
