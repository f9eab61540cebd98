import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUR, MINUTE, refusal, SECOND, type World, watchful, world } from "../support/broker-world.ts";
import { tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const LOCKED = { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" };

function lock(broker: World): Promise<unknown> {
  return broker.admin.call("store", "LockStore", {});
}

function unlock(broker: World): Promise<unknown> {
  return broker.admin.call("store", "UnlockStore", {});
}

async function one(config = {}): Promise<World> {
  const broker = await world({ config });
  await broker.put(A);
  return broker;
}

test("locked, the broker answers nobody and says what helps; unlocked, everything is as it was", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  await broker.order(CODEX, A);
  await lock(broker);
  const calls = [
    () => broker.acquire(CODEX),
    () => broker.acquire({ provider: CODEX, profile: A }),
    () => broker.report(lease.leaseId, "USAGE_LIMIT"),
    () => broker.put(`${CODEX}:b`),
    () => broker.list(),
    () => broker.get(A),
    () => broker.remove(A),
    () => broker.refresh(A),
    () => broker.order(CODEX, A),
  ];
  for (const call of calls) {
    const error = await refusal(call());
    expect(error).toMatchObject(LOCKED);
    expect(error.message).toContain("auth-broker unlock");
  }
  expect(await broker.agent.health("")).toBe("NOT_SERVING");
  expect(await broker.agent.health(`provider/${CODEX}`)).toBe("NOT_SERVING");
  const { store, warnings } = await broker.agent.status();
  expect(store).toMatchObject({ writable: false, locked: true });
  expect(warnings).toEqual(["the records are locked; auth-broker unlock"]);
  await unlock(broker);
  expect((await broker.list()).profiles).toMatchObject([{ profile: A, order: 1, generation: 1 }]);
  expect(await broker.agent.health("")).toBe("SERVING");
  expect((await broker.report(lease.leaseId, "RATE_LIMIT")).applied).toBe(true);
});

test("a watch lives through a lock: it says why there is nothing, and then has the credential again", async () => {
  await using broker = await one();
  const watch = broker.agent.watch({ provider: CODEX });
  expect((await watch.next())?.granted?.lease.profile).toBe(A);
  await lock(broker);
  expect((await watch.next())?.unavailable).toMatchObject({
    reason: "STORE_UNAVAILABLE",
    help: "auth-broker unlock",
  });
  await unlock(broker);
  expect((await watch.next())?.granted?.lease.profile).toBe(A);
  watch.cancel();
});

test("a watch that begins while all is locked waits for the unlock", async () => {
  await using broker = await one();
  await lock(broker);
  const watch = broker.agent.watch({ provider: CODEX });
  expect((await watch.next())?.unavailable?.reason).toBe("STORE_UNAVAILABLE");
  await unlock(broker);
  expect((await watch.next())?.granted?.lease.profile).toBe(A);
  watch.cancel();
});

test("an acquire that waits is told of the lock", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  const waiting = watchful(
    refusal(broker.acquire({ provider: CODEX, maxWait: "7200s" }, { deadlineMs: 60_000 })),
  );
  await broker.settle();
  expect(waiting.settled).toBe(false);
  await lock(broker);
  expect(await waiting.promise).toMatchObject(LOCKED);
});

test("nothing is refreshed while all is locked; what became due is refreshed after the unlock", async () => {
  await using broker = await one();
  await lock(broker);
  await broker.clock.advance(9 * HOUR);
  await broker.clock.advance(MINUTE);
  expect(broker.token.requests).toHaveLength(0);
  await unlock(broker);
  await broker.advance(MINUTE);
  expect(broker.token.requests).toHaveLength(1);
  expect((await broker.get(A)).generation).toBe(2);
});

test("a lock waits for a refresh that is under way and keeps what it brings", async () => {
  await using broker = await one();
  const held = broker.token.hold();
  const refresh = broker.refresh(A).catch(() => {});
  await held.arrived;
  const locking = watchful(lock(broker));
  await broker.agent.release("nothing").catch(() => {});
  expect(locking.settled).toBe(false);
  held.answer(tokens("landed"));
  await locking.promise;
  await refresh;
  await unlock(broker);
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-landed");
});

test("a lock is refused while a new grant could not be written down", async () => {
  await using broker = await one();
  const held = broker.token.hold();
  const refresh = refusal(broker.refresh(A));
  await held.arrived;
  const place = join(broker.home, "state", "profiles");
  await rename(place, `${place}.away`);
  await writeFile(place, "");
  held.answer(tokens("kept"));
  await refresh;
  const locking = watchful(refusal(lock(broker)));
  await broker.clock.advance(61 * SECOND);
  expect(await locking.promise).toMatchObject(LOCKED);
  await rm(place);
  await rename(`${place}.away`, place);
  await broker.advance(2 * MINUTE);
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-kept");
  await lock(broker);
});

test("without its key the broker stays locked and damages nothing", async () => {
  await using broker = await one();
  const key = join(broker.home, "key");
  const record = join(broker.home, "state", "profiles", "openai-codex%3aa.json");
  const before = await readFile(record);
  await lock(broker);
  await rename(key, `${key}.away`);
  const error = await refusal(unlock(broker));
  expect(error).toMatchObject(LOCKED);
  expect(error.message).toContain(key);
  expect(await refusal(broker.acquire(CODEX))).toMatchObject(LOCKED);
  await writeFile(key, `${"ab".repeat(32)}\n`, { mode: 0o600 });
  expect((await refusal(unlock(broker))).message).toContain("another key");
  expect((await readFile(record)).equals(before)).toBe(true);
  await rename(`${key}.away`, key);
  await unlock(broker);
  expect(await broker.serves(CODEX)).toBe(A);
});

test("with key.lockAfter it locks by itself once nobody asked for so long; asking begins the time anew", async () => {
  await using broker = await one({ key: { lockAfter: "10m" } });
  await broker.clock.advance(8 * MINUTE);
  await broker.serves(CODEX);
  await broker.clock.advance(8 * MINUTE);
  expect((await broker.agent.status()).store.locked).toBe(false);
  await broker.clock.advance(3 * MINUTE);
  await broker.agent.health("");
  expect((await broker.agent.status()).store.locked).toBe(true);
  await unlock(broker);
  await broker.clock.advance(9 * MINUTE);
  expect((await broker.agent.status()).store.locked).toBe(false);
  await broker.clock.advance(2 * MINUTE);
  expect((await broker.agent.status()).store.locked).toBe(true);
});

test("with key.lockAfter it does not lock while somebody watches", async () => {
  await using broker = await one({ key: { lockAfter: "10m" } });
  const watch = broker.agent.watch({ provider: CODEX });
  await watch.next();
  await broker.clock.advance(25 * MINUTE);
  expect((await broker.agent.status()).store.locked).toBe(false);
  watch.cancel();
  await broker.settle();
});
