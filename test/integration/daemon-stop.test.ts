import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUR, MINUTE, refusal, SECOND, watchful, world } from "../support/broker-world.ts";
import { tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const WANTS_NEW = { provider: CODEX, minValidFor: "3600s" };

test("a stop with a new grant that can never be written ends all the same, says so in the log and rejects", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * MINUTE) });
  const held = broker.token.hold();
  const call = refusal(broker.acquire(WANTS_NEW));
  await held.arrived;
  const place = join(broker.home, "state", "profiles");
  await rename(place, `${place}.away`);
  await writeFile(place, "");
  held.answer(tokens("unwritten"));
  await call;
  const stopping = watchful(broker.drain());
  await broker.clock.advance(MINUTE);
  expect(stopping.settled).toBe(false);
  await broker.clock.advance(10 * SECOND);
  await expect(stopping.promise).rejects.toMatchObject({ failure: { kind: "store_unavailable" } });
  expect(broker.log.at(-1)).toMatchObject({ level: "error", fields: { refreshing: [A] } });
  expect(JSON.stringify(broker.log)).not.toContain("FAKE");
  await rm(place);
  await rename(`${place}.away`, place);
  await broker.restart().catch(() => {});
  await broker.start();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-a");
});

test("a stop tells callers who wait for a cooldown's end DRAINING, and does not wait for them", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  const call = refusal(broker.acquire({ provider: CODEX, maxWait: "3000s" }));
  await broker.settle();
  await broker.drain();
  expect(await call).toMatchObject({ code: "UNAVAILABLE", reason: "DRAINING" });
});

test("a caller who waits for a refresh when the broker is told to stop still gets what it brings", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * MINUTE) });
  const held = broker.token.hold();
  const call = broker.acquire(WANTS_NEW);
  await held.arrived;
  const stopping = broker.drain();
  held.answer(tokens("last"));
  expect((await call).credential.oauth?.accessToken).toBe("at-FAKE-new-last");
  await stopping;
});

test("a stop that waits keeps the process alive: nothing is lost because there is nothing else to do", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * MINUTE) });
  const held = broker.token.hold();
  const call = broker.acquire(WANTS_NEW).catch(() => {});
  await held.arrived;
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const stopping = broker.drain();
  expect(timers()).toBe(before + 1);
  held.answer(tokens("last"));
  await Promise.all([call, stopping]);
});
