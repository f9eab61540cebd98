import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAddress } from "../../src/endpoint/address.ts";
import { refusal, SECOND, type World, world } from "../support/broker-world.ts";
import { Peer } from "../support/peer.ts";

const CODEX = "openai-codex";

/** A broker with one more endpoint that allows three acquires a minute. */
async function limited(run: (broker: World, ci: Peer) => Promise<void>): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), "rate-"));
  const path = join(place, "ci.sock");
  await using broker = await world({ config: { endpoints: [{ name: "ci", path, rate: 3 }] } });
  await broker.put(`${CODEX}:a`);
  const ci = new Peer(parseAddress(path));
  try {
    await run(broker, ci);
  } finally {
    ci.close();
    await rm(place, { recursive: true, force: true });
  }
}

test("an endpoint with a rate allows so many acquires a minute, then says ENDPOINT_LIMIT and when to come back", () =>
  limited(async (broker, ci) => {
    for (let i = 0; i < 3; i += 1) await ci.acquire({ provider: CODEX });
    const error = await refusal(ci.acquire({ provider: CODEX }));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ENDPOINT_LIMIT" });
    expect(error.retryDelayMs).toBe(60_000);
    await broker.advance(59 * SECOND);
    expect((await refusal(ci.acquire({ provider: CODEX }))).retryDelayMs).toBe(1_000);
    await broker.advance(SECOND);
    await ci.acquire({ provider: CODEX });
  }));

test("a rate is the endpoint's own: the others go on, and the log says once that it is used up", () =>
  limited(async (broker, ci) => {
    for (let i = 0; i < 10; i += 1) await ci.acquire({ provider: CODEX }).catch(() => {});
    expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
    expect(broker.log.filter((l) => l.message.includes("rate"))).toMatchObject([
      { level: "warn", fields: { endpoint: "ci" } },
    ]);
  }));

test("the next credential of a report counts too; the report itself is heard", () =>
  limited(async (_broker, ci) => {
    const { lease } = await ci.acquire({ provider: CODEX });
    const ok = { leaseId: lease.leaseId, outcome: "OK", acquireNext: true };
    expect((await ci.report(ok)).next?.granted).toBeTruthy();
    expect((await ci.report(ok)).next?.granted).toBeTruthy();
    const answer = await ci.report({ ...ok, outcome: "NETWORK" });
    expect(answer).toMatchObject({ applied: true, outcome: "OUTCOME_NETWORK" });
    expect(answer.next?.unavailable).toMatchObject({ reason: "ENDPOINT_LIMIT" });
  }));

test("a bad request and an explanation count nothing", () =>
  limited(async (_broker, ci) => {
    for (let i = 0; i < 5; i += 1) {
      await refusal(ci.acquire({ provider: "" }));
      await ci.explain({ provider: CODEX });
    }
    for (let i = 0; i < 3; i += 1) await ci.acquire({ provider: CODEX });
  }));

test("what a watch gives counts too: it says ENDPOINT_LIMIT, and goes on by itself when there is room", () =>
  limited(async (broker, ci) => {
    for (let i = 0; i < 3; i += 1) await ci.acquire({ provider: CODEX });
    const watch = ci.watch({ provider: CODEX });
    expect((await watch.next()).unavailable).toMatchObject({ reason: "ENDPOINT_LIMIT" });
    await broker.advance(60 * SECOND);
    expect((await watch.next()).granted).toBeTruthy();
    watch.cancel();
  }));
