import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseAddress } from "../../src/endpoint/address.ts";
import { refusal, world } from "../support/broker-world.ts";
import { ownDirectory } from "../support/endpoint-fixture.ts";
import { Peer } from "../support/peer.ts";

const KEY = { provider: "openrouter" };

test("the lease of a live watch counts although it was released, until the watch ends", async () => {
  const path = join(ownDirectory(), "ci.sock");
  await using broker = await world({ config: { endpoints: [{ name: "ci", path, mostLeases: 2 }] } });
  await broker.putKey("openrouter:a");
  const ci = new Peer(parseAddress(path));
  onTestFinished(() => ci.close());
  const watches = [ci.watch(KEY), ci.watch(KEY)];
  for (const watch of watches) {
    const { granted } = await watch.next();
    await ci.release(granted?.lease.leaseId ?? "");
  }
  const third = ci.watch(KEY);
  expect((await third.next()).unavailable).toMatchObject({ reason: "ENDPOINT_LIMIT" });
  expect((await refusal(ci.acquire(KEY))).reason).toBe("ENDPOINT_LIMIT");
  third.cancel();
  watches[0]?.cancel();
  // The next call of the same connection comes after it.
  await ci.status();
  await broker.settle();
  const { lease } = await ci.acquire(KEY);
  await ci.release(lease.leaseId);
  await ci.acquire(KEY);
  expect((await refusal(ci.acquire(KEY))).reason).toBe("ENDPOINT_LIMIT");
  watches[1]?.cancel();
});
