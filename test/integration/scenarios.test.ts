import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUR, MINUTE, refusal, SECOND, World, world } from "../support/broker-world.ts";
import { json, tokens } from "../support/token-endpoint.ts";

// Behaviours of test/scenarios.md that no other file has.

const CODEX = "openai-codex";
const [A, B, C] = ["a", "b", "c"].map((label) => `${CODEX}:${label}`) as [string, string, string];

test("a refresh token that was used up elsewhere costs this one profile: it says so, and the others serve", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(30 * SECOND) });
  await broker.put(B);
  broker.token.next(() => json(401, { error: { code: "refresh_token_reused", message: "x", type: "x" } }));
  await broker.refresh(A).catch(() => {});
  await broker.advance(MINUTE);
  expect(await broker.get(A)).toMatchObject({ state: "PROFILE_STATE_NEEDS_LOGIN" });
  expect(await broker.serves(CODEX)).toBe(B);
  expect((await refusal(broker.acquire({ provider: CODEX, profile: A }))).unavailable?.help).toMatch(/login/);
  expect(broker.token.requests).toHaveLength(1);
});

test("of three ordered profiles the third serves when the first two are limited, and each is tried once", async () => {
  await using broker = await world();
  for (const id of [A, B, C]) await broker.put(id);
  await broker.order(CODEX, B, A, C);
  const { lease } = await broker.acquire(CODEX);
  const second = (await broker.report(lease.leaseId, "USAGE_LIMIT", { acquireNext: true })).next?.granted;
  const third = (await broker.report(second?.lease.leaseId ?? "", "USAGE_LIMIT", { acquireNext: true })).next;
  expect([lease, second?.lease, third?.granted?.lease].map((l) => l?.profile)).toEqual([B, A, C]);
  const last = await broker.report(third?.granted?.lease.leaseId ?? "", "USAGE_LIMIT", { acquireNext: true });
  expect(last.next?.unavailable).toMatchObject({ reason: "ALL_COOLING_DOWN" });
});

test("tokens that live for a quarter of an hour serve for hours, each lease shorter than its token", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(15 * MINUTE) });
  let n = 0;
  broker.token.always(() => tokens(++n, { expires_in: 900 }));
  for (let t = 0; t < 4 * HOUR; t += 5 * MINUTE) {
    const { lease, credential } = await broker.acquire({ provider: CODEX, sessionId: "s" });
    expect(Date.parse(lease.expireTime ?? "")).toBeLessThanOrEqual(
      Date.parse(credential.oauth?.expireTime ?? ""),
    );
    await broker.advance(5 * MINUTE);
  }
  expect(n).toBeGreaterThanOrEqual(15);
  expect(n).toBeLessThan(24);
});

test("a provider that refuses what it has just given, to every login: each is refreshed once, and status tells of one end", async () => {
  await using broker = await world();
  let n = 0;
  broker.token.always(() => tokens(++n));
  for (const id of [A, B]) await broker.put(id);
  const refuse = async (profile: string) => {
    const { lease } = await broker.acquire({ provider: CODEX, profile });
    return broker.report(lease.leaseId, "AUTH_INVALID_TOKEN");
  };
  const warnings = async () =>
    (await broker.agent.status()).warnings.filter((w) => w.includes("refuses the tokens"));
  for (const id of [A, B]) {
    await refuse(id);
    expect(await warnings()).toEqual([]);
    expect((await refuse(id)).profileState).toBe("PROFILE_STATE_NEEDS_LOGIN");
  }
  expect(n).toBe(2);
  expect(await warnings()).toHaveLength(1);
  await broker.order(CODEX, A);
  expect(await warnings()).toEqual([]);
});

test("a home with blanks, signs and letters of other alphabets is a home like any other", async () => {
  const place = await mkdtemp(join(tmpdir(), "Zoë & Ŝ$(id) "));
  const home = join(place, "日本");
  await mkdir(home);
  await using broker = new World(home, {});
  await broker.start();
  await broker.put(A, { expireTime: broker.inTime(MINUTE) });
  expect((await broker.acquire({ provider: CODEX, minValidFor: "600s" })).lease.generation).toBe(2);
  await broker.restart();
  expect((await broker.get(A)).generation).toBe(2);
  await rm(place, { recursive: true });
});

test("a limit that one caller reports holds for a caller who asks in the same moment", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put(B);
  const { lease } = await broker.acquire(CODEX);
  await broker.report(lease.leaseId, "USAGE_LIMIT");
  const served = await Promise.all(Array.from({ length: 20 }, () => broker.serves(CODEX)));
  expect(new Set(served)).toEqual(new Set([B]));
});
