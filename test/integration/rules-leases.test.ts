import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { at, HOUR, MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const UNKNOWN = { code: "NOT_FOUND", reason: "LEASE_UNKNOWN" };

async function one(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  return broker;
}

/** Every file of the state with what would change if it were written. */
async function written(broker: World): Promise<unknown[]> {
  const entries = await readdir(join(broker.home, "state"), { recursive: true });
  const files = entries.sort().map(async (name) => {
    const { mtimeNs, ino } = await stat(join(broker.home, "state", name), { bigint: true });
    return [name, mtimeNs, ino];
  });
  return Promise.all(files);
}

test("a lease ends after 1 h, or with the credential", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  expect(at(lease.issueTime)).toBe(broker.nowMs);
  expect(at(lease.expireTime)).toBe(broker.nowMs + HOUR);
  await broker.putToken("qwen:t", { expireTime: broker.inTime(10 * MINUTE) });
  const short = await broker.acquire("qwen");
  expect(at(short.lease.expireTime)).toBe(broker.nowMs + 10 * MINUTE);
});

test("a lease stays reportable for 1 h after its end, and no longer", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  await broker.advance(2 * HOUR - SECOND);
  expect((await broker.report(lease.leaseId, "USAGE_LIMIT")).applied).toBe(true);
  await broker.advance(SECOND);
  expect(await refusal(broker.report(lease.leaseId, "OK"))).toMatchObject(UNKNOWN);
});

test("a report made after a restart still counts", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  await broker.restart(SECOND);
  const answer = await broker.report(lease.leaseId, "USAGE_LIMIT");
  expect(answer).toMatchObject({ applied: true, profileState: "PROFILE_STATE_COOLING_DOWN" });
});

test("a forged or damaged id is unknown", async () => {
  await using broker = await one();
  const { leaseId } = (await broker.acquire(CODEX)).lease;
  for (let i = 0; i < leaseId.length; i += 7) {
    const other = leaseId[i] === "A" ? "B" : "A";
    const forged = `${leaseId.slice(0, i)}${other}${leaseId.slice(i + 1)}`;
    expect(await refusal(broker.report(forged, "USAGE_LIMIT"))).toMatchObject(UNKNOWN);
  }
  for (const forged of [
    leaseId.slice(1),
    leaseId.slice(0, -1),
    `${leaseId}A`,
    `${leaseId}=`,
    leaseId.repeat(2),
  ]) {
    expect(await refusal(broker.report(forged, "USAGE_LIMIT"))).toMatchObject(UNKNOWN);
  }
  expect((await broker.get(A)).cooldowns).toEqual([]);
});

test("a lease of another installation is unknown", async () => {
  await using broker = await one();
  await using other = await one();
  const { lease } = await other.acquire(CODEX);
  expect(await refusal(broker.report(lease.leaseId, "OK"))).toMatchObject(UNKNOWN);
});

test("a lease belongs to its endpoint", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  expect(await refusal(broker.admin.report({ leaseId: lease.leaseId, outcome: "OK" }))).toMatchObject(
    UNKNOWN,
  );
  const own = await broker.admin.acquire({ provider: CODEX });
  expect(await refusal(broker.report(own.lease.leaseId, "OK"))).toMatchObject(UNKNOWN);
  expect((await broker.report(lease.leaseId, "OK")).applied).toBe(true);
});

test("release is idempotent; of an unknown lease it is an error", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  expect(await broker.agent.release(lease.leaseId)).toEqual({});
  expect(await broker.agent.release(lease.leaseId)).toEqual({});
  expect(await refusal(broker.agent.release("x"))).toMatchObject(UNKNOWN);
  expect(await refusal(broker.agent.release(""))).toMatchObject({ reason: "FIELD_INVALID" });
});

test("nothing is written on acquire, release, watch or explain", async () => {
  await using broker = await one();
  const before = await written(broker);
  for (let i = 0; i < 5; i += 1) {
    const { lease } = await broker.acquire({ provider: CODEX, sessionId: `s${i}` });
    await broker.agent.release(lease.leaseId);
  }
  const watch = broker.agent.watch({ provider: CODEX });
  await watch.next();
  watch.cancel();
  await broker.agent.explain({ provider: CODEX });
  await broker.settle();
  expect(await written(broker)).toEqual(before);
});

test("ids of two leases of the same request differ", async () => {
  await using broker = await one();
  const [first, second] = [await broker.acquire(CODEX), await broker.acquire(CODEX)];
  expect(first.lease.leaseId).not.toBe(second.lease.leaseId);
});

test("a lease id tells no secret", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  const text = [...lease.leaseId.split(".")].map((part) => Buffer.from(part, "base64url").toString("latin1"));
  expect(`${lease.leaseId}${text.join()}`).not.toMatch(/(at|rt)-FAKE/);
});
