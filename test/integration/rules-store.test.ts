import { cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  at,
  World as Broker,
  HOUR,
  iso,
  MINUTE,
  refusal,
  SECOND,
  START_MS,
  type World,
  watchful,
  world,
} from "../support/broker-world.ts";
import { fakeJwt } from "../support/jwt.ts";
import { broken, json, tokens } from "../support/token-endpoint.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const WANTS_NEW = { provider: CODEX, minValidFor: "3600s" };

/** Makes the place of the records unwritable until the function given back is called. */
async function breakStore(broker: World): Promise<() => Promise<void>> {
  const place = join(broker.home, "state", "profiles");
  await rename(place, `${place}.away`);
  await writeFile(place, "");
  return async () => {
    await rm(place);
    await rename(`${place}.away`, place);
  };
}

async function one(ms = 10 * HOUR): Promise<World> {
  const broker = await world();
  await broker.put(A, { expireTime: broker.inTime(ms) });
  return broker;
}

test("a put that cannot be written is STORE_UNAVAILABLE, and nothing of it has happened", async () => {
  await using broker = await one();
  const mend = await breakStore(broker);
  const error = await refusal(broker.put(`${CODEX}:b`));
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
  expect((await broker.list()).profiles.map((p) => p.profile)).toEqual([A]);
  await mend();
  await broker.put(`${CODEX}:b`);
});

test("while the store does not write, credentials are handed out and health is NOT_SERVING", async () => {
  await using broker = await one();
  const mend = await breakStore(broker);
  await refusal(broker.put(`${CODEX}:b`));
  expect(await broker.serves(CODEX)).toBe(A);
  expect(await broker.agent.health("")).toBe("NOT_SERVING");
  expect((await broker.agent.status()).store.writable).toBe(false);
  await mend();
  await broker.put(`${CODEX}:b`);
  expect(await broker.agent.health("")).toBe("SERVING");
  expect((await broker.agent.status()).store.writable).toBe(true);
});

test("a report that cannot be written is applied in memory, answered STORE_UNAVAILABLE, and written later", async () => {
  await using broker = await one();
  const { lease } = await broker.acquire(CODEX);
  const mend = await breakStore(broker);
  const error = await refusal(
    broker.report(lease.leaseId, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) }),
  );
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("ALL_COOLING_DOWN");
  await mend();
  await broker.advance(2 * MINUTE);
  await broker.restart();
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("ALL_COOLING_DOWN");
});

test("if the intent cannot be made durable nothing is sent", async () => {
  await using broker = await one(30 * MINUTE);
  const mend = await breakStore(broker);
  const error = await refusal(broker.acquire(WANTS_NEW));
  expect(["STORE_UNAVAILABLE", "UPSTREAM_UNAVAILABLE"]).toContain(error.reason);
  expect(broker.token.requests).toHaveLength(0);
  expect(await broker.serves(CODEX)).toBe(A);
  await mend();
  await broker.advance(2 * MINUTE);
  expect((await broker.acquire(WANTS_NEW)).lease.generation).toBe(2);
});

test("a new grant that cannot be written is kept in memory and seen by nobody until it is durable", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const call = watchful(refusal(broker.acquire(WANTS_NEW)));
  await held.arrived;
  const mend = await breakStore(broker);
  held.answer(tokens("kept"));
  expect((await call.promise).reason).toBe("STORE_UNAVAILABLE");
  expect(await broker.agent.health("")).toBe("NOT_SERVING");
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-a");
  await broker.advance(MINUTE);
  expect(broker.token.requests).toHaveLength(1);
  await mend();
  await broker.advance(2 * MINUTE);
  expect(await broker.agent.health("")).toBe("SERVING");
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-kept");
  await broker.restart();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-kept");
});

test("a broker that is told to stop does not end before the new grant is durable", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const call = refusal(broker.acquire(WANTS_NEW));
  await held.arrived;
  const mend = await breakStore(broker);
  held.answer(tokens("unwritten"));
  await call;
  const stopping = watchful(broker.drain());
  await broker.clock.advance(10 * SECOND);
  expect(stopping.settled).toBe(false);
  await mend();
  await broker.clock.advance(30 * SECOND);
  await stopping.promise;
  await broker.restart();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-unwritten");
});

test("a broker that stops lets a running refresh land", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const call = broker.acquire(WANTS_NEW).catch(() => {});
  await held.arrived;
  const stopping = watchful(broker.drain());
  held.answer(tokens("landed"));
  await stopping.promise;
  await call;
  await broker.restart();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new-landed");
});

/** What a machine that loses power leaves behind: a copy of the files as they are now. */
async function crashed(broker: World): Promise<World> {
  const copy = new Broker(await mkdtemp(join(tmpdir(), "world-")), {});
  await cp(join(broker.home, "key"), join(copy.home, "key"));
  await mkdir(join(copy.home, "state"), { mode: 0o700 });
  await cp(join(broker.home, "key.counters"), join(copy.home, "key.counters"));
  for (const name of ["seal.json", "profiles"]) {
    await cp(join(broker.home, "state", name), join(copy.home, "state", name), { recursive: true });
  }
  await copy.start();
  return copy;
}

test("a crash with an open intent of a strict provider: the access token serves to its end, then one replay", async () => {
  await using broker = await one(30 * MINUTE);
  const held = broker.token.hold();
  const call = broker.acquire(WANTS_NEW).catch(() => {});
  await held.arrived;
  await using after = await crashed(broker);
  expect((await after.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-a");
  await after.advance(29 * MINUTE);
  expect(after.token.requests).toHaveLength(0);
  await after.advance(2 * MINUTE);
  expect(after.token.requests.map((r) => r.fields.refresh_token)).toEqual(["rt-FAKE-a"]);
  expect((await after.acquire(CODEX)).lease.generation).toBe(2);
  held.drop();
  await call;
});

test("a crash during the one replay does not allow another", async () => {
  await using broker = await one(30 * MINUTE);
  broker.token.next(() => {
    throw broken();
  });
  await refusal(broker.acquire(WANTS_NEW));
  const held = broker.token.hold();
  await broker.advance(30 * MINUTE + SECOND);
  await held.arrived;
  await using after = await crashed(broker);
  await after.advance(HOUR);
  await refusal(after.acquire(CODEX));
  expect(after.token.requests).toHaveLength(0);
  expect((await after.get(A)).state).toBe("PROFILE_STATE_NEEDS_LOGIN");
  held.drop();
});

/** The login of another program in its own file, as the Codex CLI keeps it. */
function codexFile(n: number) {
  const iat = START_MS / 1000 + n;
  const claims = { iat, exp: iat + 7_200, "https://api.openai.com/auth": { chatgpt_account_id: "acct-a" } };
  const own = {
    access_token: fakeJwt({ ...claims, n }),
    id_token: fakeJwt({ ...claims, email: "a@example.test" }),
    refresh_token: `rt-FAKE-${n}`,
    account_id: "acct-a",
  };
  const file = { OPENAI_API_KEY: null, auth_mode: "chatgpt", tokens: own, last_refresh: iso(iat * 1000) };
  return { own, text: JSON.stringify(file) };
}

async function shared(): Promise<{ broker: World; file: string }> {
  const broker = await world();
  const file = join(broker.home, "auth.json");
  const { own, text } = codexFile(0);
  await writeFile(file, text);
  await broker.put(
    A,
    {
      accessToken: own.access_token,
      idToken: own.id_token,
      refreshToken: own.refresh_token,
      expireTime: null,
    },
    { ownership: "SHARED", sourcePath: file },
  );
  return { broker, file };
}

test("SHARED: the owner's file is re-read before a refresh, and a newer generation in it adopted instead", async () => {
  const { broker, file } = await shared();
  await using _ = broker;
  await writeFile(file, codexFile(600).text);
  const refreshed = await broker.refresh(A);
  expect(refreshed).toMatchObject({ generation: 2, ownership: "OWNERSHIP_SHARED" });
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe(codexFile(600).own.access_token);
  expect(broker.token.requests).toHaveLength(0);
});

test("SHARED: an older or equal generation in the file is not adopted", async () => {
  const { broker, file } = await shared();
  await using _ = broker;
  await writeFile(file, codexFile(-600).text);
  expect((await broker.refresh(A)).generation).toBe(2);
  expect(broker.token.requests.map((r) => r.fields.refresh_token)).toEqual(["rt-FAKE-0"]);
});

test("SHARED: a terminal code after the owner rotated ends with the owner's newer login, not in NEEDS_LOGIN", async () => {
  const { broker, file } = await shared();
  await using _ = broker;
  broker.token.next(async () => {
    await writeFile(file, codexFile(600).text);
    return json(401, { error: { code: "refresh_token_reused", message: "used" } });
  });
  await broker.refresh(A).catch(() => {});
  await broker.advance(MINUTE);
  const profile = await broker.get(A);
  expect(profile).toMatchObject({ state: "PROFILE_STATE_READY", generation: 2 });
  expect(at(profile.accessTokenExpireTime)).toBe(START_MS + 600 * SECOND + 2 * HOUR);
});

test("SHARED: a file that is gone or broken changes nothing", async () => {
  const { broker, file } = await shared();
  await using _ = broker;
  await writeFile(file, "{ half");
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe(codexFile(0).own.access_token);
  await rm(file);
  expect((await broker.refresh(A)).generation).toBe(2);
});

test("a restored backup of a strict provider's login is in doubt: the spent token is not sent", async () => {
  await using broker = await one(30 * MINUTE);
  const place = join(broker.home, "state", "profiles");
  await broker.stop();
  await cp(place, `${place}.backup`, { recursive: true });
  await broker.start();
  await broker.refresh(A);
  await broker.advance(2 * MINUTE);
  await broker.refresh(A);
  await broker.stop();
  await rm(place, { recursive: true });
  await rename(`${place}.backup`, place);
  await broker.start();
  await broker.advance(HOUR);
  expect(broker.token.requests).toHaveLength(2);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_REFRESH_IN_DOUBT");
});
