import { expect, test } from "vitest";
import { at, HOUR, refusal, type World, world } from "../support/broker-world.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;
const KEY = `${CODEX}:key`;

/** What the provider answers to an account that it has banned. */
const BAN = {
  httpStatus: 403,
  body: { error: { message: "Your account has been suspended.", code: "account_suspended" } },
};

async function banned(config: Record<string, unknown> = {}): Promise<World> {
  const broker = await world({ config });
  await broker.put(A);
  await broker.put(B);
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.reportRaw(lease.leaseId, BAN, { acquireNext: true });
  expect(answer).toMatchObject({
    outcome: "OUTCOME_FORBIDDEN",
    scope: "SCOPE_PROFILE",
    profileState: "PROFILE_STATE_BLOCKED",
  });
  return broker;
}

test("FORBIDDEN blocks the profile, and no time, refresh or restart ends that", async () => {
  await using broker = await world();
  await broker.put(A);
  const answer = await broker.fails(CODEX, "FORBIDDEN");
  expect(answer).toMatchObject({ scope: "SCOPE_PROFILE", profileState: "PROFILE_STATE_BLOCKED" });
  await broker.refresh(A).catch(() => {});
  await broker.restart();
  await broker.advance(30 * HOUR);
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "PROFILE_BLOCKED" });
  expect(error.why(A)).toBe("BLOCKED");
  expect(error.unavailable?.help).not.toBe("");
});

for (const [what, end] of [
  ["an operator's clear", (broker: World) => broker.clear(A)],
  ["enable", (broker: World) => broker.update({ profile: A, enabled: true })],
  [
    "a new login",
    (broker: World) =>
      broker.put(A, {
        accessToken: "at-FAKE-2",
        refreshToken: "rt-FAKE-2",
        expireTime: broker.inTime(20 * HOUR),
      }),
  ],
] as const) {
  test(`${what} ends BLOCKED`, async () => {
    await using broker = await world();
    await broker.put(A);
    await broker.fails(CODEX, "FORBIDDEN");
    expect((await end(broker)).state).toBe("PROFILE_STATE_READY");
    expect(await broker.serves(CODEX)).toBe(A);
  });
}

test("a bare FORBIDDEN is never a ban: the other profiles serve on", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put(B);
  const answer = await broker.fails(CODEX, "FORBIDDEN", { acquireNext: true });
  expect(answer.next?.granted?.lease.profile).toBe(B);
});

test("a ban holds the provider's other subscription profiles: BLOCKED, stateReason HELD_AFTER_BAN", async () => {
  await using broker = await banned();
  expect(await broker.get(B)).toMatchObject({
    state: "PROFILE_STATE_BLOCKED",
    stateReason: "HELD_AFTER_BAN",
  });
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "PROFILE_BLOCKED" });
  expect(error.why(A)).toBe("BLOCKED");
  expect(error.why(B)).toBe("HELD_AFTER_BAN");
  expect((await refusal(broker.acquire({ provider: CODEX, profile: B }))).reason).toBe("PROFILE_BLOCKED");
  await broker.restart();
  expect((await refusal(broker.acquire(CODEX))).why(B)).toBe("HELD_AFTER_BAN");
});

test("the answer to the report of a ban brings no other account", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put(B);
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.reportRaw(lease.leaseId, BAN, { acquireNext: true });
  expect(answer.next?.unavailable?.reason).toBe("PROFILE_BLOCKED");
  expect(answer.advice?.action).toBe("ADVICE_ACTION_GIVE_UP");
});

test("a ban holds neither metered keys nor other providers, and a subscription added later is held too", async () => {
  await using broker = await banned();
  await broker.putKey(KEY);
  await broker.put("qwen:a");
  await broker.put(`${CODEX}:later`);
  expect((await broker.get(KEY)).state).toBe("PROFILE_STATE_READY");
  expect(await broker.serves({ provider: CODEX, profile: KEY })).toBe(KEY);
  expect(await broker.serves("qwen")).toBe("qwen:a");
  expect((await broker.get(`${CODEX}:later`)).stateReason).toBe("HELD_AFTER_BAN");
});

test("AcknowledgeBan sets the held ones free, names them, and leaves the banned one blocked", async () => {
  await using broker = await banned();
  const { profiles } = await broker.acknowledge(CODEX);
  expect(profiles.map((p) => p.profile)).toEqual([B]);
  expect(await broker.serves(CODEX)).toBe(B);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_BLOCKED");
  expect((await broker.acknowledge(CODEX)).profiles).toEqual([]);
});

test("who tells of a ban once more after it was acknowledged holds nobody anew", async () => {
  await using broker = await world();
  await broker.put(A);
  const leases = [(await broker.acquire(CODEX)).lease, (await broker.acquire(CODEX)).lease];
  await broker.put(B);
  await broker.reportRaw(leases[0]?.leaseId ?? "", BAN);
  await broker.acknowledge(CODEX);
  await broker.reportRaw(leases[1]?.leaseId ?? "", BAN);
  expect(await broker.serves(CODEX)).toBe(B);
  await broker.clear(A);
  await broker.reportRaw((await broker.acquire({ provider: CODEX, profile: A })).lease.leaseId, BAN);
  expect((await broker.get(B)).stateReason).toBe("HELD_AFTER_BAN");
});

test("with banBrake off a ban blocks the one profile only", async () => {
  await using broker = await banned({ cooldown: { banBrake: false } });
  expect(await broker.serves(CODEX)).toBe(B);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_BLOCKED");
});

test("an edge block is about the provider and changes no profile", async () => {
  await using broker = await world();
  await broker.put(A);
  const { lease } = await broker.acquire(CODEX);
  const answer = await broker.reportRaw(lease.leaseId, {
    httpStatus: 403,
    headers: { "content-type": "text/html; charset=UTF-8", server: "cloudflare" },
    body: "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>",
  });
  expect(answer).toMatchObject({
    outcome: "OUTCOME_FORBIDDEN",
    scope: "SCOPE_PROVIDER",
    profileState: "PROFILE_STATE_READY",
  });
  expect(await broker.serves(CODEX)).toBe(A);
});

test("FORBIDDEN for one model takes that model from the profile for 12 h, and nothing else", async () => {
  await using broker = await world();
  await broker.put("google-antigravity:a");
  const request = { provider: "google-antigravity", model: "image" };
  const { lease } = await broker.acquire(request);
  const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "VALIDATION_REQUIRED" }];
  const answer = await broker.reportRaw(lease.leaseId, {
    httpStatus: 403,
    body: { error: { code: 403, status: "PERMISSION_DENIED", details } },
  });
  expect(answer).toMatchObject({
    outcome: "OUTCOME_FORBIDDEN",
    scope: "SCOPE_PROFILE_MODEL",
    profileState: "PROFILE_STATE_READY",
  });
  expect(at(answer.retryTime)).toBe(broker.nowMs + 12 * HOUR);
  expect((await refusal(broker.acquire(request))).why("google-antigravity:a")).toBe("MODEL_COOLING_DOWN");
  expect(await broker.serves({ ...request, model: "text" })).toBe("google-antigravity:a");
});

test("a clear of the banned profile does not set free the held ones; only the acknowledgement does", async () => {
  await using broker = await banned();
  await broker.clear(A);
  expect((await broker.get(B)).stateReason).toBe("HELD_AFTER_BAN");
  await broker.acknowledge(CODEX);
  expect((await broker.get(B)).state).toBe("PROFILE_STATE_READY");
});

test("watchers of the other accounts learn of a ban at once", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put(B);
  const watch = broker.agent.watch({ provider: CODEX, profile: B });
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  const { lease } = await broker.acquire(CODEX);
  await broker.reportRaw(lease.leaseId, BAN);
  expect((await watch.next()).unavailable).toMatchObject({ reason: "PROFILE_BLOCKED" });
  await broker.acknowledge(CODEX);
  expect((await watch.next()).granted?.lease.profile).toBe(B);
  watch.cancel();
});
