import { expect, test } from "vitest";
import type { WatchState } from "../../src/client/index.ts";
import { granted, unavailable } from "../support/fake-broker.ts";
import { clientOf, errorOf, fakeBroker } from "../support/fake-connection.ts";

const name = (state: WatchState | undefined) => state?.granted?.lease.profile ?? state?.unavailable?.reason;

const reader = (states: AsyncIterable<WatchState>) => {
  const iterator = states[Symbol.asyncIterator]();
  return { iterator, next: async () => name((await iterator.next()).value) };
};

test("a watch gives the state at once and then every change, granted or unavailable", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const { iterator, next } = reader(agent.watch({ provider: "p", model: "m", minValidFor: "5s" }));
  expect(await next()).toBe("p:a");
  expect(broker.asked.WatchCredential).toEqual([
    expect.objectContaining({ provider: "p", model: "m", minValidFor: { seconds: 5, nanos: 0 } }),
  ]);
  await broker.tell({ unavailable: unavailable("ALL_COOLING_DOWN", 1_000) });
  const state = (await iterator.next()).value;
  expect(state?.granted).toBeUndefined();
  expect(state?.unavailable?.retryTime).toBeInstanceOf(Date);
  await broker.tell({ granted: granted("p:b") });
  expect(await next()).toBe("p:b");
});

test("nothing is asked before the first next", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const { next } = reader(agent.watch({ provider: "p" }));
  await agent.acquire({ provider: "p" });
  expect(broker.asked.WatchCredential).toBeUndefined();
  await next();
  expect(broker.asked.WatchCredential).toHaveLength(1);
});

test("a slow reader skips states and gets the newest", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const { next } = reader(agent.watch({ provider: "p" }));
  expect(await next()).toBe("p:a");
  for (let generation = 2; generation < 100; generation += 1) {
    void broker.tell({ granted: granted("p:a", generation) });
  }
  await broker.tell({ granted: granted("p:z") });
  // This answer is sent later on the same connection; what was told has arrived before it.
  await agent.acquire({ provider: "p" });
  expect(await next()).toBe("p:z");
});

test("leaving the loop ends the stream at the broker", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  for await (const state of agent.watch({ provider: "p" })) {
    expect(name(state)).toBe("p:a");
    expect(broker.watches.size).toBe(1);
    break;
  }
  await expect.poll(() => broker.watches.size).toBe(0);
});

test("return ends a next that is waiting", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  const { iterator } = reader(agent.watch({ provider: "p" }));
  const waiting = iterator.next();
  await expect.poll(() => broker.watches.size).toBe(1);
  await iterator.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  await expect.poll(() => broker.watches.size).toBe(0);
});

test("a signal ends the watch with its reason, once", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  const stop = new AbortController();
  const { iterator } = reader(agent.watch({ provider: "p" }, { signal: stop.signal }));
  const waiting = iterator.next();
  await expect.poll(() => broker.watches.size).toBe(1);
  stop.abort(new Error("changed my mind"));
  await expect(waiting).rejects.toThrow("changed my mind");
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  await expect.poll(() => broker.watches.size).toBe(0);
  const late = reader(agent.watch({ provider: "p" }, { signal: stop.signal }));
  await expect(late.next()).rejects.toThrow("changed my mind");
  expect(broker.asked.WatchCredential).toHaveLength(1);
});

test("a watch goes on after the broker was away", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const { next } = reader(agent.watch({ provider: "p" }));
  expect(await next()).toBe("p:a");
  broker.stop();
  broker.state = { granted: granted("p:b") };
  await broker.start();
  expect(await next()).toBe("p:b");
  await broker.tell({ granted: granted("p:c") });
  expect(await next()).toBe("p:c");
});

test("a broker that drains is asked again", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const { next } = reader(agent.watch({ provider: "p" }));
  expect(await next()).toBe("p:a");
  await broker.tell({ failure: { kind: "draining" } });
  await expect.poll(() => broker.asked.WatchCredential?.length).toBeGreaterThan(1);
  broker.state = { granted: granted("p:b") };
  expect(await next()).toBe("p:b");
});

test.each([
  ["the broker", { provider: "?" }, "provider"],
  ["the library", { provider: "p", minValidFor: "soon" }, "min_valid_for"],
])("a request that %s refuses ends the watch by throwing", async (_who, options, field) => {
  const broker = await fakeBroker();
  broker.state = {
    failure: { kind: "field_invalid", violations: [{ field: "provider", description: "must be an id" }] },
  };
  const agent = await clientOf(broker.path);
  const { iterator } = reader(agent.watch(options));
  const error = await errorOf(iterator.next());
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
  expect(error.message).toContain(field);
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});
