import { expect, test } from "vitest";
import { type World, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const WATCHERS = 10;
const CHANGES = 120;
/** Large, so that what lies in buffers on the way is few messages: about 35 of them, 16 at the reader. */
const TOKEN = `at-FAKE-${"x".repeat(30_000)}`;

const newest = (n: number) => `https://api-${n}.example.test`;

async function crowd(broker: World) {
  const watches = Array.from({ length: WATCHERS }, () => broker.agent.watch({ provider: CODEX }));
  await Promise.all(watches.map((watch) => watch.next()));
  return watches;
}

async function change(broker: World) {
  for (let n = 1; n <= CHANGES; n += 1) await broker.update({ profile: A, baseUrl: newest(n) });
}

test("watchers that do not read cost a few messages each, and end with the newest state", async () => {
  await using broker = await world();
  await broker.put(A, { accessToken: TOKEN });
  const watches = await crowd(broker);
  await change(broker);
  for (const watch of watches) {
    let seen = 0;
    await watch.until(({ granted }) => {
      seen += 1;
      return granted?.credential.baseUrl === newest(CHANGES);
    });
    expect(seen).toBeLessThan(CHANGES / 2);
    watch.cancel();
  }
});

test("a watcher that reads is not held up by those that do not", async () => {
  await using broker = await world();
  await broker.put(A, { accessToken: TOKEN });
  const [reader, ...others] = await crowd(broker);
  await change(broker);
  await broker.update({ profile: A, baseUrl: newest(0) });
  await reader?.until(({ granted }) => granted?.credential.baseUrl === newest(0));
  for (const watch of [reader, ...others]) watch?.cancel();
});

test("one change reaches every watcher with a lease of its own", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put(`${CODEX}:b`);
  const watches = await crowd(broker);
  await broker.fails(CODEX, "USAGE_LIMIT");
  const told = await Promise.all(watches.map((watch) => watch.next()));
  expect(new Set(told.map(({ granted }) => granted?.lease.profile))).toEqual(new Set([`${CODEX}:b`]));
  expect(new Set(told.map(({ granted }) => granted?.lease.leaseId)).size).toBe(WATCHERS);
  for (const watch of watches) watch.cancel();
});
