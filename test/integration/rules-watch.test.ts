import { expect, test } from "vitest";
import { at, HOUR, MINUTE, SECOND, type World, watchful, world } from "../support/broker-world.ts";
import { RpcError } from "../support/rpc-error.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

async function two(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  await broker.put(B);
  return broker;
}

test("the first message comes at once: a credential with its lease", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX, sessionId: "s" });
  const { granted } = await watch.next();
  expect(granted?.lease).toMatchObject({ profile: A, provider: CODEX, sessionId: "s", generation: 1 });
  expect(granted?.credential.headers.authorization).toBe("Bearer at-FAKE-a");
  watch.cancel();
});

test("with no profile the first message says so, and the stream lives on to bring a login", async () => {
  await using broker = await world();
  const watch = broker.agent.watch({ provider: CODEX });
  expect((await watch.next()).unavailable).toMatchObject({ reason: "NO_PROFILE", retryTime: null });
  await broker.put(A);
  expect((await watch.next()).granted?.lease.profile).toBe(A);
  watch.cancel();
});

test("a cooldown is pushed with the next credential, a return with the profile", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX });
  const first = await watch.next();
  await broker.report(first.granted?.lease.leaseId ?? "", "USAGE_LIMIT");
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  await broker.fails({ provider: CODEX, profile: B }, "USAGE_LIMIT", {
    retryTime: broker.inTime(5 * MINUTE),
  });
  const { unavailable } = await watch.next();
  expect(unavailable?.reason).toBe("ALL_COOLING_DOWN");
  expect(at(unavailable?.retryTime)).toBe(broker.nowMs + 5 * MINUTE);
  await broker.advance(5 * MINUTE);
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  watch.cancel();
});

test("a new generation is pushed", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX });
  await watch.next();
  await broker.refresh(A);
  const { granted } = await watch.next();
  expect(granted?.lease.generation).toBe(2);
  expect(granted?.credential.oauth?.accessToken).toBe("at-FAKE-new-1");
  watch.cancel();
});

test("a removal, a switch-off and an order are pushed", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX });
  expect((await watch.next()).granted?.lease.profile).toBe(A);
  await broker.remove(A);
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  await broker.update({ profile: B, enabled: false });
  expect((await watch.next()).unavailable).toMatchObject({
    reason: "NO_PROFILE",
    profiles: [{ profile: B, reason: "DISABLED" }],
  });
  await broker.put(`${CODEX}:c`);
  expect((await watch.next()).granted?.lease.profile).toBe(`${CODEX}:c`);
  await broker.put(`${CODEX}:d`);
  await broker.order(CODEX, `${CODEX}:d`);
  expect((await watch.next()).granted?.lease.profile).toBe(`${CODEX}:d`);
  watch.cancel();
});

test("a watch of a pinned profile survives its removal and brings it back", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX, profile: B });
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  await broker.remove(B);
  expect((await watch.next()).unavailable?.reason).toBe("NO_PROFILE");
  await broker.put(B);
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  watch.cancel();
});

test("nothing is sent when nothing changed for this watcher", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX });
  await watch.next();
  await broker.fails({ provider: CODEX, profile: B }, "USAGE_LIMIT");
  await broker.put("qwen:a");
  await broker.fails(CODEX, "OK");
  const silent = watchful(watch.next());
  await broker.settle();
  expect(silent.settled).toBe(false);
  await broker.refresh(A);
  expect((await silent.promise).granted?.lease.generation).toBe(2);
  watch.cancel();
});

test("a slow reader skips states and always ends with the newest", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX });
  await watch.next();
  for (let i = 0; i < 100; i += 1)
    await broker.update({ profile: A, baseUrl: `https://api-${i}.example.test` });
  let seen = 0;
  await watch.until(({ granted }) => {
    seen += 1;
    return granted?.credential.baseUrl === "https://api-99.example.test";
  });
  expect(seen).toBeLessThanOrEqual(100);
  watch.cancel();
});

test("the lease is renewed when it ends, without a change of the credential", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX });
  const first = (await watch.next()).granted?.lease;
  expect(at(first?.expireTime)).toBe(broker.nowMs + HOUR);
  await broker.advance(HOUR);
  const second = (await watch.next()).granted;
  expect(second?.lease.leaseId).not.toBe(first?.leaseId);
  expect(at(second?.lease.expireTime)).toBeGreaterThan(at(first?.expireTime));
  expect(second?.credential.oauth?.accessToken).toBe("at-FAKE-a");
  watch.cancel();
});

test("a bare token that comes to its end is taken back before", async () => {
  await using broker = await world();
  await broker.putToken(A, { expireTime: broker.inTime(10 * MINUTE) });
  const watch = broker.agent.watch({ provider: CODEX });
  await watch.next();
  await broker.advance(9 * MINUTE + SECOND);
  expect((await watch.next()).unavailable?.reason).toMatch(/VALIDITY_UNREACHABLE|LOGIN_REQUIRED/);
  watch.cancel();
});

test("a session of a watch stays with its profile", async () => {
  await using broker = await two();
  await broker.serves({ provider: CODEX, profile: B, sessionId: "s" });
  const watch = broker.agent.watch({ provider: CODEX, sessionId: "s" });
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  watch.cancel();
});

test("bad requests end the stream with INVALID_ARGUMENT", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: "" });
  await expect(watch.next()).rejects.toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
});

test("a broker that stops ends its watches with UNAVAILABLE", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: CODEX });
  await watch.next();
  const end = watch.next().then(
    () => undefined,
    (error: unknown) => error,
  );
  await broker.drain();
  const error = await end;
  expect(error).toBeInstanceOf(RpcError);
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "DRAINING" });
});

test("many watchers get the same new generation from one refresh", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(HOUR) });
  const watches = Array.from({ length: 20 }, () => broker.agent.watch({ provider: CODEX }));
  await Promise.all(watches.map((watch) => watch.next()));
  await broker.advance(at((await broker.get(A)).refreshTime) - broker.nowMs);
  for (const watch of watches) {
    expect((await watch.next()).granted?.lease.generation).toBe(2);
    watch.cancel();
  }
  expect(broker.token.requests).toHaveLength(1);
});
