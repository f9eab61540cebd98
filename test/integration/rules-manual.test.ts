import { expect, test } from "vitest";
import { refusal, type World, world } from "../support/broker-world.ts";

const A = "anthropic:a";
const B = "anthropic:b";

async function two(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  await broker.put(B);
  return broker;
}

for (const provider of ["anthropic", "google-gemini-cli"]) {
  test(`${provider}: no outcome makes next leave the reported account, and advice is never RETRY_NEXT`, async () => {
    await using broker = await world();
    await broker.put(`${provider}:a`);
    await broker.put(`${provider}:b`);
    for (const outcome of [
      "RATE_LIMIT",
      "USAGE_LIMIT",
      "BILLING",
      "MODEL_NOT_FOUND",
      "UNRECOGNIZED",
      "OVERLOADED",
      "NETWORK",
      "TIMEOUT",
      "FORBIDDEN",
      "AUTH_PERMANENT",
    ]) {
      const request = { provider, model: "m", profile: "" };
      const answer = await broker.fails(request, outcome, { acquireNext: true });
      expect(answer.advice?.action, outcome).not.toBe("ADVICE_ACTION_RETRY_NEXT");
      expect(answer.next?.granted?.lease.profile ?? `${provider}:a`, outcome).toBe(`${provider}:a`);
      await broker.clear(`${provider}:a`);
    }
  });
}

test("after AUTH_INVALID_TOKEN next waits for the refresh of the same account", async () => {
  await using broker = await two();
  const answer = await broker.fails({ provider: "anthropic", sessionId: "s" }, "AUTH_INVALID_TOKEN", {
    acquireNext: true,
  });
  expect(answer.next?.granted?.lease).toMatchObject({ profile: A, generation: 2 });
});

test("an account that is removed or switched off holds its session no longer than it must", async () => {
  await using broker = await two();
  const session = { provider: "anthropic", sessionId: "s" };
  expect(await broker.serves(session)).toBe(A);
  await broker.remove(A);
  expect(await broker.serves({ ...session, profile: B })).toBe(B);
  expect(await broker.serves(session)).toBe(B);
});

test("a login that is over keeps the session, and the error says which login and how to move", async () => {
  await using broker = await two();
  const session = { provider: "anthropic", sessionId: "s" };
  await broker.fails(session, "AUTH_PERMANENT");
  const error = await refusal(broker.acquire(session));
  expect(error.reason).toBe("LOGIN_REQUIRED");
  expect(error.message).toContain("acquire anthropic --profile P --session s");
  expect(error.unavailable?.help).toContain("login anthropic");
});

test("API keys are nobody's seat: a session on one may move", async () => {
  await using broker = await world();
  await broker.putKey(A);
  await broker.putKey(B);
  const answer = await broker.fails({ provider: "anthropic", sessionId: "s" }, "RATE_LIMIT", {
    acquireNext: true,
  });
  expect(answer.next?.granted?.lease.profile).toBe(B);
});

test("a watch that names a session is not moved either", async () => {
  await using broker = await two();
  const watch = broker.agent.watch({ provider: "anthropic", sessionId: "s" });
  expect((await watch.next()).granted?.lease.profile).toBe(A);
  await broker.fails({ provider: "anthropic", profile: A }, "USAGE_LIMIT");
  const { unavailable } = await watch.next();
  expect(unavailable?.reason).toBe("ALL_COOLING_DOWN");
  expect(unavailable?.help).toContain("acquire anthropic --profile ");
  watch.cancel();
});
