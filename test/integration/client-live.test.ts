import { expect, test } from "vitest";
import { BrokerError, type Clock, type Live } from "../../src/client/index.ts";
import { granted, unavailable } from "../support/fake-broker.ts";
import { clientOf, errorOf, fakeBroker } from "../support/fake-connection.ts";

/** Time that a test moves; the pauses between two attempts pass at once. */
function time() {
  const now = { wallMs: Date.now(), monoMs: 5_000 };
  const clock: Clock = {
    now: () => ({ ...now }),
    sleep: async (_ms, signal) => {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    },
  };
  return { now, clock };
}

function refusalOf(live: Live): BrokerError {
  try {
    live.current();
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
  throw new Error("current() did not throw");
}

test("current answers from memory and follows the watch", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const live = await agent.live("p", { model: "m" });
  expect(broker.asked.WatchCredential).toEqual([expect.objectContaining({ provider: "p", model: "m" })]);
  expect(live.state).toBe("connected");
  expect(live.current().lease.profile).toBe("p:a");
  expect(live.current().credential.oauth?.accessToken).toBe("at-FAKE-p:a-1");
  await broker.tell({ granted: granted("p:b") });
  await expect.poll(() => live.current().lease.profile).toBe("p:b");
  expect(broker.asked.AcquireCredential).toBeUndefined();
  expect(broker.asked.WatchCredential).toHaveLength(1);
});

test("the handle serves without being awaited; before the first state it says so", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  const live = agent.live("p");
  expect(live.state).toBe("connecting");
  expect(refusalOf(live)).toMatchObject({ code: "UNAVAILABLE", reason: "" });
  await expect.poll(() => broker.watches.size).toBe(1);
  await broker.tell({ granted: granted("p:a") });
  await expect.poll(() => live.state).toBe("connected");
  expect(live.current().lease.profile).toBe("p:a");
});

test("when nothing is usable current throws why and until when, until something is", async () => {
  const broker = await fakeBroker();
  broker.state = { unavailable: unavailable("ALL_COOLING_DOWN", 60_000) };
  const agent = await clientOf(broker.path);
  const live = await agent.live("p");
  const error = refusalOf(live);
  expect(error).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "ALL_COOLING_DOWN",
    profiles: [{ profile: "p:a", reason: "COOLING_DOWN" }],
  });
  expect(error.retryTime).toBeInstanceOf(Date);
  expect(error.help).toBeUndefined();
  await broker.tell({ granted: granted("p:a") });
  await expect.poll(() => live.state === "connected" && live.current().lease.profile).toBe("p:a");
});

test.each(["wallMs", "monoMs"] as const)("a token is good only while %s says so", async (side) => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a", 1, 60_000) };
  const { now, clock } = time();
  const agent = await clientOf(broker.path, { clock });
  const live = await agent.live("p");
  now[side] += 55_000;
  expect(live.current().lease.profile).toBe("p:a");
  now[side] += 6_000;
  expect(refusalOf(live)).toMatchObject({ code: "UNAVAILABLE", reason: "" });
});

test("without a broker the last credential serves until its end, and the state says disconnected", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a", 1, 60_000) };
  const { now, clock } = time();
  const agent = await clientOf(broker.path, { clock });
  const live = await agent.live("p");
  broker.stop();
  await expect.poll(() => live.state).toBe("disconnected");
  expect(live.current().lease.profile).toBe("p:a");
  now.monoMs += 61_000;
  const error = refusalOf(live);
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "" });
  expect(error.message).not.toContain("FAKE");

  broker.state = { granted: granted("p:b") };
  await broker.start();
  await expect.poll(() => live.state).toBe("connected");
  expect(live.current().lease.profile).toBe("p:b");
});

test("a key without an expiry never ends by itself", async () => {
  const broker = await fakeBroker();
  const { lease } = granted("p:a");
  broker.state = { granted: { lease, credential: { apiKey: { key: "sk-FAKE" } } } };
  const { now, clock } = time();
  const agent = await clientOf(broker.path, { clock });
  const live = await agent.live("p");
  now.monoMs += 1e9;
  now.wallMs += 1e9;
  expect(live.current().credential.apiKey?.key).toBe("sk-FAKE");
});

test("a refused watch rejects when awaited and is thrown by current", async () => {
  const broker = await fakeBroker();
  broker.state = { failure: { kind: "provider_unknown", provider: "p" } };
  const agent = await clientOf(broker.path);
  const live = agent.live("p");
  expect(await errorOf(live)).toMatchObject({ code: "NOT_FOUND", reason: "PROVIDER_UNKNOWN" });
  expect(live.state).toBe("closed");
  expect(refusalOf(live)).toMatchObject({ reason: "PROVIDER_UNKNOWN" });
  expect(await errorOf(agent.live("p", { minValidFor: "soon" }))).toMatchObject({ reason: "FIELD_INVALID" });
});

test("a refused watch that nobody awaits harms nobody", async () => {
  const broker = await fakeBroker();
  broker.state = { failure: { kind: "provider_unknown", provider: "p" } };
  const agent = await clientOf(broker.path);
  const live = agent.live("p");
  await expect.poll(() => live.state).toBe("closed");
});

test("close ends the watch, and so does await using", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const live = await agent.live("p");
  live.close();
  expect(live.state).toBe("closed");
  expect(refusalOf(live)).toMatchObject({ code: "CANCELLED" });
  {
    await using other = await agent.live("p");
    expect(other.current().lease.profile).toBe("p:a");
  }
  await expect.poll(() => broker.watches.size).toBe(0);
  const last = await agent.live("p");
  await agent.close();
  await expect.poll(() => last.state).toBe("closed");
  expect(refusalOf(last)).toMatchObject({ code: "CANCELLED" });
});
