import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUR, MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";
import { Peer } from "../support/peer.ts";
import { json } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

for (const [what, request, field] of [
  ["no provider", {}, "provider"],
  ["an unspecified kind", { provider: CODEX, kinds: ["PROFILE_KIND_UNSPECIFIED"] }, "kinds"],
  ["a negative min_valid_for", { provider: CODEX, minValidFor: "-1s" }, "min_valid_for"],
  ["a negative max_wait", { provider: CODEX, maxWait: "-1s" }, "max_wait"],
  ["a pin that is no profile id", { provider: CODEX, profile: "work" }, "profile"],
  ["an exclusion that is no profile id", { provider: CODEX, excludeProfiles: ["work"] }, "exclude_profiles"],
  [
    "a list of exclusions over 16 KiB",
    { provider: CODEX, excludeProfiles: Array.from({ length: 54 }, (_, i) => `${A}${"x".repeat(290)}${i}`) },
    "exclude_profiles",
  ],
  ["a C1 control character in a name", { provider: CODEX, sessionId: "s\u009b31m" }, "session_id"],
] as const) {
  test(`bad field: ${what} is FIELD_INVALID and named in BadRequest`, async () => {
    await using broker = await world();
    const error = await refusal(broker.acquire(request));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID", domain: "auth-broker" });
    expect(error.fields.join()).toContain(field);
    expect(error.unavailable).toBeUndefined();
  });
}

test("several bad fields are all named", async () => {
  await using broker = await world();
  const error = await refusal(broker.acquire({ provider: "", minValidFor: "-1s" }));
  expect(error.fields).toEqual(expect.arrayContaining(["provider", "min_valid_for"]));
});

test("a provider neither built in nor configured and without a profile is PROVIDER_UNKNOWN", async () => {
  await using broker = await world({ config: { providers: { mine: { type: "api-key" } } } });
  expect(await refusal(broker.acquire("no-such"))).toMatchObject({
    code: "NOT_FOUND",
    reason: "PROVIDER_UNKNOWN",
    domain: "auth-broker",
  });
  expect((await refusal(broker.acquire("mine"))).reason).toBe("NO_PROFILE");
  expect((await refusal(broker.acquire("kimi"))).reason).toBe("NO_PROFILE");
  expect((await refusal(broker.agent.explain({ provider: "no-such" }))).reason).toBe("PROVIDER_UNKNOWN");
});

test("no such profile is PROFILE_UNKNOWN, in a pin and in every call that names one", async () => {
  await using broker = await world();
  await broker.put(A);
  const expected = { code: "NOT_FOUND", reason: "PROFILE_UNKNOWN" };
  const gone = `${CODEX}:gone`;
  expect(await refusal(broker.acquire({ provider: CODEX, profile: gone }))).toMatchObject(expected);
  for (const call of [
    () => broker.get(gone),
    () => broker.remove(gone),
    () => broker.refresh(gone),
    () => broker.clear(gone),
    () => broker.update({ profile: gone, enabled: true }),
  ]) {
    expect(await refusal(call())).toMatchObject(expected);
  }
});

test("an excluded profile that does not exist is no error", async () => {
  await using broker = await world();
  await broker.put(A);
  expect(await broker.serves({ provider: CODEX, excludeProfiles: [`${CODEX}:gone`] })).toBe(A);
});

test("a bad field goes before an unknown provider, and that before an unknown profile", async () => {
  await using broker = await world();
  const both = { provider: "no-such", profile: "no-such:x" };
  expect((await refusal(broker.acquire({ ...both, minValidFor: "-1s" }))).reason).toBe("FIELD_INVALID");
  expect((await refusal(broker.acquire(both))).reason).toBe("PROVIDER_UNKNOWN");
});

test("an unknown pin goes before NO_PROFILE", async () => {
  await using broker = await world();
  const error = await refusal(broker.acquire({ provider: CODEX, profile: A }));
  expect(error.reason).toBe("PROFILE_UNKNOWN");
});

test("NO_PROFILE goes before a cooldown of profiles that were not asked for", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "USAGE_LIMIT");
  const error = await refusal(broker.acquire({ provider: CODEX, pool: "nobody" }));
  expect(error).toMatchObject({ code: "NOT_FOUND", reason: "NO_PROFILE", retryDelayMs: undefined });
  expect(error.unavailable).toMatchObject({ reason: "NO_PROFILE", retryTime: null });
});

test("as soon as some candidate has a time, that counts before logins, blocks and the rest", async () => {
  await using broker = await world();
  for (const label of ["a", "b", "c"]) await broker.put(`${CODEX}:${label}`);
  await broker.fails({ provider: CODEX, profile: A }, "AUTH_PERMANENT");
  await broker.fails({ provider: CODEX, profile: B }, "FORBIDDEN");
  await broker.fails({ provider: CODEX, profile: `${CODEX}:c` }, "USAGE_LIMIT");
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ALL_COOLING_DOWN" });
  expect(error.retryDelayMs).toBe(15 * MINUTE);
  expect(error.unavailable?.profiles.map((p) => p.reason)).toEqual([
    "LOGIN_REQUIRED",
    "BLOCKED",
    "COOLING_DOWN",
  ]);
});

test("of cooling down and upstream unavailable the earliest decides", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * SECOND) });
  await broker.put(B);
  broker.token.always(() => json(503, {}, { "retry-after": "600" }));
  await refusal(broker.acquire({ provider: CODEX, profile: A }));
  const wait = { provider: CODEX, profile: B };
  await broker.fails(wait, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  const upstream = await refusal(broker.acquire(CODEX));
  expect(upstream).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_UNAVAILABLE" });
  await broker.clear(B);
  await broker.fails(wait, "USAGE_LIMIT", { retryTime: broker.inTime(5 * MINUTE) });
  const cooling = await refusal(broker.acquire(CODEX));
  expect(cooling).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ALL_COOLING_DOWN" });
  expect(cooling.retryDelayMs).toBe(5 * MINUTE);
});

test("of what needs somebody: login before blocked before validity before metered", async () => {
  await using broker = await world();
  const reason = async () =>
    (await refusal(broker.acquire({ provider: CODEX, minValidFor: "1200s" }))).reason;
  await broker.putKey(`${CODEX}:key`);
  await broker.putToken(`${CODEX}:short`, { expireTime: broker.inTime(10 * MINUTE) });
  expect(await reason()).toBe("VALIDITY_UNREACHABLE");
  await broker.put(A);
  await broker.fails(CODEX, "FORBIDDEN");
  expect(await reason()).toBe("PROFILE_BLOCKED");
  await broker.put(B);
  await broker.fails({ provider: CODEX, profile: B }, "AUTH_PERMANENT");
  expect(await reason()).toBe("LOGIN_REQUIRED");
  await broker.remove(B);
  await broker.remove(A);
  await broker.update({ profile: `${CODEX}:short`, enabled: false });
  expect(await reason()).toBe("METERED_NOT_ALLOWED");
});

test("where somebody must act, the error names the command that mends it and gives no time", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "AUTH_PERMANENT");
  const error = await refusal(broker.acquire(CODEX));
  expect(error.unavailable?.help).toMatch(/^auth-broker login /);
  expect(error.retryDelayMs).toBeUndefined();
  expect(error.unavailable?.retryTime).toBeNull();
});

test("the detail says the same as ErrorInfo", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.fails(CODEX, "USAGE_LIMIT");
  const error = await refusal(broker.acquire(CODEX));
  expect(error.unavailable?.reason).toBe(error.reason);
  expect(error.unavailable?.message).toBe(error.message);
});

test("all details together stay under 4 KiB and 16 profiles", async () => {
  await using broker = await world();
  for (let i = 0; i < 40; i += 1) {
    await broker.put(`${CODEX}:${String(i).padStart(2, "0")}-${"long".repeat(20)}`);
    await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  }
  const error = await refusal(broker.acquire(CODEX));
  expect(error.reason).toBe("ALL_COOLING_DOWN");
  expect(error.detailBytes).toBeLessThan(4096);
  expect(error.unavailable?.profiles.length).toBeLessThanOrEqual(16);
  expect(error.unavailable?.profiles.length).toBeGreaterThan(0);
});

test("the agent endpoint has no ProfileService", async () => {
  await using broker = await world();
  const error = await refusal(broker.agent.call("profile", "ListProfiles", {}));
  expect(error.code).toBe("UNIMPLEMENTED");
});

test("a further endpoint gives only what its policy names", async () => {
  await using broker = await world();
  const path = join(broker.home, "ci.sock");
  await using limited = await world({
    config: { endpoints: [{ name: "ci", path, providers: [CODEX], profiles: [A] }] },
  });
  const ci = new Peer({ kind: "unix", path });
  await limited.put(A);
  await limited.put(B);
  await limited.put("qwen:a");
  expect((await ci.acquire({ provider: CODEX })).lease.profile).toBe(A);
  const other = await refusal(ci.acquire({ provider: "qwen" }));
  expect(other.reason).toBe("NO_PROFILE");
  expect(other.unavailable?.profiles).toEqual([]);
  const pinned = await refusal(ci.acquire({ provider: CODEX, profile: B }));
  expect(pinned.reason).toBe("NO_PROFILE");
  const status = await ci.status();
  expect(status.providers.map((p) => p.provider)).toEqual([CODEX]);
  const { candidates } = await ci.explain({ provider: CODEX });
  expect(candidates.find((c) => c.profile === B)).toMatchObject({ eligible: false, reason: "NOT_ALLOWED" });
  const { lease } = await limited.acquire(CODEX);
  expect((await refusal(ci.report({ leaseId: lease.leaseId, outcome: "OK" }))).reason).toBe("LEASE_UNKNOWN");
  expect((await refusal(ci.call("profile", "ListProfiles", {}))).code).toBe("UNIMPLEMENTED");
  ci.close();
});

/** Writes rubbish over the records of all profiles. */
async function spoil(broker: World): Promise<void> {
  const state = join(broker.home, "state");
  const entries = await readdir(state, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (entry.isFile() && entry.parentPath !== state)
      await writeFile(join(entry.parentPath, entry.name), "{ rubbish");
  }
}

test("a record that cannot be read is STORE_CORRUPT, shown as BLOCKED; a put sets the old file aside", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.stop();
  await spoil(broker);
  await broker.start();
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "DATA_LOSS", reason: "STORE_CORRUPT" });
  expect(error.message).toContain(broker.home);
  expect(await broker.get(A)).toMatchObject({
    state: "PROFILE_STATE_BLOCKED",
    stateReason: "STORE_CORRUPT",
  });
  const { candidates } = await broker.agent.explain({ provider: CODEX });
  expect(candidates).toMatchObject([{ profile: A, eligible: false, reason: "STORE_CORRUPT" }]);
  await broker.put(A);
  expect(await broker.serves(CODEX)).toBe(A);
  await broker.restart();
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a second broker on the same home does not start, and the first serves on", async () => {
  await using broker = await world();
  await broker.put(A);
  const { startDaemon } = await import("../../src/daemon.ts");
  await expect(startDaemon({ home: broker.home, clock: broker.clock })).rejects.toThrow();
  expect(await broker.serves(CODEX)).toBe(A);
});

test("a broker that stops answers DRAINING with RetryInfo to who is still connected", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(10 * MINUTE) });
  await broker.acquire(CODEX);
  const held = broker.token.hold();
  const call = broker.acquire({ provider: CODEX, minValidFor: "3600s" }).catch(() => {});
  await held.arrived;
  const stopping = broker.drain();
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "DRAINING", domain: "auth-broker" });
  expect(error.retryDelayMs).toBeGreaterThan(0);
  held.answer(json(503, {}));
  await call;
  await stopping;
});
