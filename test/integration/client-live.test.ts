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

test("handles that ask for the same share one watch, in whatever order they say it", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const first = await agent.live("p", { model: "m", minValidFor: "5s" });
  const second = await agent.live("p", { minValidFor: 5_000, model: "m" });
  await agent.live("p", { model: "other" });
  expect(broker.asked.WatchCredential).toHaveLength(2);
  first.close();
  expect(first.state).toBe("closed");
  expect(second.current().lease.profile).toBe("p:a");
  await broker.tell({ granted: granted("p:b") });
  await expect.poll(() => second.current().lease.profile).toBe("p:b");
  second.close();
  await expect.poll(() => broker.watches.size).toBe(1);
  const third = await agent.live("p", { model: "m", minValidFor: "5s" });
  expect(third.current().lease.profile).toBe("p:b");
  expect(broker.asked.WatchCredential).toHaveLength(3);
});

test("a refused watch is asked anew by the next handle", async () => {
  const broker = await fakeBroker();
  broker.state = { failure: { kind: "provider_unknown", provider: "p" } };
  const agent = await clientOf(broker.path);
  await errorOf(agent.live("p"));
  broker.state = { granted: granted("p:a") };
  expect((await agent.live("p")).current().lease.profile).toBe("p:a");
});

test("the last handle gives the lease back, once, and so does closing the client", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const [first, second] = [await agent.live("p"), await agent.live("p")];
  await first[Symbol.asyncDispose]();
  expect(broker.asked.ReleaseLease).toBeUndefined();
  await second[Symbol.asyncDispose]();
  second.close();
  await second[Symbol.asyncDispose]();
  expect(broker.asked.ReleaseLease).toEqual([{ leaseId: "lease-p:a-1" }]);
  await agent.live("p", { model: "m" });
  await agent.close();
  expect(broker.asked.ReleaseLease).toHaveLength(2);
});

test("next reports under the credential that was given last, and gives what comes after it", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const told = { applied: true, outcome: "OUTCOME_USAGE_LIMIT", scope: "SCOPE_PROFILE" };
  broker.report = () => ({ ...told, next: { granted: granted("p:b") } });
  const agent = await clientOf(broker.path);
  const live = await agent.live("p");
  const { lease } = await live.next({
    providerResponse: { httpStatus: 429, headers: { "Retry-After": "9" } },
  });
  expect(lease.profile).toBe("p:b");
  expect(broker.asked.ReportOutcome?.[0]).toMatchObject({
    leaseId: "lease-p:a-1",
    acquireNext: true,
    providerResponse: { httpStatus: 429, headers: { "retry-after": "9" } },
  });
  // The watch has not said it yet.
  expect(live.current().lease.profile).toBe("p:b");
  await broker.tell({ granted: granted("p:c") });
  await expect.poll(() => live.current().lease.profile).toBe("p:c");
  broker.report = () => ({ ...told, next: { unavailable: unavailable("ALL_COOLING_DOWN", 60_000) } });
  expect(await errorOf(live.next("USAGE_LIMIT"))).toMatchObject({ reason: "ALL_COOLING_DOWN" });
  expect(broker.asked.ReportOutcome?.[1]).toMatchObject({ leaseId: "lease-p:c-1" });
  expect(refusalOf(live)).toMatchObject({ reason: "ALL_COOLING_DOWN" });
});

test.each([
  ["about another model", { outcome: "USAGE_LIMIT", model: "other" }, "SCOPE_PROFILE_MODEL"],
  ["that holds nothing against the profile", { outcome: "OVERLOADED" }, "SCOPE_PROVIDER"],
] as const)("a report %s leaves current to the watch", async (_what, options, scope) => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  broker.report = () => ({ applied: true, outcome: "OUTCOME_OK", scope, next: { granted: granted("p:b") } });
  const agent = await clientOf(broker.path);
  const live = await agent.live("p", { model: "m" });
  expect((await live.next(options)).lease.profile).toBe("p:b");
  expect(live.current().lease.profile).toBe("p:a");
});

test("what a caller saw refused is not given again while the broker is away", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const live = await agent.live("p");
  broker.stop();
  await expect.poll(() => live.state).toBe("disconnected");
  expect(await errorOf(live.next("OVERLOADED", { timeoutMs: 10 }))).toMatchObject({ code: "UNAVAILABLE" });
  expect(live.current().lease.profile).toBe("p:a");
  expect(await errorOf(live.next("AUTH_INVALID_TOKEN", { timeoutMs: 10 }))).toMatchObject({
    code: "UNAVAILABLE",
  });
  expect(refusalOf(live)).toMatchObject({ code: "UNAVAILABLE", reason: "" });
  await broker.start();
  await expect.poll(() => live.state).toBe("connected");
  expect(live.current().lease.profile).toBe("p:a");
});

test("use asks for a credential of its own in place of a trial, and for other options", async () => {
  const broker = await fakeBroker();
  const { lease, credential } = granted("p:trial") as { lease: object; credential: object };
  broker.state = { granted: { lease: { ...lease, trial: true }, credential } };
  const agent = await clientOf(broker.path);
  await agent.live("p");
  const serving = async (options: object) => await agent.use("p", options, (_c, { profile }) => profile);
  expect(await serving({})).toBe("p:a");
  await broker.tell({ granted: granted("p:b") });
  await expect.poll(() => serving({ maxWait: "1s" })).toBe("p:b");
  expect(await serving({ model: "m" })).toBe("p:a");
  expect(await serving({ suspectGeneration: 1 })).toBe("p:a");
});

test("use gives back no lease that an open handle goes on with", async () => {
  const broker = await fakeBroker();
  broker.state = { granted: granted("p:a") };
  const agent = await clientOf(broker.path);
  const handle = await agent.live("p");
  const bug = new TypeError("x is not a function");
  const failing = agent.use("p", {}, () => {
    throw bug;
  });
  await expect(failing).rejects.toBe(bug);
  expect(broker.asked.AcquireCredential).toBeUndefined();
  expect(broker.asked.ReleaseLease).toBeUndefined();
  await handle[Symbol.asyncDispose]();
  expect(broker.asked.ReleaseLease).toEqual([{ leaseId: "lease-p:a-1" }]);
});
