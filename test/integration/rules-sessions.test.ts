import { expect, test } from "vitest";
import {
  at,
  HOUR,
  iso,
  MINUTE,
  refusal,
  SECOND,
  type World,
  watchful,
  world,
} from "../support/broker-world.ts";
import { tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;
const S = { provider: CODEX, sessionId: "s" };

async function two(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  await broker.put(B);
  return broker;
}

/** Two logins of a vendor whose terms bind them to their own client. */
async function twoManual(): Promise<World> {
  const broker = await world();
  await broker.put("anthropic:a");
  await broker.put("anthropic:b");
  return broker;
}

/** Makes a profile's cooldown end after `ms`. */
async function cool(broker: World, profile: string, ms: number): Promise<void> {
  await broker.fails({ provider: CODEX, profile }, "USAGE_LIMIT", { retryTime: broker.inTime(ms) });
}

test("a session stays with its profile while it is usable, although a better one comes back", async () => {
  await using broker = await two();
  await cool(broker, A, HOUR);
  expect(await broker.serves(S)).toBe(B);
  await broker.clear(A);
  expect(await broker.serves(S)).toBe(B);
  expect(await broker.serves(CODEX)).toBe(A);
  const { candidates } = await broker.agent.explain(S);
  expect(candidates[0]).toMatchObject({ profile: B, rank: 1, eligible: true, reason: "SESSION" });
});

test("a session stays with its profile under round_robin too; without a session id nothing sticks", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { strategy: "round_robin" } } } });
  await broker.put(A);
  await broker.put(B);
  const home = await broker.serves(S);
  for (let i = 0; i < 4; i += 1) expect(await broker.serves(S)).toBe(home);
  expect(await broker.serves(CODEX)).not.toBe(await broker.serves(CODEX));
});

test("a cooldown of up to 5 min only lends the session another profile and brings it home afterwards", async () => {
  await using broker = await two();
  expect(await broker.serves(S)).toBe(A);
  await cool(broker, A, 5 * MINUTE);
  expect(await broker.serves(S)).toBe(B);
  await broker.advance(5 * MINUTE);
  expect(await broker.serves(S)).toBe(A);
});

test("a cooldown longer than 5 min moves the session for good", async () => {
  await using broker = await two();
  expect(await broker.serves(S)).toBe(A);
  await cool(broker, A, 5 * MINUTE + SECOND);
  expect(await broker.serves(S)).toBe(B);
  expect((await broker.get(A)).sessionCount).toBe(0);
  expect((await broker.get(B)).sessionCount).toBe(1);
  await broker.advance(6 * MINUTE);
  expect(await broker.serves(CODEX)).toBe(A);
  expect(await broker.serves(S)).toBe(B);
});

test("a lent session keeps the profile it was lent, as long as that one is usable", async () => {
  await using broker = await two();
  await broker.put(`${CODEX}:c`);
  expect(await broker.serves(S)).toBe(A);
  await cool(broker, B, MINUTE);
  await cool(broker, A, 4 * MINUTE);
  expect(await broker.serves(S)).toBe(`${CODEX}:c`);
  await broker.advance(2 * MINUTE);
  expect(await broker.serves(CODEX)).toBe(B);
  expect(await broker.serves(S)).toBe(`${CODEX}:c`);
  await broker.advance(2 * MINUTE);
  expect(await broker.serves(S)).toBe(A);
});

test("homeWithin and idleLimit of the configuration replace 5 min and 1 h", async () => {
  await using broker = await world({ config: { session: { homeWithin: "1m", idleLimit: "10m" } } });
  await broker.put(A);
  await broker.put(B);
  expect(await broker.serves(S)).toBe(A);
  await cool(broker, A, 2 * MINUTE);
  expect(await broker.serves(S)).toBe(B);
  await broker.advance(2 * MINUTE);
  expect(await broker.serves(S)).toBe(B);
  await broker.advance(11 * MINUTE);
  expect(await broker.serves(S)).toBe(A);
});

test("a profile that needs a login or is switched off loses its sessions", async () => {
  await using broker = await two();
  expect(await broker.serves(S)).toBe(A);
  await broker.update({ profile: A, enabled: false });
  expect(await broker.serves(S)).toBe(B);
  await broker.update({ profile: A, enabled: true });
  expect(await broker.serves(S)).toBe(B);
});

test("a pinned acquire that names a session makes its profile the home", async () => {
  await using broker = await two();
  expect(await broker.serves(S)).toBe(A);
  expect(await broker.serves({ ...S, profile: B })).toBe(B);
  expect(await broker.serves(S)).toBe(B);
  expect((await broker.get(B)).sessionCount).toBe(1);
  expect((await broker.get(A)).sessionCount).toBe(0);
});

test("sessions are known by endpoint, provider and id", async () => {
  await using broker = await two();
  await broker.put("qwen:a");
  await broker.put("qwen:b");
  expect(await broker.serves({ ...S, profile: B })).toBe(B);
  expect(await broker.serves({ provider: "qwen", sessionId: "s" })).toBe("qwen:a");
  expect(await broker.serves({ ...S, sessionId: "t" })).toBe(A);
  expect((await broker.admin.acquire(S)).lease.profile).toBe(A);
  expect(await broker.serves(S)).toBe(B);
});

test("a session is forgotten after 1 h without use, and every use begins the hour anew", async () => {
  await using broker = await two();
  await broker.serves({ ...S, profile: B });
  await broker.advance(59 * MINUTE);
  expect(await broker.serves(S)).toBe(B);
  await broker.advance(59 * MINUTE);
  expect(await broker.serves(S)).toBe(B);
  await broker.advance(HOUR + SECOND);
  expect((await broker.get(B)).sessionCount).toBe(0);
  expect(await broker.serves(S)).toBe(A);
});

test("sessions begin anew with a restart", async () => {
  await using broker = await two();
  await broker.serves({ ...S, profile: B });
  await broker.restart();
  expect(await broker.serves(S)).toBe(A);
});

test("a bound session waits 5 s for a refresh, then is lent another profile, and comes home afterwards", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: iso(broker.nowMs + 30 * MINUTE) });
  await broker.put(B);
  expect(await broker.serves(S)).toBe(A);
  const held = broker.token.hold();
  const lent = watchful(broker.acquire({ ...S, minValidFor: "3600s" }));
  await held.arrived;
  await broker.advance(5 * SECOND - 1);
  expect(lent.settled).toBe(false);
  await broker.advance(1);
  expect((await lent.promise).lease.profile).toBe(B);
  held.answer(tokens("late"));
  await broker.settle();
  const home = await broker.acquire({ ...S, minValidFor: "3600s" });
  expect(home.credential.oauth?.accessToken).toBe("at-FAKE-new-late");
});

test("a bound session whose refresh is quick stays at home", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: iso(broker.nowMs + 30 * MINUTE) });
  await broker.put(B);
  expect(await broker.serves(S)).toBe(A);
  const { lease } = await broker.acquire({ ...S, minValidFor: "3600s" });
  expect(lease).toMatchObject({ profile: A, generation: 2 });
});

test("manual: a session is neither lent nor moved by a cooldown; the error has its own time and names what moves it", async () => {
  await using broker = await twoManual();
  const session = { provider: "anthropic", sessionId: "s" };
  expect(await broker.serves(session)).toBe("anthropic:a");
  await broker.fails(session, "RATE_LIMIT");
  const short = await refusal(broker.acquire(session));
  expect(short).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ALL_COOLING_DOWN" });
  expect(at(short.unavailable?.retryTime)).toBe(broker.nowMs + 30 * SECOND);
  expect(short.why("anthropic:a")).toBe("COOLING_DOWN");
  expect(short.message).toMatch(/acquire anthropic --profile \S+ --session s/);
  expect(short.unavailable?.help).toMatch(/acquire anthropic --profile \S+ --session s/);
  await broker.advance(30 * SECOND);
  await broker.fails(session, "USAGE_LIMIT", { retryTime: broker.inTime(3 * HOUR) });
  expect(at((await refusal(broker.acquire(session))).unavailable?.retryTime)).toBe(broker.nowMs + 3 * HOUR);
  expect(await broker.serves({ ...session, profile: "anthropic:b" })).toBe("anthropic:b");
  expect(await broker.serves(session)).toBe("anthropic:b");
});

test("manual: an acquire without a session and a new session get a usable account", async () => {
  await using broker = await twoManual();
  await broker.fails("anthropic", "USAGE_LIMIT");
  expect(await broker.serves("anthropic")).toBe("anthropic:b");
  expect(await broker.serves({ provider: "anthropic", sessionId: "new" })).toBe("anthropic:b");
});

test("manual: a session is not lent for a slow refresh", async () => {
  await using broker = await world();
  await broker.put("anthropic:a", { expireTime: iso(broker.nowMs + 30 * MINUTE) });
  await broker.put("anthropic:b");
  const session = { provider: "anthropic", sessionId: "s" };
  expect(await broker.serves(session)).toBe("anthropic:a");
  const held = broker.token.hold();
  const waits = watchful(broker.acquire({ ...session, minValidFor: "3600s" }));
  await held.arrived;
  await broker.advance(20 * SECOND);
  expect(waits.settled).toBe(false);
  held.answer(tokens("slow"));
  expect((await waits.promise).credential.oauth?.accessToken).toBe("at-FAKE-new-slow");
});

for (const name of ["with", "without"] as const) {
  test(`manual: next never leaves the reported account and advice is never RETRY_NEXT, ${name} a session`, async () => {
    await using broker = await twoManual();
    const request = { provider: "anthropic", ...(name === "with" && { sessionId: "s" }) };
    const answer = await broker.fails(request, "USAGE_LIMIT", {
      retryTime: broker.inTime(HOUR),
      acquireNext: true,
    });
    expect(answer.advice).toMatchObject({ action: "ADVICE_ACTION_WAIT", delay: "3600s" });
    expect(answer.next?.granted).toBeUndefined();
    const unavailable = answer.next?.unavailable;
    expect(unavailable?.reason).toBe("ALL_COOLING_DOWN");
    expect(at(unavailable?.retryTime)).toBe(broker.nowMs + HOUR);
    expect(unavailable?.help).toContain("acquire anthropic --profile ");
  });
}

test("manual: a restart begins sessions anew", async () => {
  await using broker = await twoManual();
  const session = { provider: "anthropic", sessionId: "s" };
  await broker.fails(session, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.restart();
  expect(await broker.serves(session)).toBe("anthropic:b");
});

test("an operator's policy auto lets a session of a bound vendor move", async () => {
  await using broker = await world({
    config: { providers: { anthropic: { policy: { failover: "auto" } } } },
  });
  await broker.put("anthropic:a");
  await broker.put("anthropic:b");
  const session = { provider: "anthropic", sessionId: "s" };
  const answer = await broker.fails(session, "USAGE_LIMIT", { acquireNext: true });
  expect(answer.advice?.action).toBe("ADVICE_ACTION_RETRY_NEXT");
  expect(answer.next?.granted?.lease.profile).toBe("anthropic:b");
});

test("the session follows the credential that next brought", async () => {
  await using broker = await two();
  const answer = await broker.fails(S, "USAGE_LIMIT", { acquireNext: true });
  expect(answer.next?.granted?.lease).toMatchObject({ profile: B, sessionId: "s" });
  await broker.clear(A);
  expect(await broker.serves(S)).toBe(B);
});

test("a session goes home from next, too, when the cooldown was short", async () => {
  await using broker = await two();
  const answer = await broker.fails(S, "RATE_LIMIT", { acquireNext: true });
  expect(answer.next?.granted?.lease.profile).toBe(B);
  await broker.advance(30 * SECOND);
  expect(await broker.serves(S)).toBe(A);
});

test("a request that excludes the home is lent another profile and changes nothing for the next one", async () => {
  await using broker = await two();
  expect(await broker.serves(S)).toBe(A);
  expect(await broker.serves({ ...S, excludeProfiles: [A] })).toBe(B);
  expect(await broker.serves(S)).toBe(A);
});

test("a session whose home cools down for one model only is lent for that model only", async () => {
  await using broker = await two();
  expect(await broker.serves({ ...S, model: "m1" })).toBe(A);
  await broker.fails({ ...S, model: "m1" }, "RATE_LIMIT");
  expect(await broker.serves({ ...S, model: "m1" })).toBe(B);
  expect(await broker.serves({ ...S, model: "m2" })).toBe(A);
  await broker.advance(30 * SECOND);
  expect(await broker.serves({ ...S, model: "m1" })).toBe(A);
});
