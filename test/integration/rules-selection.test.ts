import { expect, test } from "vitest";
import { at, DAY, HOUR, MINUTE, refusal, type World, world } from "../support/broker-world.ts";
import { tokens } from "../support/token-endpoint.ts";
import type { Json } from "../support/wire-json.ts";

const CODEX = "openai-codex";

/** Ids in the order of their ranks, and the reason of each that cannot serve. */
async function ranking(broker: World, request: Json | string = CODEX) {
  const asked = typeof request === "string" ? { provider: request } : request;
  const { candidates } = await broker.agent.explain(asked);
  const able = candidates.filter((c) => c.eligible).sort((a, b) => a.rank - b.rank);
  const out = candidates.filter((c) => !c.eligible);
  expect(able.map((c) => c.rank)).toEqual(able.map((_, i) => i + 1));
  expect(out.every((c) => c.rank === 0)).toBe(true);
  return {
    able: able.map((c) => c.profile),
    out: Object.fromEntries(out.map((c) => [c.profile, c.reason])),
    reason: able[0]?.reason,
  };
}

test("without an order profiles serve by kind (oauth, token, api_key), then by id", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { meteredFallback: true } } } });
  await broker.putKey(`${CODEX}:a`);
  await broker.putToken(`${CODEX}:c`);
  await broker.putToken(`${CODEX}:b`);
  await broker.put(`${CODEX}:y`);
  await broker.put(`${CODEX}:x`);
  const { able, reason } = await ranking(broker);
  expect(able).toEqual(["x", "y", "b", "c", "a"].map((l) => `${CODEX}:${l}`));
  expect(reason).toBe("ORDER");
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:x`);
  const shown = (await broker.list()).profiles.map((p) => [p.profile, p.order]);
  expect(Object.fromEntries(shown)).toEqual({
    [`${CODEX}:x`]: 1,
    [`${CODEX}:y`]: 2,
    [`${CODEX}:b`]: 3,
    [`${CODEX}:c`]: 4,
    [`${CODEX}:a`]: 5,
  });
});

test("the provider `openai` is an alias of `openai-codex` at every edge", async () => {
  await using broker = await world();
  const put = await broker.put("openai:work");
  expect(put).toMatchObject({ profile: `${CODEX}:work`, provider: CODEX, label: "work" });
  expect((await broker.acquire("openai")).lease).toMatchObject({
    provider: CODEX,
    profile: `${CODEX}:work`,
  });
  expect(await broker.serves({ provider: "openai", profile: "openai:work" })).toBe(`${CODEX}:work`);
  expect((await broker.get("openai:work")).profile).toBe(`${CODEX}:work`);
  expect((await broker.list({ provider: "openai" })).profiles).toHaveLength(1);
  expect(await broker.order("openai", "openai:work")).toEqual({ profiles: [`${CODEX}:work`], unknown: [] });
  const excluded = await refusal(broker.acquire({ provider: "openai", excludeProfiles: ["openai:work"] }));
  expect(excluded).toMatchObject({ code: "NOT_FOUND", reason: "NO_PROFILE" });
  expect(excluded.why(`${CODEX}:work`)).toBe("EXCLUDED");
  expect(await broker.agent.health("provider/openai")).toBe("SERVING");
  const watch = broker.agent.watch({ provider: "openai" });
  expect((await watch.next()).granted?.lease.profile).toBe(`${CODEX}:work`);
  watch.cancel();
});

test("an API key put as `openai:x` becomes `openai-api:x`, and its old id stays accepted", async () => {
  await using broker = await world();
  expect((await broker.putKey("openai:key")).profile).toBe("openai-api:key");
  expect((await broker.get("openai:key")).profile).toBe("openai-api:key");
  expect(await broker.serves({ provider: "openai-api", profile: "openai:key" })).toBe("openai-api:key");
});

test("an explicit order is an allow-list: profiles outside it are shown as such and never used", async () => {
  await using broker = await world();
  for (const label of ["a", "b", "c"]) await broker.put(`${CODEX}:${label}`);
  await broker.order(CODEX, `${CODEX}:c`, `${CODEX}:a`);
  expect(await ranking(broker)).toMatchObject({
    able: [`${CODEX}:c`, `${CODEX}:a`],
    out: { [`${CODEX}:b`]: "NOT_IN_ORDER" },
  });
  expect((await broker.get(`${CODEX}:b`)).order).toBe(0);
  expect((await broker.get(`${CODEX}:c`)).order).toBe(1);
  await broker.fails(CODEX, "USAGE_LIMIT");
  const second = await broker.fails(CODEX, "USAGE_LIMIT");
  expect(second.advice?.action).toBe("ADVICE_ACTION_WAIT");
  const error = await refusal(broker.acquire(CODEX));
  expect(error.reason).toBe("ALL_COOLING_DOWN");
  expect(error.why(`${CODEX}:b`)).toBe("NOT_IN_ORDER");
});

test("an explicit order allows METERED profiles at their place", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`);
  await broker.putKey(`${CODEX}:k`);
  await broker.order(CODEX, `${CODEX}:k`, `${CODEX}:a`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:k`);
  await broker.order(CODEX, `${CODEX}:a`, `${CODEX}:k`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
  await broker.fails(CODEX, "USAGE_LIMIT");
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:k`);
});

test("ids in an order that no longer exist are skipped and reported by status", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`);
  await broker.put(`${CODEX}:b`);
  const set = await broker.order(CODEX, `${CODEX}:gone`, `${CODEX}:b`);
  expect(set).toEqual({ profiles: [`${CODEX}:b`], unknown: [`${CODEX}:gone`] });
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
  expect((await broker.agent.status()).warnings.join()).toContain(`${CODEX}:gone`);
});

test("an order with no living id at all is set aside with a warning", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`);
  await broker.order(CODEX, `${CODEX}:gone`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
  expect((await broker.agent.status()).warnings.join()).toContain(CODEX);
  await broker.put(`${CODEX}:gone`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:gone`);
  expect((await broker.agent.status()).warnings.join()).not.toContain(":gone");
});

test("SetOrder wins over the order in config.json, survives a restart, and empty gives it back", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { order: [`${CODEX}:a`] } } } });
  await broker.put(`${CODEX}:a`);
  await broker.put(`${CODEX}:b`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
  expect((await broker.get(`${CODEX}:b`)).order).toBe(0);
  await broker.order(CODEX, `${CODEX}:b`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
  await broker.restart();
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
  await broker.order(CODEX);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
});

test("a METERED profile serves when no other kind of profile exists for its provider", async () => {
  await using broker = await world();
  await broker.putKey(`${CODEX}:k`);
  const { lease, credential } = await broker.acquire(CODEX);
  expect(lease).toMatchObject({ profile: `${CODEX}:k`, costClass: "COST_CLASS_METERED" });
  expect(credential).toMatchObject({
    apiKey: { key: "sk-FAKE-k" },
    headers: { authorization: "Bearer sk-FAKE-k" },
  });
  expect(credential.oauth).toBeUndefined();
});

test("beside another kind of profile a METERED one never serves, not even when the other is disabled", async () => {
  await using broker = await world();
  await broker.putKey(`${CODEX}:k`);
  await broker.put(`${CODEX}:a`);
  await broker.fails(CODEX, "USAGE_LIMIT");
  const cooling = await refusal(broker.acquire(CODEX));
  expect(cooling.reason).toBe("ALL_COOLING_DOWN");
  expect(cooling.why(`${CODEX}:k`)).toBe("METERED_NOT_ALLOWED");
  await broker.update({ profile: `${CODEX}:a`, enabled: false });
  const left = await refusal(broker.acquire(CODEX));
  expect(left).toMatchObject({ code: "FAILED_PRECONDITION", reason: "METERED_NOT_ALLOWED" });
  expect(left.unavailable?.help).not.toBe("");
  const kinds = await refusal(broker.acquire({ provider: CODEX, kinds: ["API_KEY"] }));
  expect(kinds.reason).toBe("METERED_NOT_ALLOWED");
});

test("with meteredFallback a METERED profile serves when the others cannot", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { meteredFallback: true } } } });
  await broker.putKey(`${CODEX}:k`);
  await broker.put(`${CODEX}:a`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
  await broker.fails(CODEX, "USAGE_LIMIT");
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:k`);
});

test("a pin allows METERED, but never a profile outside an explicit order", async () => {
  await using broker = await world();
  await broker.putKey(`${CODEX}:k`);
  await broker.put(`${CODEX}:a`);
  expect(await broker.serves({ provider: CODEX, profile: `${CODEX}:k` })).toBe(`${CODEX}:k`);
  await broker.order(CODEX, `${CODEX}:a`);
  const error = await refusal(broker.acquire({ provider: CODEX, profile: `${CODEX}:k` }));
  expect(error).toMatchObject({ code: "NOT_FOUND", reason: "NO_PROFILE" });
  expect(error.why(`${CODEX}:k`)).toBe("NOT_IN_ORDER");
});

test("a pinned profile that is unusable fails, and no other is given in its place", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`);
  await broker.put(`${CODEX}:b`);
  const pin = { provider: CODEX, profile: `${CODEX}:a` };
  expect((await ranking(broker, pin)).reason).toBe("PINNED");
  await broker.fails(pin, "USAGE_LIMIT");
  const error = await refusal(broker.acquire(pin));
  expect(error.reason).toBe("ALL_COOLING_DOWN");
  expect(at(error.unavailable?.retryTime)).toBe(broker.nowMs + 15 * MINUTE);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
});

test("pool, kinds, exclusion and the operator's switch each take profiles out, with their reason", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`, {}, { pools: ["work"] });
  await broker.put(`${CODEX}:b`, {}, { pools: ["work", "home"] });
  await broker.putToken(`${CODEX}:t`, {}, { pools: ["work"] });
  await broker.put(`${CODEX}:n`);
  await broker.update({ profile: `${CODEX}:b`, enabled: false });
  const request = {
    provider: CODEX,
    pool: "work",
    kinds: ["OAUTH"],
    excludeProfiles: [`${CODEX}:a`],
  };
  expect(await ranking(broker, request)).toMatchObject({
    able: [],
    out: {
      [`${CODEX}:a`]: "EXCLUDED",
      [`${CODEX}:b`]: "DISABLED",
      [`${CODEX}:t`]: "KIND_NOT_WANTED",
      [`${CODEX}:n`]: "NOT_IN_POOL",
    },
  });
  expect(await refusal(broker.acquire(request))).toMatchObject({ code: "NOT_FOUND", reason: "NO_PROFILE" });
  expect(await broker.serves({ provider: CODEX, pool: "work", kinds: ["TOKEN"] })).toBe(`${CODEX}:t`);
});

test("round_robin goes from one profile to the next", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { strategy: "round_robin" } } } });
  for (const label of ["a", "b", "c"]) await broker.put(`${CODEX}:${label}`);
  const served: string[] = [];
  for (let i = 0; i < 6; i += 1) {
    const before = await ranking(broker);
    expect(before.reason).toBe("ROUND_ROBIN");
    expect(await ranking(broker)).toEqual(before);
    served.push(await broker.serves(CODEX));
    expect(served.at(-1)).toBe(before.able[0]);
  }
  expect(new Set(served.slice(0, 3)).size).toBe(3);
  expect(served.slice(3)).toEqual(served.slice(0, 3));
});

test("least_loaded takes the profile with the fewest live sessions and watches", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { strategy: "least_loaded" } } } });
  await broker.put(`${CODEX}:a`);
  await broker.put(`${CODEX}:b`);
  expect(await broker.serves({ provider: CODEX, sessionId: "s1" })).toBe(`${CODEX}:a`);
  expect(await ranking(broker)).toMatchObject({ able: [`${CODEX}:b`, `${CODEX}:a`], reason: "LEAST_LOADED" });
  const watch = broker.agent.watch({ provider: CODEX });
  expect((await watch.next()).granted?.lease.profile).toBe(`${CODEX}:b`);
  expect(await broker.serves({ provider: CODEX, sessionId: "s2" })).toBe(`${CODEX}:a`);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
  await broker.advance(HOUR);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:a`);
  watch.cancel();
});

test("earliest_reset spends what resets soonest, by observed windows", async () => {
  await using broker = await world({ config: { providers: { [CODEX]: { strategy: "earliest_reset" } } } });
  const window = (resetTime: string) => ({ name: "primary", usedPercent: 40, resetTime });
  for (const [label, ms] of [
    ["a", 3 * HOUR],
    ["b", HOUR],
  ] as const) {
    await broker.put(`${CODEX}:${label}`);
    await broker.fails({ provider: CODEX, profile: `${CODEX}:${label}` }, "OK", {
      usageWindows: [window(broker.inTime(ms))],
    });
  }
  expect(await ranking(broker)).toMatchObject({
    able: [`${CODEX}:b`, `${CODEX}:a`],
    reason: "EARLIEST_RESET",
  });
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
});

test("a token of unknown expiry satisfies any min_valid_for", async () => {
  await using broker = await world();
  await broker.putToken(`${CODEX}:t`);
  const { credential } = await broker.acquire({ provider: CODEX, minValidFor: "864000s" });
  expect(credential.oauth).toMatchObject({
    accessToken: "tok-FAKE-t",
    tokenType: "Bearer",
    expireTime: null,
  });
});

test("a token that ends before min_valid_for is not handed out: VALIDITY_UNREACHABLE", async () => {
  await using broker = await world();
  await broker.putToken(`${CODEX}:t`, { expireTime: broker.inTime(5 * MINUTE) });
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:t`);
  const error = await refusal(broker.acquire({ provider: CODEX, minValidFor: "301s" }));
  expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "VALIDITY_UNREACHABLE" });
  expect(error.why(`${CODEX}:t`)).toBe("VALIDITY_UNREACHABLE");
  expect(await broker.serves({ provider: CODEX, minValidFor: "300s" })).toBe(`${CODEX}:t`);
  await broker.advance(4 * MINUTE + 1);
  expect((await refusal(broker.acquire(CODEX))).reason).not.toBe("");
  expect(await broker.serves({ provider: CODEX, minValidFor: "0s" })).toBe(`${CODEX}:t`);
});

test("a min_valid_for longer than a fresh token lives is refused after one refresh, not for ever tried", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`, { expireTime: broker.inTime(30 * MINUTE) });
  broker.token.always(() => tokens(1, { expires_in: 3600 }));
  const error = await refusal(broker.acquire({ provider: CODEX, minValidFor: `${DAY / 1000}s` }));
  expect(error.reason).toBe("VALIDITY_UNREACHABLE");
  expect(broker.token.requests.length).toBeLessThanOrEqual(1);
});

test("a refresh is waited for only if no other candidate holds a valid token", async () => {
  await using broker = await world();
  await broker.put(`${CODEX}:a`, { expireTime: broker.inTime(30 * MINUTE) });
  await broker.put(`${CODEX}:b`);
  broker.token.hold();
  expect(await broker.serves({ provider: CODEX, minValidFor: "3600s" })).toBe(`${CODEX}:b`);
});

test("a provider that is known but owns no profile answers NO_PROFILE", async () => {
  await using broker = await world();
  expect(await refusal(broker.acquire(CODEX))).toMatchObject({ code: "NOT_FOUND", reason: "NO_PROFILE" });
});

test("NO_PROFILE says whether there is none, all are disabled, or none is in the pool, and what helps", async () => {
  await using broker = await world();
  const told = async (request: object) => {
    const { unavailable } = await refusal(broker.acquire({ provider: CODEX, ...request }));
    return [unavailable?.message, unavailable?.help];
  };
  expect(await told({})).toEqual([
    `${CODEX}: there is no profile; log in, or import one`,
    `auth-broker login ${CODEX}`,
  ]);
  expect(await told({ provider: "openai-api" })).toEqual([
    "openai-api: there is no profile; add a key",
    "auth-broker profiles add openai-api:LABEL --api-key",
  ]);
  await broker.put(`${CODEX}:a`, {}, { pools: ["work"] });
  expect(await told({ pool: "home" })).toEqual([
    `${CODEX}: no profile is in the pool "home"; there are: work`,
    `auth-broker explain ${CODEX}`,
  ]);
  expect(await told({ kinds: ["PROFILE_KIND_API_KEY"] })).toEqual([
    `${CODEX}: no profile matches this request`,
    `auth-broker explain ${CODEX}`,
  ]);
  await broker.put(`${CODEX}:a`, {}, { enabled: false });
  expect(await told({})).toEqual([
    `${CODEX}: every profile is disabled`,
    `auth-broker profiles enable ${CODEX}:a`,
  ]);
});

test("the alias stands in the configuration, too: as a provider's name and in its order", async () => {
  await using broker = await world({
    config: { providers: { openai: { order: ["openai:b", "openai:a"] } } },
  });
  for (const label of ["a", "b", "c"]) await broker.put(`${CODEX}:${label}`);
  expect((await ranking(broker)).able).toEqual([`${CODEX}:b`, `${CODEX}:a`]);
});

test("costClass, baseUrl and headers of the configuration hold for the provider's profiles", async () => {
  await using broker = await world({
    config: {
      providers: {
        mine: {
          type: "api-key",
          baseUrl: "https://api.example.test/v1",
          headers: { "x-key": "{token}", authorization: "" },
          costClass: "subscription",
        },
      },
    },
  });
  await broker.putKey("mine:k");
  const { lease, credential } = await broker.acquire("mine");
  expect(lease.costClass).toBe("COST_CLASS_SUBSCRIPTION");
  expect(credential.headers).toEqual({ "x-key": "sk-FAKE-k" });
  expect(credential.baseUrl).toBe("https://api.example.test/v1");
  await broker.update({ profile: "mine:k", baseUrl: "https://own.example.test" });
  expect((await broker.acquire("mine")).credential.baseUrl).toBe("https://own.example.test");
});
