import { expect, test } from "vitest";
import { at, HOUR, MINUTE, refusal, START_MS, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";

test("GetStatus tells version, start, store, and numbers of each provider", async () => {
  await using broker = await world();
  for (const label of ["a", "b", "c", "d", "e", "f"]) await broker.put(`${CODEX}:${label}`);
  const pin = (label: string) => ({ provider: CODEX, profile: `${CODEX}:${label}` });
  await broker.fails(pin("b"), "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.fails(pin("c"), "USAGE_LIMIT", { retryTime: broker.inTime(2 * HOUR) });
  await broker.fails(pin("d"), "AUTH_PERMANENT");
  await broker.fails(pin("e"), "FORBIDDEN");
  await broker.update({ profile: `${CODEX}:f`, enabled: false });
  await broker.advance(MINUTE);
  const status = await broker.agent.status();
  expect(status).toMatchObject({ version: "1.0.0", store: { kind: "lowdb", writable: true }, warnings: [] });
  expect(at(status.startTime)).toBe(START_MS);
  expect(status.providers).toMatchObject([
    { provider: CODEX, usable: 1, coolingDown: 2, needsLogin: 1, blocked: 1, disabled: 1 },
  ]);
  expect(at(status.providers[0]?.nextUsableTime)).toBe(START_MS + HOUR);
});

test("GetStatus answers on both endpoints, and lists providers that are configured or own a profile", async () => {
  await using broker = await world({ config: { providers: { mine: { type: "api-key" } } } });
  await broker.put("qwen:a");
  for (const peer of [broker.agent, broker.admin]) {
    const { providers } = await peer.status();
    expect(providers.map((p) => p.provider).sort()).toEqual(["mine", "qwen"]);
    expect(providers.find((p) => p.provider === "mine")).toMatchObject({ usable: 0, nextUsableTime: null });
  }
});

test("a profile that waits for its token endpoint counts as cooling down", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`, { expireTime: broker.inTime(MINUTE) });
  broker.token.always(() => new Response("", { status: 503, headers: { "retry-after": "600" } }));
  await broker.advance(2 * MINUTE);
  expect((await broker.agent.status()).providers).toMatchObject([{ usable: 0, coolingDown: 1 }]);
});

test("ExplainSelection names every profile of the provider once, with rank, reason, time and a sentence", async () => {
  await using broker = await world();
  for (const label of ["a", "b", "c", "d"]) await broker.put(`${CODEX}:${label}`);
  await broker.putKey(`${CODEX}:k`);
  const pin = (label: string) => ({ provider: CODEX, profile: `${CODEX}:${label}` });
  await broker.fails(pin("a"), "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.fails({ ...pin("b"), model: "m" }, "RATE_LIMIT");
  await broker.fails(pin("c"), "AUTH_PERMANENT");
  const { candidates } = await broker.agent.explain({ provider: CODEX, model: "m" });
  const shown = Object.fromEntries(candidates.map((c) => [c.profile.slice(CODEX.length + 1), c]));
  expect(Object.keys(shown).sort()).toEqual(["a", "b", "c", "d", "k"]);
  expect(shown.d).toMatchObject({ rank: 1, eligible: true, reason: "ORDER", untilTime: null });
  expect(candidates[0]?.profile).toBe(`${CODEX}:d`);
  expect(shown.a).toMatchObject({ rank: 0, eligible: false, reason: "COOLING_DOWN" });
  expect(at(shown.a?.untilTime)).toBe(broker.nowMs + HOUR);
  expect(shown.b).toMatchObject({ eligible: false, reason: "MODEL_COOLING_DOWN" });
  expect(at(shown.b?.untilTime)).toBe(broker.nowMs + 30_000);
  expect(shown.c).toMatchObject({ eligible: false, reason: "LOGIN_REQUIRED", untilTime: null });
  expect(shown.k).toMatchObject({ eligible: false, reason: "METERED_NOT_ALLOWED" });
  expect(candidates.every((c) => c.message !== "")).toBe(true);
});

test("ExplainSelection changes nothing: no session, no trial, no turn, no refresh", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { strategy: "round_robin" } } } });
  await broker.put(`${CODEX}:a`, { expireTime: broker.inTime(30 * MINUTE) });
  await broker.put(`${CODEX}:b`, { expireTime: broker.inTime(30 * MINUTE) });
  const request = { provider: CODEX, sessionId: "s", minValidFor: "3600s" };
  const first = await broker.agent.explain(request);
  expect(await broker.agent.explain(request)).toEqual(first);
  await broker.settle();
  expect(broker.token.requests).toHaveLength(0);
  expect((await broker.list()).profiles.map((p) => p.sessionCount)).toEqual([0, 0]);
});

test("ExplainSelection and acquire agree, for session and pin too", async () => {
  await using broker = await world();
  for (const label of ["a", "b", "c"]) await broker.put(`${CODEX}:${label}`);
  await broker.serves({ provider: CODEX, sessionId: "s", profile: `${CODEX}:c` });
  for (const request of [
    { provider: CODEX },
    { provider: CODEX, sessionId: "s" },
    { provider: CODEX, profile: `${CODEX}:b` },
    { provider: CODEX, excludeProfiles: [`${CODEX}:a`] },
  ]) {
    const { candidates } = await broker.agent.explain(request);
    expect(candidates.find((c) => c.rank === 1)?.profile).toBe(await broker.serves(request));
  }
});

test("health: the whole, each service by its full name, and provider/<id>", async () => {
  await using broker = await world({ config: { providers: { mine: { type: "api-key" } } } });
  const health = (service: string) => broker.agent.health(service);
  expect(await health("")).toBe("SERVING");
  expect(await health("authbroker.v1.CredentialService")).toBe("SERVING");
  expect(await health("authbroker.v1.StatusService")).toBe("SERVING");
  expect(await broker.admin.health("authbroker.v1.ProfileService")).toBe("SERVING");
  expect(await health("provider/mine")).toBe("NOT_SERVING");
  expect((await refusal(health("provider/no-such"))).code).toBe("NOT_FOUND");
  expect((await refusal(health(`provider/${CODEX}`))).code).toBe("NOT_FOUND");
  await broker.put(`${CODEX}:a`);
  expect(await health(`provider/${CODEX}`)).toBe("SERVING");
  await broker.fails(CODEX, "RATE_LIMIT");
  expect(await health(`provider/${CODEX}`)).toBe("NOT_SERVING");
  await broker.advance(30_000);
  expect(await health(`provider/${CODEX}`)).toBe("SERVING");
  await broker.remove(`${CODEX}:a`);
  expect((await refusal(health(`provider/${CODEX}`))).code).toBe("NOT_FOUND");
});
