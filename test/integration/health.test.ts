import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import "../../scripts/descriptors.mjs";
import { healthService } from "../../src/rpc/health.ts";
import { reflectionServices } from "../../src/rpc/reflection.ts";
import { clientConstructor, type Message, SERVICES } from "../../src/rpc/schema.ts";
import { grpcurl, skipWithoutGrpcurl } from "../support/grpcurl.ts";
import { connectTo, serveOnSocket } from "../support/rpc-server.ts";

/** Health that a test sets. `listeners` are the watches that still hold on to it. */
function settable(initial: Record<string, "SERVING" | "NOT_SERVING">) {
  const states = new Map(Object.entries(initial));
  const listeners = new Set<() => void>();
  return {
    listeners,
    status: (service: string) => states.get(service),
    services: () => [...states.keys()],
    onChange(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    set(service: string, state: "SERVING" | "NOT_SERVING" | undefined) {
      if (state === undefined) states.delete(service);
      else states.set(service, state);
      for (const listener of listeners) listener();
    },
  };
}

async function serving(initial: Record<string, "SERVING" | "NOT_SERVING">) {
  const source = settable(initial);
  const health = healthService(source);
  const server = await serveOnSocket([health, ...reflectionServices([SERVICES.health])]);
  const connection = connectTo(clientConstructor(SERVICES.health), server.socket);
  return {
    source,
    health,
    socket: server.socket,
    connection,
    watch: (service: string) => {
      const call = connection.stream("Watch", { service });
      return { call, states: call[Symbol.asyncIterator]() as AsyncIterator<Message> };
    },
    async [Symbol.asyncDispose]() {
      await connection[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const next = async (states: AsyncIterator<Message>) => (await states.next()).value?.status;

test("Check tells the state of the whole and of each service, and NOT_FOUND for an unknown one", async () => {
  await using broker = await serving({ "": "SERVING", "provider/x": "NOT_SERVING" });
  expect(await broker.connection.unary("Check", { service: "" })).toEqual({ status: "SERVING" });
  expect(await broker.connection.unary("Check", { service: "provider/x" })).toEqual({
    status: "NOT_SERVING",
  });
  await expect(broker.connection.unary("Check", { service: "provider/y" })).rejects.toMatchObject({
    code: status.NOT_FOUND,
  });
});

test("List gives all of them", async () => {
  await using broker = await serving({ "": "SERVING", "provider/x": "NOT_SERVING" });
  expect(await broker.connection.unary("List", {})).toEqual({
    statuses: { "": { status: "SERVING" }, "provider/x": { status: "NOT_SERVING" } },
  });
});

test("Watch sends the state at once and then every change, and nothing when nothing changed", async () => {
  await using broker = await serving({ "": "SERVING" });
  const { states } = broker.watch("provider/x");
  expect(await next(states)).toBe("SERVICE_UNKNOWN");
  broker.source.set("", "NOT_SERVING");
  broker.source.set("provider/x", "SERVING");
  expect(await next(states)).toBe("SERVING");
  broker.source.set("provider/x", "SERVING");
  broker.source.set("provider/x", undefined);
  expect(await next(states)).toBe("SERVICE_UNKNOWN");
});

test("of a burst of changes only the first and the newest are sent", async () => {
  await using broker = await serving({ "": "SERVING" });
  const { states } = broker.watch("");
  expect(await next(states)).toBe("SERVING");
  for (let change = 0; change < 50; change += 1) {
    broker.source.set("", "NOT_SERVING");
    broker.source.set("", "SERVING");
  }
  expect(await next(states)).toBe("NOT_SERVING");
  expect(await next(states)).toBe("SERVING");
  broker.source.set("", undefined);
  expect(await next(states)).toBe("SERVICE_UNKNOWN");
});

test("a watcher that goes away is forgotten", async () => {
  await using broker = await serving({ "": "SERVING" });
  const { call, states } = broker.watch("");
  await next(states);
  expect(broker.source.listeners.size).toBe(1);
  call.once("error", () => {});
  call.cancel();
  await expect.poll(() => broker.source.listeners.size).toBe(0);
});

test("a server that stops ends its watches and takes no new ones", async () => {
  await using broker = await serving({ "": "SERVING" });
  const { states } = broker.watch("");
  await next(states);
  broker.health.end();
  await expect(states.next()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  await expect(broker.watch("").states.next()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  expect(broker.source.listeners.size).toBe(0);
});

describe.skipIf(skipWithoutGrpcurl)("grpcurl", () => {
  test("checks health by reflection", async () => {
    await using broker = await serving({ "": "SERVING" });
    const { stdout, stderr } = await grpcurl(broker.socket, [`${SERVICES.health}/Check`]);
    expect({ stderr, answer: JSON.parse(stdout) }).toEqual({ stderr: "", answer: { status: "SERVING" } });
  });
});
