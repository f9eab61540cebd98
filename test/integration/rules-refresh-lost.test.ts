import { expect, test } from "vitest";
import { MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";
import { broken, json, tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const WANTS_NEW = { provider: CODEX, minValidFor: "3600s" };

const lose = () => {
  throw broken();
};

/** A strict login whose refresh was sent and whose answer is lost; the access token lives 30 min. */
async function lost(rest: Record<string, unknown> = {}): Promise<World> {
  const broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * MINUTE) }, rest);
  broker.token.next(lose);
  await refusal(broker.acquire(WANTS_NEW));
  expect(broker.token.requests).toHaveLength(1);
  return broker;
}

test("strict: after a lost answer the access token is served to its end, then one replay is sent", async () => {
  await using broker = await lost();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-a");
  await broker.advance(29 * MINUTE);
  expect(broker.token.requests).toHaveLength(1);
  await broker.advance(2 * MINUTE);
  expect(broker.token.requests).toHaveLength(2);
  expect(broker.token.requests[1]?.fields.refresh_token).toBe("rt-FAKE-a");
  expect(await broker.acquire(CODEX)).toMatchObject({ lease: { generation: 2 } });
});

test("strict: a replay that is refused needs a login, lost in flight, and is not repeated", async () => {
  await using broker = await lost();
  broker.token.always(() => json(400, { error: "invalid_grant" }));
  await broker.advance(31 * MINUTE);
  expect(broker.token.requests).toHaveLength(2);
  const profile = await broker.get(A);
  expect(profile.state).toBe("PROFILE_STATE_NEEDS_LOGIN");
  expect(profile.stateReason).toMatch(/LOST_IN_FLIGHT/i);
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("LOGIN_REQUIRED");
  await broker.restart();
  await broker.advance(60 * MINUTE);
  expect(broker.token.requests).toHaveLength(2);
  // Nor by an operator's order: the server has said that the token is dead.
  expect((await refusal(broker.admin.call("profile", "RefreshProfile", { profile: A }))).reason).toBe(
    "LOGIN_REQUIRED",
  );
  expect(broker.token.requests).toHaveLength(2);
});

test("strict: the one replay is durably recorded: lost again, it is not sent a third time", async () => {
  await using broker = await lost();
  await broker.restart();
  expect(await broker.serves(CODEX)).toBe(A);
  broker.token.always(lose);
  await broker.advance(31 * MINUTE);
  expect(broker.token.requests).toHaveLength(2);
  await broker.restart();
  await broker.advance(60 * MINUTE);
  await refusal(broker.acquire(CODEX));
  expect(broker.token.requests).toHaveLength(2);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_NEEDS_LOGIN");
});

test("strict: the access token refused after a lost answer is its end, too: the replay follows, free of the interval", async () => {
  await using broker = await lost();
  await broker.advance(5 * SECOND);
  await broker.fails(CODEX, "AUTH_INVALID_TOKEN");
  expect((await broker.acquire(CODEX)).lease.generation).toBe(2);
  expect(broker.token.requests).toHaveLength(2);
});

test("a new login replaces what was lost", async () => {
  await using broker = await lost();
  await broker.put(A, {
    accessToken: "at-FAKE-2",
    refreshToken: "rt-FAKE-2",
    expireTime: broker.inTime(40 * MINUTE),
  });
  expect((await broker.acquire(WANTS_NEW)).lease.generation).toBe(3);
  expect(broker.token.requests[1]?.fields.refresh_token).toBe("rt-FAKE-2");
});

test("none: a provider that does not rotate is simply asked again", async () => {
  await using broker = await world();
  const request = { provider: "google-gemini-cli", minValidFor: "3600s" };
  await broker.put("google-gemini-cli:a", { expireTime: broker.inTime(30 * MINUTE) });
  broker.token.next(lose, lose);
  await refusal(broker.acquire(request));
  await broker.advance(2 * MINUTE);
  await refusal(broker.acquire(request));
  await broker.advance(3 * MINUTE);
  expect((await broker.acquire(request)).lease.generation).toBe(2);
  expect(broker.token.requests).toHaveLength(3);
});

const graceConfig = {
  providers: {
    mine: {
      type: "generic-oauth2",
      tokenUrl: "https://login.example.test/token",
      clientId: "client-FAKE",
      rotation: "grace",
      rotationGrace: "30s",
    },
  },
};

test("grace: the request is replayed once within the grace", async () => {
  await using broker = await world({ config: graceConfig });
  await broker.put("mine:a", { expireTime: broker.inTime(30 * MINUTE) });
  broker.token.next(lose, () => tokens("again"));
  const call = broker.acquire({ provider: "mine", minValidFor: "3600s" });
  await broker.token.reached(1);
  await broker.advance(10 * SECOND);
  const answer = await call.catch(() => broker.acquire({ provider: "mine", minValidFor: "3600s" }));
  expect(answer.credential.oauth?.accessToken).toBe("at-FAKE-new-again");
  expect(broker.token.requests.map((r) => r.fields.refresh_token)).toEqual(["rt-FAKE-a", "rt-FAKE-a"]);
});

test("SHARED: in place of the replay an operator decides, once the access token has ended", async () => {
  await using broker = await lost({ ownership: "SHARED" });
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_READY");
  expect(await broker.serves(CODEX)).toBe(A);
  await broker.advance(31 * MINUTE);
  expect(broker.token.requests).toHaveLength(1);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_REFRESH_IN_DOUBT");
  const error = await refusal(broker.acquire(CODEX));
  expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "REFRESH_IN_DOUBT" });
  expect(error.why(A)).toBe("REFRESH_IN_DOUBT");
  expect(error.unavailable?.help).toContain(`profiles refresh ${A}`);
  await broker.restart();
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_REFRESH_IN_DOUBT");
});

test("SHARED: profiles refresh sends it once more", async () => {
  await using broker = await lost({ ownership: "SHARED" });
  await broker.advance(31 * MINUTE);
  expect((await broker.refresh(A)).state).toBe("PROFILE_STATE_READY");
  expect((await broker.acquire(CODEX)).lease.generation).toBe(2);
  expect(broker.token.requests).toHaveLength(2);
});

test("SHARED: a new login ends the doubt", async () => {
  await using broker = await lost({ ownership: "SHARED" });
  await broker.advance(31 * MINUTE);
  const put = await broker.put(A, {
    accessToken: "at-FAKE-2",
    refreshToken: "rt-FAKE-2",
    expireTime: broker.inTime(40 * MINUTE),
  });
  expect(put.state).toBe("PROFILE_STATE_READY");
});

test("a login goes before a doubt, and a doubt before a block", async () => {
  await using broker = await lost({ ownership: "SHARED" });
  await broker.advance(31 * MINUTE);
  await broker.put(`${CODEX}:b`);
  await broker.fails(CODEX, "FORBIDDEN");
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("REFRESH_IN_DOUBT");
  await broker.put(`${CODEX}:c`);
  await broker.fails(CODEX, "AUTH_PERMANENT");
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("LOGIN_REQUIRED");
});

test("UNKNOWN ownership is not in doubt: the one replay is made", async () => {
  await using broker = await lost({ ownership: "UNKNOWN" });
  await broker.advance(31 * MINUTE);
  expect(broker.token.requests).toHaveLength(2);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_READY");
});

test("an answer that takes longer than 30 s is lost, too", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * MINUTE) });
  const held = broker.token.hold();
  const call = refusal(broker.acquire(WANTS_NEW));
  await held.arrived;
  await broker.advance(30 * SECOND);
  await call;
  await broker.advance(29 * MINUTE);
  expect(broker.token.requests).toHaveLength(1);
  await broker.advance(MINUTE);
  expect(broker.token.requests).toHaveLength(2);
});

test("a body that breaks off is no complete answer: lost", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * MINUTE) });
  const half = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"access_token":"at-'));
      controller.error(new Error("terminated"));
    },
  });
  broker.token.next(() => new Response(half, { headers: { "content-type": "application/json" } }));
  await refusal(broker.acquire(WANTS_NEW));
  await broker.advance(29 * MINUTE);
  expect(broker.token.requests).toHaveLength(1);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_READY");
  await broker.advance(2 * MINUTE);
  expect(broker.token.requests).toHaveLength(2);
});
