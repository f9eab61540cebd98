import { writeFile } from "node:fs/promises";
import { join } from "node:path";
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
import { fakeJwt } from "../support/jwt.ts";
import { json, tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

async function one(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  return broker;
}

test("after AUTH_INVALID_TOKEN the profile's next credential comes from one forced refresh", async () => {
  await using broker = await one();
  const answer = await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  expect(answer).toMatchObject({ applied: true, scope: "SCOPE_PROFILE" });
  expect(answer.advice?.action).toBe("ADVICE_ACTION_RETRY_SAME");
  const { lease, credential } = await broker.acquire(CODEX);
  expect(lease).toMatchObject({ profile: A, generation: 2 });
  expect(credential.oauth?.accessToken).toBe("at-FAKE-new-1");
  expect(broker.token.requests).toHaveLength(1);
  expect(broker.token.requests[0]?.fields).toMatchObject({
    grant_type: "refresh_token",
    refresh_token: "rt-FAKE-a",
  });
});

test("acquire_next after AUTH_INVALID_TOKEN waits for the refresh and grants the same profile's new generation", async () => {
  await using broker = await one();
  const held = broker.token.hold();
  const { lease } = await broker.acquire(CODEX);
  const answer = watchful(broker.report(lease.leaseId, "AUTH_INVALID_TOKEN", { acquireNext: true }));
  await held.arrived;
  await broker.settle();
  expect(answer.settled).toBe(false);
  held.answer(tokens("forced"));
  const { next } = await answer.promise;
  expect(next?.granted?.lease).toMatchObject({ profile: A, generation: 2 });
  expect(next?.granted?.credential.oauth?.accessToken).toBe("at-FAKE-new-forced");
});

test("with another profile at hand a refused token costs no wait, and the refresh goes on behind", async () => {
  await using broker = await one();
  await broker.put(B);
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  expect((await broker.acquire({ provider: CODEX, excludeProfiles: [A] })).lease.profile).toBe(B);
  await broker.advance(0);
  expect(broker.token.requests).toHaveLength(1);
  expect((await broker.acquire(CODEX)).lease).toMatchObject({ profile: A, generation: 2 });
});

test("any number of callers that report the same refused token cause one refresh, and all get its result", async () => {
  await using broker = await one();
  const leases = await Promise.all(Array.from({ length: 10 }, () => broker.acquire(CODEX)));
  const held = broker.token.hold();
  const answers = leases.map(({ lease }) =>
    broker.report(lease.leaseId, "AUTH_INVALID_TOKEN", { acquireNext: true }),
  );
  await held.arrived;
  await broker.settle();
  held.answer(tokens("shared"));
  for (const { next } of await Promise.all(answers)) {
    expect(next?.granted?.credential.oauth?.accessToken).toBe("at-FAKE-new-shared");
  }
  expect(broker.token.requests).toHaveLength(1);
});

for (const outcome of ["AUTH_INVALID_TOKEN", "AUTH_PERMANENT"]) {
  test(`a late ${outcome} about an old generation never punishes the new one`, async () => {
    await using broker = await one();
    const old = await broker.acquire(CODEX);
    await broker.refresh(A);
    const answer = await broker.report(old.lease.leaseId, outcome, { acquireNext: true });
    expect(answer).toMatchObject({
      applied: false,
      ignoredReason: "IGNORED_REASON_STALE_GENERATION",
      profileState: "PROFILE_STATE_READY",
    });
    expect(answer.next?.granted?.lease).toMatchObject({ profile: A, generation: 2 });
    expect(broker.token.requests).toHaveLength(1);
  });
}

test("every other outcome is a fact about the account and holds across generations", async () => {
  await using broker = await one();
  const old = await broker.acquire(CODEX);
  await broker.refresh(A);
  const answer = await broker.report(old.lease.leaseId, "USAGE_LIMIT");
  expect(answer).toMatchObject({ applied: true, profileState: "PROFILE_STATE_COOLING_DOWN" });
  await broker.advance(HOUR);
  await broker.clear(A);
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.refresh(A);
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("ALL_COOLING_DOWN");
});

test("the generation that a forced refresh brought, refused within 10 min before any OK, needs a login", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  const second = await broker.acquire(CODEX);
  await broker.advance(10 * MINUTE - 1);
  const answer = await broker.report(second.lease.leaseId, "AUTH_INVALID_TOKEN");
  expect(answer).toMatchObject({ applied: true, profileState: "PROFILE_STATE_NEEDS_LOGIN" });
  expect(answer.advice?.action).toBe("ADVICE_ACTION_LOGIN");
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "LOGIN_REQUIRED" });
  expect(error.why(A)).toBe("LOGIN_REQUIRED");
  expect(error.unavailable?.help).toContain("auth-broker login openai-codex");
  expect(broker.token.requests).toHaveLength(1);
});

test("an OK in between, or 10 min, and a refused token is refreshed again", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  await broker.fails(CODEX, "OK");
  await broker.advance(2 * MINUTE);
  const again = await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  expect(again.profileState).not.toBe("PROFILE_STATE_NEEDS_LOGIN");
  expect((await broker.acquire(CODEX)).lease.generation).toBe(3);
  await broker.advance(10 * MINUTE + SECOND);
  expect((await broker.fails(CODEX, "AUTH_INVALID_TOKEN")).profileState).not.toBe(
    "PROFILE_STATE_NEEDS_LOGIN",
  );
  expect((await broker.acquire(CODEX)).lease.generation).toBe(4);
});

test("a refused token is refused for good, also after a restart", async () => {
  await using broker = await one();
  broker.token.always(() => json(503, { error: "down" }));
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  await broker.settle();
  await broker.restart();
  const error = await refusal(broker.acquire(CODEX));
  expect(error.reason).toBe("UPSTREAM_UNAVAILABLE");
  broker.token.always(() => tokens("after"));
  await broker.advance(10 * MINUTE);
  expect((await broker.acquire(CODEX)).lease.generation).toBe(2);
});

test("a second forced refresh within 60 s is held back: UPSTREAM_UNAVAILABLE, profile reason REFRESHING, RetryInfo", async () => {
  await using broker = await one();
  await broker.refresh(A);
  await broker.fails(CODEX, "OK");
  await broker.advance(20 * SECOND);
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_UNAVAILABLE" });
  expect(error.why(A)).toBe("REFRESHING");
  expect(error.retryDelayMs).toBe(40 * SECOND);
  expect(broker.token.requests).toHaveLength(1);
  await broker.advance(40 * SECOND);
  expect((await broker.acquire(CODEX)).lease.generation).toBe(3);
});

for (const kind of ["token", "api_key"] as const) {
  test(`AUTH_INVALID_TOKEN on a ${kind} profile needs a login at once`, async () => {
    await using broker = await world();
    await (kind === "token" ? broker.putToken(A) : broker.putKey(A));
    const answer = await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
    expect(answer).toMatchObject({ applied: true, profileState: "PROFILE_STATE_NEEDS_LOGIN" });
    expect((await refusal(broker.acquire(CODEX))).reason).toBe("LOGIN_REQUIRED");
    expect(broker.token.requests).toHaveLength(0);
  });
}

test("AUTH_PERMANENT needs a login, asks no token endpoint, and advises RETRY_NEXT while another serves", async () => {
  await using broker = await one();
  await broker.put(B);
  const answer = await broker.fails(CODEX, "AUTH_PERMANENT", { acquireNext: true });
  expect(answer).toMatchObject({ applied: true, profileState: "PROFILE_STATE_NEEDS_LOGIN" });
  expect(answer.advice?.action).toBe("ADVICE_ACTION_RETRY_NEXT");
  expect(answer.next?.granted?.lease.profile).toBe(B);
  await broker.restart();
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_NEEDS_LOGIN");
  expect(broker.token.requests).toHaveLength(0);
});

test("a new login ends NEEDS_LOGIN", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "AUTH_PERMANENT");
  const put = await broker.put(A, {
    accessToken: "at-FAKE-2",
    refreshToken: "rt-FAKE-2",
    expireTime: broker.inTime(20 * HOUR),
  });
  expect(put).toMatchObject({ state: "PROFILE_STATE_READY", generation: 2 });
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-2");
});

test("AUTH_PERMANENT on a shared login first re-reads the owner's file, and adopts a newer generation", async () => {
  await using broker = await world();
  const file = join(broker.home, "auth.json");
  const login = (n: number) => {
    const iat = broker.nowMs / 1000 + n;
    const claims = {
      iat,
      exp: iat + 36_000,
      "https://api.openai.com/auth": { chatgpt_account_id: "acct-a", chatgpt_plan_type: "plus" },
    };
    return {
      access_token: fakeJwt(claims),
      id_token: fakeJwt({ ...claims, email: "a@example.test" }),
      refresh_token: `rt-FAKE-${n}`,
      account_id: "acct-a",
    };
  };
  const write = (n: number) =>
    writeFile(
      file,
      JSON.stringify({
        OPENAI_API_KEY: null,
        auth_mode: "chatgpt",
        tokens: login(n),
        last_refresh: iso(broker.nowMs + n * SECOND),
      }),
    );
  await write(1);
  const { access_token, id_token, refresh_token } = login(1);
  await broker.put(
    A,
    {
      accessToken: access_token,
      idToken: id_token,
      refreshToken: refresh_token,
      expireTime: null,
      accountId: "acct-a",
    },
    { ownership: "SHARED", sourcePath: file },
  );
  const { lease } = await broker.acquire(CODEX);
  await write(60);
  const answer = await broker.report(lease.leaseId, "AUTH_PERMANENT", { acquireNext: true });
  expect(answer).toMatchObject({ applied: false, ignoredReason: "IGNORED_REASON_STALE_GENERATION" });
  expect(answer.next?.granted?.credential.oauth?.accessToken).toBe(login(60).access_token);
  expect(broker.token.requests).toHaveLength(0);
  const again = await broker.report((await broker.acquire(CODEX)).lease.leaseId, "AUTH_PERMANENT");
  expect(again).toMatchObject({ applied: true, profileState: "PROFILE_STATE_NEEDS_LOGIN" });
});

test("a raw 401 whose code says that the token has expired is AUTH_INVALID_TOKEN; a revoked session is permanent", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  const expired = await broker.reportRaw(lease.leaseId, {
    httpStatus: 401,
    body: { detail: { message: "Your authentication token has expired.", code: "token_expired" } },
  });
  expect(expired).toMatchObject({ outcome: "OUTCOME_AUTH_INVALID_TOKEN", scope: "SCOPE_PROFILE" });
  const next = await broker.acquire(CODEX);
  expect(next.lease.generation).toBe(2);
  const gone = await broker.reportRaw(next.lease.leaseId, {
    httpStatus: 402,
    body: { detail: { code: "deactivated_workspace" } },
  });
  expect(gone).toMatchObject({
    outcome: "OUTCOME_AUTH_PERMANENT",
    profileState: "PROFILE_STATE_NEEDS_LOGIN",
  });
});

test("a forced refresh that the endpoint refuses for good ends in NEEDS_LOGIN", async () => {
  await using broker = await one();
  broker.token.always(() => json(400, { error: "invalid_grant" }));
  const answer = await broker.fails(CODEX, "AUTH_INVALID_TOKEN", { acquireNext: true });
  expect(answer.next?.unavailable?.reason).toBe("LOGIN_REQUIRED");
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_NEEDS_LOGIN");
  await refusal(broker.acquire(CODEX));
  await broker.advance(HOUR);
  expect(broker.token.requests).toHaveLength(1);
});

test("AUTH_INVALID_TOKEN while a plan limit runs keeps both: the limit's time counts", async () => {
  await using broker = await one();
  const [first, second] = [await broker.acquire(CODEX), await broker.acquire(CODEX)];
  await broker.report(first.lease.leaseId, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.report(second.lease.leaseId, "AUTH_INVALID_TOKEN");
  const error = await refusal(broker.acquire(CODEX));
  expect(error.reason).toBe("ALL_COOLING_DOWN");
  expect(at(error.unavailable?.retryTime)).toBe(broker.nowMs + HOUR);
});

test("a session whose token is refused waits for the refresh and stays at home", async () => {
  await using broker = await one();
  await broker.put(B);
  const answer = await broker.fails({ provider: CODEX, sessionId: "s" }, "AUTH_INVALID_TOKEN", {
    acquireNext: true,
  });
  expect(answer.next?.granted?.lease).toMatchObject({ profile: A, generation: 2, sessionId: "s" });
});

test("the same AUTH_INVALID_TOKEN again is a DUPLICATE or stale, and never a second refresh", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  await broker.report(lease.leaseId, "AUTH_INVALID_TOKEN");
  expect((await broker.report(lease.leaseId, "AUTH_INVALID_TOKEN")).applied).toBe(false);
  await broker.acquire(CODEX);
  expect((await broker.report(lease.leaseId, "AUTH_INVALID_TOKEN")).ignoredReason).toBe(
    "IGNORED_REASON_STALE_GENERATION",
  );
  expect(broker.token.requests).toHaveLength(1);
});

test("an OK for the old generation does not speak for the one that the forced refresh brought", async () => {
  await using broker = await one();
  const old = await broker.acquire(CODEX);
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  const fresh = await broker.acquire(CODEX);
  await broker.report(old.lease.leaseId, "OK");
  const answer = await broker.report(fresh.lease.leaseId, "AUTH_INVALID_TOKEN");
  expect(answer.profileState).toBe("PROFILE_STATE_NEEDS_LOGIN");
});

test("a generation that came by an ordinary refresh and is refused gets its own forced refresh", async () => {
  await using broker = await one();
  await broker.refresh(A);
  await broker.advance(2 * MINUTE);
  const answer = await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  expect(answer.profileState).not.toBe("PROFILE_STATE_NEEDS_LOGIN");
  expect((await broker.acquire(CODEX)).lease.generation).toBe(3);
});
