import { expect, test } from "vitest";
import { usage, watchUsage } from "../../src/broker/usage.ts";
import { defaultConfig, parseConfig } from "../../src/config.ts";
import type { UsageWindow } from "../../src/domain/outcome.ts";
import type { Ownership, Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { after } from "../../src/domain/time.ts";
import { transition } from "../../src/domain/transition.ts";
import type { ReadUsage, UsageAnswer } from "../../src/provider/provider.ts";
import { ANYBODY, HOUR, LoneBroker } from "../support/lone-broker.ts";
import { MemoryStore } from "../support/memory-store.ts";

const MINUTE = 60_000;
const DAY = 24 * HOUR;
const A = "openai-codex:a";

/** A broker whose looks are noted; all are answered by `answer`. */
async function looking(
  answer: (about: Parameters<ReadUsage>[0]) => UsageAnswer = () => read(40),
  config: object = {},
  more: ConstructorParameters<typeof LoneBroker>[2] = {},
) {
  const lone = new LoneBroker(
    new MemoryStore(),
    Object.keys(config).length === 0 ? defaultConfig() : parseConfig(JSON.stringify(config), "config.json"),
    more,
  );
  const looks: { readonly token: string; readonly atMs: number; readonly etag: string | undefined }[] = [];
  lone.usage = async (request) => {
    const token = request.grant.kind === "oauth" ? request.grant.accessToken.reveal() : "";
    looks.push({ token, atMs: lone.clock.now().wallMs, etag: request.etag });
    return answer(request);
  };
  await lone.start();
  const advance = async (ms: number) => {
    await lone.settle();
    await lone.clock.advance(ms);
    await lone.settle();
  };
  const report = async (outcome: "USAGE_LIMIT" | "OK", retryAtMs?: number, profile = A) => {
    const { leaseId } = await lone.acquire("openai-codex", { profile });
    const seen = {
      leaseId,
      outcome,
      model: "",
      responseStarted: false,
      usageWindows: [],
      acquireNext: false,
    };
    const patience = {
      maxWaitMs: 0,
      deadline: after(lone.clock.now(), HOUR),
      signal: new AbortController().signal,
    };
    await lone.broker.report(
      { ...seen, ...(retryAtMs === undefined ? {} : { retryAtMs }) },
      ANYBODY,
      patience,
    );
  };
  const ask = (maxWaitMs = 10_000) =>
    usage(lone.broker.ctx, { provider: "", maxWaitMs, history: false }, ANYBODY, {
      deadline: after(lone.clock.now(), HOUR),
      signal: new AbortController().signal,
    });
  const profile = (id = A) => {
    const found = lone.broker.ctx.ledger.get(id);
    if (found === undefined) throw new Error(`${id} is gone`);
    return found;
  };
  return { lone, looks, advance, report, ask, profile };
}

/** A read-out that names a plan. */
const planned = (planType: string): UsageAnswer => ({ ...read(40), facts: { planType } }) as UsageAnswer;

/** A login whose token names a plan and is not due for long. */
const ON_PLUS = {
  livesMs: 10 * DAY,
  account: { accountId: "acct-a", userId: "user-a", planType: "plus" },
};

function read(usedPercent: number, etag?: string): UsageAnswer {
  const window: UsageWindow = { name: "primary", windowMinutes: 300, usedPercent, observedAtMs: 0 };
  return { kind: "read", windows: [window], ...(etag === undefined ? {} : { etag }) };
}
const throttled: UsageAnswer = { kind: "not_now", code: "http_429", isRefusal: true, isOwn: false };

/** Follows the usage until the function given back is called. */
function follow({ broker }: LoneBroker, provider = "") {
  const gone = new AbortController();
  const seen: number[] = [];
  const done = (async () => {
    for await (const views of watchUsage(broker.ctx, provider, ANYBODY, gone.signal)) seen.push(views.length);
  })();
  return {
    seen,
    stop: () => {
      gone.abort();
      return done;
    },
  };
}

test("a limit that the provider lifts early ends within the hour, by the usage and without a model call", async () => {
  const w = await looking();
  await w.lone.put(A);
  await w.report("USAGE_LIMIT", w.lone.clock.now().wallMs + 5 * DAY);
  await w.advance(30 * MINUTE - 1);
  expect(w.looks).toHaveLength(0);
  expect(w.profile().cooldowns).toHaveLength(1);
  await w.advance(30 * MINUTE);
  expect(w.looks).toHaveLength(1);
  expect(w.profile().cooldowns).toEqual([]);
  expect(w.profile().usageWindows).toMatchObject([{ usedPercent: 40, source: "USAGE_API" }]);
  expect((await w.lone.acquire("openai-codex")).profile).toBe(A);
  await w.advance(DAY);
  expect(w.looks).toHaveLength(1);
});

test("while a limit stays, it is looked at once or twice an hour, and not once more when it ends before", async () => {
  const w = await looking(() => read(100));
  await w.lone.put(A, { livesMs: 10 * DAY });
  await w.report("USAGE_LIMIT", w.lone.clock.now().wallMs + 10 * HOUR);
  await w.advance(DAY);
  expect(w.looks.length).toBeGreaterThanOrEqual(10);
  expect(w.looks.length).toBeLessThanOrEqual(20);
  const before = w.looks.length;
  await w.report("USAGE_LIMIT", w.lone.clock.now().wallMs + 30 * MINUTE);
  await w.advance(DAY);
  expect(w.looks).toHaveLength(before);
});

test("ten accounts in use that nobody asks about cost no request, and no timer of their own", async () => {
  const w = await looking();
  for (let i = 0; i < 10; i += 1) await w.lone.put(`openai-codex:${i}`, { livesMs: 10 * DAY });
  for (let hour = 0; hour < 24; hour += 1) {
    for (let i = 0; i < 10; i += 1) await w.lone.acquire("openai-codex", { profile: `openai-codex:${i}` });
    await w.advance(HOUR);
  }
  expect(w.looks).toHaveLength(0);
  expect(w.lone.clock.timers().length).toBeLessThanOrEqual(1);
});

test("somebody who follows costs about six requests an account and hour, and none after", async () => {
  const w = await looking();
  for (let i = 0; i < 10; i += 1) await w.lone.put(`openai-codex:${i}`, { livesMs: 10 * DAY });
  const one = follow(w.lone);
  const two = follow(w.lone, "openai-codex");
  await w.advance(HOUR);
  expect(w.looks.length).toBeGreaterThanOrEqual(50);
  expect(w.looks.length).toBeLessThanOrEqual(80);
  expect(one.seen.length).toBeGreaterThan(1);
  await one.stop();
  await two.stop();
  const { length } = w.looks;
  await w.advance(DAY);
  expect(w.looks).toHaveLength(length);
});

test("looks of one provider go one after another", async () => {
  let under = 0;
  let most = 0;
  const w = await looking();
  w.lone.usage = async () => {
    most = Math.max(most, ++under);
    await new Promise((resolve) => setImmediate(resolve));
    under -= 1;
    return read(1);
  };
  for (let i = 0; i < 5; i += 1) await w.lone.put(`openai-codex:${i}`);
  await w.ask();
  expect(most).toBe(1);
  expect(w.profile("openai-codex:4").usageWindows).toHaveLength(1);
});

test("who asks waits for one look, shared by all, and gets what was read five minutes ago without another", async () => {
  const w = await looking();
  await w.lone.put(A);
  const answers = await Promise.all([w.ask(), w.ask(), w.ask()]);
  for (const [view] of answers) expect(view?.profile.usageWindows[0]?.usedPercent).toBe(40);
  expect(w.looks).toHaveLength(1);
  await w.advance(5 * MINUTE - 1);
  await w.ask();
  expect(w.looks).toHaveLength(1);
  await w.advance(1);
  await w.ask(0);
  expect(w.looks).toHaveLength(1);
  await w.ask();
  expect(w.looks).toHaveLength(2);
});

test("a limited account keeps its pace, whoever asks: a reading never answers a refusal of just now", async () => {
  const w = await looking(() => read(100));
  await w.lone.put(A);
  await w.report("USAGE_LIMIT", w.lone.clock.now().wallMs + DAY);
  const one = follow(w.lone);
  await w.advance(20 * MINUTE);
  await w.ask();
  expect(w.looks).toHaveLength(0);
  await w.advance(40 * MINUTE);
  expect(w.looks).toHaveLength(1);
  await one.stop();
});

test("what agents report spares the look", async () => {
  const w = await looking();
  await w.lone.put(A, { livesMs: 10 * DAY });
  const one = follow(w.lone);
  for (let i = 0; i < 12; i += 1) {
    const { leaseId } = await w.lone.acquire("openai-codex");
    const window = { name: "primary", usedPercent: i, observedAtMs: w.lone.clock.now().wallMs };
    await w.lone.broker.report(
      {
        leaseId,
        outcome: "OK",
        model: "",
        responseStarted: true,
        usageWindows: [window],
        acquireNext: false,
      },
      ANYBODY,
      { maxWaitMs: 0, deadline: after(w.lone.clock.now(), HOUR), signal: new AbortController().signal },
    );
    await w.advance(5 * MINUTE);
  }
  expect(w.looks).toHaveLength(0);
  await one.stop();
});

test("earliest_reset has profiles in use looked at, and leaves alone those that were not used for an hour", async () => {
  const w = await looking(() => read(1), { providers: { "openai-codex": { strategy: "earliest_reset" } } });
  await w.lone.put(A, { livesMs: 10 * DAY });
  await w.lone.put("openai-codex:b", { livesMs: 10 * DAY });
  await w.lone.acquire("openai-codex", { profile: A });
  await w.advance(DAY);
  expect(w.looks.length).toBeGreaterThanOrEqual(4);
  expect(w.looks.length).toBeLessThanOrEqual(8);
  expect(new Set(w.looks.map((l) => l.token))).toEqual(new Set(["at-FAKE-a"]));
});

test("an endpoint that throttles is left alone for 30 minutes, then longer, by all accounts; no profile changes", async () => {
  let answer: UsageAnswer = throttled;
  const w = await looking(() => answer);
  await w.lone.put(A, { livesMs: 10 * DAY });
  await w.lone.put("openai-codex:b", { livesMs: 10 * DAY });
  const before = [w.profile(), w.profile("openai-codex:b")];
  const one = follow(w.lone);
  await w.advance(30 * MINUTE);
  expect(w.looks).toHaveLength(1);
  const [view] = await w.ask(0);
  expect(view?.trouble).toMatchObject({ code: "http_429", failures: 1 });
  await w.advance(12 * HOUR);
  // 0.5, 1, 2, 4, 6 hours of rest.
  expect(w.looks.length).toBeGreaterThanOrEqual(4);
  expect(w.looks.length).toBeLessThanOrEqual(6);
  expect([w.profile(), w.profile("openai-codex:b")]).toEqual(before);
  expect(w.lone.log.filter(({ level }) => level === "warn")).toHaveLength(1);
  answer = read(7);
  await w.advance(6 * HOUR);
  expect(w.profile("openai-codex:b").usageWindows).toHaveLength(1);
  expect((await w.ask(0))[0]?.trouble).toBeUndefined();
  await one.stop();
});

test("a stated Retry-After that is longer holds; one of 0 does not shorten the rest", async () => {
  const w = await looking(({ now }) => ({
    ...throttled,
    retryAtMs: now().wallMs + (w.looks.length === 1 ? 5 * HOUR : 0),
  }));
  await w.lone.put(A, { livesMs: 10 * DAY });
  const one = follow(w.lone);
  await w.advance(5 * HOUR);
  expect(w.looks).toHaveLength(1);
  await w.advance(59 * MINUTE);
  expect(w.looks).toHaveLength(2);
  await one.stop();
});

test("an account without the scope keeps only itself away", async () => {
  const denied: UsageAnswer = { kind: "not_now", code: "http_403", isRefusal: true, isOwn: true };
  const w = await looking(({ account }) => (account.accountId === "acct-a" ? denied : read(5)));
  await w.lone.put(A, { livesMs: 10 * DAY });
  await w.lone.put("openai-codex:b", { livesMs: 10 * DAY });
  const views = await w.ask();
  expect(views.map((v) => [v.state.state, v.trouble?.code, v.profile.usageWindows.length])).toEqual([
    ["READY", "http_403", 0],
    ["READY", undefined, 1],
  ]);
});

test("a 401 refuses the generation and brings one refresh; an endpoint that refuses every token brings no login down", async () => {
  const w = await looking(() => ({ kind: "refused" }));
  let issued = 0;
  w.lone.answer = (request) => w.lone.granted(request, ++issued);
  await w.lone.put(A);
  const one = follow(w.lone);
  await w.advance(6 * MINUTE);
  expect(w.looks).toHaveLength(1);
  expect(w.lone.sent).toEqual(["rt-FAKE-a"]);
  expect(w.profile()).toMatchObject({ generation: 2, origin: "forced" });
  await w.advance(20 * MINUTE);
  expect(w.looks).toHaveLength(1);
  await w.advance(6 * HOUR);
  expect(w.profile().loginNeeded).toBeUndefined();
  expect(w.looks.length).toBeLessThanOrEqual(5);
  expect((await w.lone.acquire("openai-codex")).profile).toBe(A);
  await one.stop();
});

test("another plan than the token's is asked for once, by one refresh, whatever the new token says", async () => {
  let plan = "plus";
  const w = await looking(() => planned(plan));
  let issued = 0;
  w.lone.answer = (request) => {
    const answer = w.lone.granted(request, ++issued);
    return answer.kind === "granted" ? { ...answer, account: { planType: "plus" } } : answer;
  };
  await w.lone.put(A, { ...ON_PLUS, ownership: "SOLE" });
  await w.ask();
  await w.advance(10 * MINUTE);
  expect(w.lone.sent).toEqual([]);
  plan = "pro";
  for (let n = 0; n < 5; n += 1) {
    await w.ask();
    await w.advance(10 * MINUTE);
  }
  expect(w.lone.sent).toEqual(["rt-FAKE-a"]);
  expect(w.profile()).toMatchObject({ generation: 2, origin: "refresh", account: { planType: "pro" } });
  plan = "free";
  await w.ask();
  await w.advance(10 * MINUTE);
  expect(w.lone.sent).toHaveLength(2);
});

test("a renewal for another plan that is impossible just now is asked for again with the next look", async () => {
  const w = await looking(() => planned("pro"));
  w.lone.answer = () => ({ kind: "not_now", code: "http_503", httpStatus: 503 });
  await w.lone.put(A, { ...ON_PLUS, ownership: "SOLE" });
  await w.ask();
  await w.advance(10 * MINUTE);
  expect(w.lone.sent).toHaveLength(1);
  expect(w.profile()).toMatchObject({ generation: 1, account: { planType: "pro" } });
  w.lone.answer = (request) => w.lone.granted(request, 1);
  for (let n = 0; n < 3; n += 1) {
    await w.ask();
    await w.advance(10 * MINUTE);
  }
  expect(w.lone.sent).toHaveLength(2);
  expect(w.profile()).toMatchObject({ generation: 2 });
});

test("another plan spends no grant that another program may hold, until it is the broker's own", async () => {
  const w = await looking(() => planned("pro"));
  w.lone.answer = (request) => w.lone.granted(request, 1);
  const { ledger, clock, settings } = w.lone.broker.ctx;
  const look = async (ownership: Ownership) => {
    const change = (p: Profile | undefined) =>
      transition(p as Profile, { type: "updated", ownership }, clock.now(), settings);
    await ledger.commit(A, change);
    await w.ask();
    await w.advance(10 * MINUTE);
    return w.lone.sent.length;
  };
  await w.lone.put(A, ON_PLUS);
  expect(await look("UNKNOWN")).toBe(0);
  expect(await look("SHARED")).toBe(0);
  expect(w.looks).toHaveLength(2);
  expect(await look("SOLE")).toBe(1);
});

test("a 401 about a token that was replaced meanwhile is nobody's", async () => {
  const w = await looking();
  await w.lone.put(A);
  w.lone.usage = async () => {
    await w.lone.put(A, { access: "at-FAKE-newer", refresh: "rt-FAKE-newer" });
    return { kind: "refused" };
  };
  await w.ask();
  expect(w.profile()).toMatchObject({ generation: 2 });
  expect(w.profile().refusedGeneration).toBeUndefined();
  expect(w.lone.sent).toEqual([]);
});

test("a refusal that comes while usage is read is not refuted by that reading", async () => {
  const w = await looking();
  await w.lone.put(A);
  w.lone.usage = async () => {
    await w.report("USAGE_LIMIT", w.lone.clock.now().wallMs + DAY);
    await w.lone.clock.advance(1_000);
    return read(10);
  };
  await w.ask();
  expect(w.profile().usageWindows).toMatchObject([{ usedPercent: 10 }]);
  expect(w.profile().cooldowns).toHaveLength(1);
});

test("an unchanged answer renews the readings that it stands for", async () => {
  const w = await looking(({ etag }) => (etag === 'W/"1"' ? { kind: "unchanged" } : read(40, 'W/"1"')));
  await w.lone.put(A);
  await w.ask();
  await w.advance(10 * MINUTE);
  await w.ask();
  expect(w.looks.map((l) => l.etag)).toEqual([undefined, 'W/"1"']);
  expect(w.profile().usageWindows).toMatchObject([
    { name: "primary", usedPercent: 40, observedAtMs: w.lone.clock.now().wallMs },
  ]);
});

test("keys, bare tokens, what is switched off, over or outside the order is not looked at", async () => {
  const w = await looking();
  const { broker } = w.lone;
  await w.lone.put(A);
  await w.lone.put("openai-codex:over", { livesMs: -1 });
  await w.lone.put("openai-codex:off", { enabled: false });
  await w.lone.put("openai-codex:outside");
  await w.lone.put("openai-codex:token", { grant: { kind: "token", token: new Secret("st-FAKE-1") } });
  await w.lone.put("openai-codex:key", { grant: { kind: "api_key", key: new Secret("sk-FAKE-1") } });
  await w.lone.put("xai:nowhere");
  await broker.ctx.ledger.changeProvider("openai-codex", (s) => ({
    ...s,
    order: [A, ...["over", "off", "token", "key"].map((label) => `openai-codex:${label}`)],
  }));
  await w.ask();
  expect(w.looks.map((l) => l.token)).toEqual(["at-FAKE-a"]);
});

test.each([{ usage: { poll: false } }, { providers: { "openai-codex": { usagePolling: false } } }])(
  "the operator may forbid it: %j",
  async (config) => {
    const w = await looking(() => read(1), config);
    await w.lone.put(A);
    await w.report("USAGE_LIMIT", w.lone.clock.now().wallMs + 5 * DAY);
    const one = follow(w.lone);
    await w.ask();
    await w.advance(DAY);
    expect(w.looks).toHaveLength(0);
    await one.stop();
  },
);

test("a broker that stops gives up a look, and keeps the history of what was read", async () => {
  const w = await looking();
  await w.lone.put(A);
  await w.ask();
  await w.advance(10 * MINUTE);
  let isAborted = false;
  w.lone.usage = ({ signal }) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        isAborted = true;
        resolve({ kind: "not_now", code: "timeout", isRefusal: false, isOwn: false });
      });
    });
  const asked = w.ask();
  await w.lone.settle();
  w.lone.ending.abort();
  await asked;
  await w.lone.broker.drain();
  await w.lone.broker.settle();
  expect(isAborted).toBe(true);
  const kept = await w.lone.store.reopen().readUsage(A);
  expect(kept?.samples.map((s) => s.usedPercent)).toEqual([40]);
});
