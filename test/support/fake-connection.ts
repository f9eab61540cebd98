import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { type Broker, BrokerError, type ConnectOptions, connect } from "../../src/client/index.ts";
import { ownDirectory } from "./endpoint-fixture.ts";
import { FakeBroker } from "./fake-broker.ts";

/** A fake broker on a socket of the running test alone. */
export async function fakeBroker(): Promise<FakeBroker> {
  const broker = await new FakeBroker(join(ownDirectory(), "agent.sock")).start();
  onTestFinished(() => broker.stop());
  return broker;
}

/** A client of the library; closed when the test ends. */
export async function clientOf(address: string, options: ConnectOptions = {}): Promise<Broker> {
  const broker = await connect({ address, ...options });
  onTestFinished(() => broker.close());
  return broker;
}

/** The `BrokerError` with which a promise rejects; fails if it does not. */
export async function errorOf(promise: PromiseLike<unknown>): Promise<BrokerError> {
  const error = await promise.then(
    () => new Error("did not reject"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BrokerError);
  return error as BrokerError;
}
