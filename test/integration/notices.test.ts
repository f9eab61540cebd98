import { expect, test } from "vitest";
import { defaultConfig } from "../../src/config.ts";
import type { Notice } from "../../src/domain/notice.ts";
import type { Outcome, UsageWindow } from "../../src/domain/outcome.ts";
import { after } from "../../src/domain/time.ts";
import { ANYBODY, HOUR, LoneBroker } from "../support/lone-broker.ts";
import { MemoryStore } from "../support/memory-store.ts";

const SECOND = 1_000;
const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

/** A broker that tells its notices to the test. */
async function telling(store = new MemoryStore()) {
  const told: Notice[] = [];
  const lone = new LoneBroker(store, defaultConfig(), { notify: (notice) => void told.push(notice) });
  lone.usage = async () => ({ kind: "not_now", code: "http_429", isRefusal: true, isOwn: false });
  await lone.start();
  const report = async (profile: string, outcome: Outcome, usageWindows: readonly UsageWindow[] = []) => {
    const { leaseId } = await lone.acquire(CODEX, { profile });
    const patience = {
      maxWaitMs: 0,
      deadline: after(lone.clock.now(), HOUR),
      signal: new AbortController().signal,
    };
    await lone.broker.report(
      { leaseId, outcome, model: "", responseStarted: false, usageWindows, acquireNext: false },
      ANYBODY,
      patience,
    );
  };
  const settle = async (ms = 3 * SECOND) => {
    await lone.settle();
    await lone.clock.advance(ms);
    await lone.settle();
  };
  const kinds = () => told.map(({ kind, profile }) => `${kind} ${profile}`);
  return { lone, told, report, settle, kinds };
}

const window = (usedPercent: number, observedAtMs: number): UsageWindow => ({
  name: "primary",
  windowMinutes: 300,
  usedPercent,
  resetAtMs: observedAtMs + 5 * HOUR,
  observedAtMs,
});

test("a login that is needed is told once, with the command that mends it, and not again after a restart", async () => {
  const w = await telling();
  await w.lone.put(A);
  await w.report(A, "AUTH_PERMANENT");
  await w.settle();
  expect(w.told).toEqual([
    {
      kind: "LOGIN_REQUIRED",
      provider: CODEX,
      profile: A,
      message: `${A} needs a new login`,
      help: `auth-broker login ${CODEX} --label a`,
    },
  ]);
  await w.lone.put(B);
  await w.settle(24 * HOUR);
  expect(w.kinds().filter((kind) => kind.startsWith("LOGIN_REQUIRED") && kind.endsWith(A))).toHaveLength(1);
  await w.lone.broker.settle();
  const again = await telling(w.lone.store.reopen());
  await again.lone.put(`${CODEX}:c`);
  await again.settle(HOUR);
  expect(again.kinds().filter((kind) => kind.endsWith(A))).toEqual([]);
});

test("all cooling is told with the moment of return, once, and again only when it begins anew much later", async () => {
  const w = await telling();
  await w.lone.put(A);
  await w.lone.put(B);
  await w.report(A, "USAGE_LIMIT");
  await w.settle();
  expect(w.told).toEqual([]);
  await w.report(B, "USAGE_LIMIT");
  await w.settle();
  expect(w.told).toMatchObject([
    { kind: "ALL_COOLING_DOWN", profile: "", help: "auth-broker usage", untilMs: expect.any(Number) },
  ]);
  await w.settle(16 * 60 * SECOND);
  await w.report(A, "RATE_LIMIT");
  await w.report(B, "RATE_LIMIT");
  await w.settle();
  expect(w.told).toHaveLength(1);
});

test("what is over within two seconds is not told", async () => {
  const w = await telling();
  await w.lone.put(A);
  await w.report(A, "USAGE_LIMIT");
  await w.settle(SECOND);
  await w.lone.broker.ctx.ledger.commit(A, (p) => ({ ...(p as NonNullable<typeof p>), cooldowns: [] }));
  await w.settle();
  expect(w.told).toEqual([]);
});

test("a limit is near from 90 %, told once a window until it starts anew", async () => {
  const w = await telling();
  await w.lone.put(A);
  const { clock } = w.lone;
  await w.report(A, "OK", [window(89, clock.now().wallMs)]);
  await w.settle();
  expect(w.told).toEqual([]);
  for (const percent of [90, 91, 99, 89, 95]) {
    await w.report(A, "OK", [window(percent, clock.now().wallMs)]);
    await w.settle();
  }
  expect(w.kinds()).toEqual([`LIMIT_NEAR ${A}`]);
  expect(w.told[0]?.message).toBe(`${A} has used 90 % of its window primary`);
  await w.settle(5 * HOUR);
  await w.lone.put(A);
  await w.settle();
  await w.report(A, "OK", [window(92, clock.now().wallMs)]);
  await w.settle();
  expect(w.kinds()).toEqual([`LIMIT_NEAR ${A}`, `LIMIT_NEAR ${A}`]);
});

test("a grant that somebody else rotated is told, and no notice holds a token", async () => {
  const w = await telling();
  w.lone.answer = () => ({ kind: "terminal", code: "refresh_token_reused" });
  await w.lone.put(A);
  await w.report(A, "AUTH_INVALID_TOKEN");
  await w.settle();
  expect(w.kinds().sort()).toEqual([`LOGIN_REQUIRED ${A}`, `ROTATED_ELSEWHERE ${A}`]);
  expect(JSON.stringify(w.told)).not.toContain("FAKE");
});

test("many at once are told as one", async () => {
  const w = await telling();
  for (let i = 0; i < 20; i += 1) await w.lone.put(`${CODEX}:${i}`);
  await Promise.all(Array.from({ length: 20 }, (_, i) => w.report(`${CODEX}:${i}`, "AUTH_PERMANENT")));
  await w.settle();
  expect(w.told).toMatchObject([
    { kind: "LOGIN_REQUIRED", profile: "", message: expect.stringContaining("and 19 more of openai-codex") },
  ]);
});
