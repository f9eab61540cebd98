import { expect, test } from "vitest";
import { HOUR, MINUTE, refusal, SECOND, watchful, world } from "../support/broker-world.ts";
import { tokens } from "../support/token-endpoint.ts";

// Many at once. `npm run bench:storm` does the same with processes.

const CODEX = "openai-codex";
const MANY = 200;

test("200 logins that end within one second are refreshed two at a time, each once, and everybody who waits is served", async () => {
  await using broker = await world();
  const ids = Array.from({ length: MANY }, (_, i) => `${CODEX}:${String(i).padStart(3, "0")}`);
  await Promise.all(ids.map((id, i) => broker.put(id, { expireTime: broker.inTime(HOUR + i * 5) })));
  let running = 0;
  let most = 0;
  broker.token.always(async ({ fields }) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return tokens(fields.refresh_token?.slice(-3) ?? "");
  });
  broker.clock.sleepHost(HOUR + SECOND);
  const calls = ids.map((profile) => broker.acquire({ provider: CODEX, profile }, { deadlineMs: 120_000 }));
  const given = (await Promise.all(calls)).map(({ credential }) => credential.oauth?.accessToken);
  expect(given).toEqual(ids.map((id) => `at-FAKE-new-${id.slice(-3)}`));
  await broker.advance(MINUTE);
  expect(most).toBe(2);
  const sent = broker.token.requests.map(({ fields }) => fields.refresh_token);
  expect(sent).toHaveLength(MANY);
  expect(new Set(sent).size).toBe(MANY);
});

test("callers that all cancel at once, while a refresh runs or a cooldown does, leave nobody waiting and lose nothing", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`, { expireTime: broker.inTime(MINUTE / 2) });
  await broker.put("qwen:b");
  await broker.fails("qwen", "USAGE_LIMIT");
  const held = broker.token.hold();
  const cancels: (() => void)[] = [];
  const ask = (request: object) =>
    refusal(broker.acquire({ ...request }, { onCall: (call) => cancels.push(() => call.cancel()) }));
  const calls = Array.from({ length: MANY }, (_, i) =>
    ask(i % 2 === 0 ? { provider: CODEX } : { provider: "qwen", maxWait: "3000s" }),
  );
  await held.arrived;
  const kept = watchful(broker.acquire(CODEX));
  await broker.settle();
  for (const cancel of cancels) cancel();
  expect(new Set((await Promise.all(calls)).map(({ code }) => code))).toEqual(new Set(["CANCELLED"]));
  await broker.settle();
  // The one timer, and that of the caller who stays.
  expect(broker.clock.timers().length).toBeLessThanOrEqual(2);
  held.answer(tokens("new"));
  expect((await kept.promise).credential.oauth?.accessToken).toBe("at-FAKE-new-new");
  expect(broker.token.requests).toHaveLength(1);
  await broker.restart();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-new");
});
