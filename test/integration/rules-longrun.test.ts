import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { at, HOUR, MINUTE, refusal, SECOND, type World, world } from "../support/broker-world.ts";
import type { Stream } from "../support/peer.ts";
import { json, tokens } from "../support/token-endpoint.ts";
import type { NextReply } from "../support/wire-json.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;

/** Keeps what a watch said last, without holding anybody up. */
function follow(watch: Stream<NextReply>) {
  const seen: { last: NextReply | undefined; gaps: number } = { last: undefined, gaps: 0 };
  const read = async (): Promise<void> => {
    for (;;) {
      seen.last = await watch.next();
      if (seen.last.unavailable !== undefined) seen.gaps += 1;
    }
  };
  read().catch(() => {});
  return seen;
}

/** Tokens that live for one hour. */
function hourly(broker: World): void {
  let n = 0;
  broker.token.always(() => {
    n += 1;
    return tokens(n, { expires_in: 3600 });
  });
}

test("over half a day a watch always holds a credential that is good for at least a minute, without a gap", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(HOUR) });
  hourly(broker);
  const watch = broker.agent.watch({ provider: CODEX });
  const seen = follow(watch);
  await broker.settle();
  for (let t = 0; t < 12 * HOUR; t += 20 * MINUTE) {
    const { granted } = seen.last ?? {};
    expect(at(granted?.credential.oauth?.expireTime)).toBeGreaterThanOrEqual(broker.nowMs + MINUTE);
    expect(at(granted?.lease.expireTime)).toBeGreaterThan(broker.nowMs);
    await broker.advance(20 * MINUTE);
  }
  expect(seen.gaps).toBe(0);
  expect(broker.token.requests.length).toBeGreaterThanOrEqual(12);
  expect(broker.token.requests.length).toBeLessThan(20);
  watch.cancel();
});

test("with a token endpoint that often fails no expired token is ever handed out, and no refresh token is sent twice after it brought one", async () => {
  await using broker = await world();
  await broker.put(A, { expireTime: broker.inTime(HOUR) });
  let issued = 0;
  let asked = 0;
  broker.token.always(() => {
    asked += 1;
    if (asked % 3 !== 0) return json(asked % 2 === 0 ? 503 : 429, {});
    issued += 1;
    return tokens(issued, { expires_in: 3600 });
  });
  const spent = new Set<string>();
  for (let t = 0; t < 12 * HOUR; t += 15 * MINUTE) {
    const answer = await broker.acquire(CODEX).catch(() => undefined);
    if (answer !== undefined) {
      expect(at(answer.credential.oauth?.expireTime)).toBeGreaterThanOrEqual(broker.nowMs + MINUTE);
    }
    await broker.advance(15 * MINUTE);
  }
  let before = "";
  for (const { fields } of broker.token.requests) {
    const sent = fields.refresh_token ?? "";
    if (sent !== before && before !== "") spent.add(before);
    expect(spent.has(sent)).toBe(false);
    before = sent;
  }
  expect(issued).toBeGreaterThan(8);
});

test("many logins that end at once are refreshed two at a time, each once", async () => {
  await using broker = await world();
  for (let i = 0; i < 30; i += 1) await broker.put(`${CODEX}:${i}`, { expireTime: broker.inTime(HOUR) });
  let inFlight = 0;
  let most = 0;
  let n = 0;
  broker.token.always(async () => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await new Promise((resolve) => setImmediate(resolve));
    inFlight -= 1;
    n += 1;
    return tokens(n);
  });
  broker.clock.sleepHost(2 * HOUR);
  await broker.advance(MINUTE);
  await broker.token.reached(30);
  await broker.settle();
  expect(most).toBeLessThanOrEqual(2);
  expect(broker.token.requests).toHaveLength(30);
  const { profiles } = await broker.list();
  expect(profiles.every((p) => p.generation === 2 && p.state === "PROFILE_STATE_READY")).toBe(true);
});

test("a hundred callers at once get one answer each, and nothing is refreshed or written for it", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put(`${CODEX}:b`);
  const calls = Array.from({ length: 100 }, (_, i) =>
    broker.serves({ provider: CODEX, sessionId: `s${i % 10}` }),
  );
  expect(new Set(await Promise.all(calls))).toEqual(new Set([A]));
  expect(broker.token.requests).toHaveLength(0);
  expect((await broker.get(A)).sessionCount).toBe(10);
});

test("failures of many callers inside one window leave one strike and one time", async () => {
  await using broker = await world();
  await broker.put(A);
  const leases = await Promise.all(Array.from({ length: 40 }, () => broker.acquire(CODEX)));
  await Promise.all(leases.map(({ lease }) => broker.report(lease.leaseId, "USAGE_LIMIT")));
  expect((await broker.get(A)).cooldowns).toMatchObject([{ strikes: 1 }]);
  expect((await refusal(broker.acquire(CODEX))).retryDelayMs).toBe(15 * MINUTE);
});

test("one record that cannot be read costs one profile: the others are served", async () => {
  await using broker = await world();
  await broker.put(A);
  await broker.put(`${CODEX}:b`);
  await broker.stop();
  const place = join(broker.home, "state", "profiles");
  const [file] = (await readdir(place)).filter((name) => name.includes("a.json"));
  await writeFile(join(place, file ?? ""), "rubbish");
  await broker.start();
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
  await broker.fails(CODEX, "USAGE_LIMIT");
  const error = await refusal(broker.acquire(CODEX));
  expect(error.reason).toBe("ALL_COOLING_DOWN");
  expect(error.why(A)).toBe("STORE_CORRUPT");
  expect((await broker.agent.status()).providers).toMatchObject([{ blocked: 1, coolingDown: 1 }]);
  await broker.advance(15 * MINUTE + SECOND);
  expect(await broker.serves(CODEX)).toBe(`${CODEX}:b`);
});
