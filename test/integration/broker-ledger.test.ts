import { describe, expect, test } from "vitest";
import type { BrokerFailure } from "../../src/domain/failure.ts";
import { ANYBODY, gate, HOUR, LoneBroker } from "../support/lone-broker.ts";
import { fullDisk } from "../support/memory-store.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

/** Reports an outcome with a lease, as a caller does. */
function report(lone: LoneBroker, leaseId: string, outcome: "OK" | "USAGE_LIMIT" | "NETWORK") {
  const seen = { leaseId, outcome, model: "", responseStarted: false, usageWindows: [], acquireNext: false };
  const patience = {
    maxWaitMs: 0,
    deadline: { wallMs: Number.POSITIVE_INFINITY, monoMs: Number.POSITIVE_INFINITY },
    signal: new AbortController().signal,
  };
  return lone.broker.report(seen, ANYBODY, patience);
}

describe("a ban that cannot be written", () => {
  async function banned() {
    const lone = await new LoneBroker().start();
    await lone.put(A);
    await lone.put(B);
    const { leaseId } = await lone.acquire(CODEX);
    lone.store.failNextWrite(fullDisk(), 2);
    const answer = lone.broker.report(
      {
        leaseId,
        response: {
          source: "MODEL_API",
          httpStatus: 403,
          headers: {},
          body: JSON.stringify({
            error: { message: "Your account has been disabled for violating our terms" },
          }),
          transportError: "",
          receivedAtMs: lone.clock.now().wallMs,
          model: "",
        },
        model: "",
        responseStarted: false,
        usageWindows: [],
        acquireNext: false,
      },
      ANYBODY,
      {
        maxWaitMs: 0,
        deadline: { wallMs: lone.clock.now().wallMs + HOUR, monoMs: lone.clock.now().monoMs + HOUR },
        signal: new AbortController().signal,
      },
    );
    const error = await answer.catch((e: BrokerFailure) => e);
    return { lone, error };
  }

  test("is answered STORE_UNAVAILABLE and holds at once: the banned account and the others are not used", async () => {
    const { lone, error } = await banned();
    expect(error).toMatchObject({ failure: { kind: "store_unavailable" } });
    expect(lone.broker.isTroubled).toBe(true);
    await expect(lone.acquire(CODEX)).rejects.toMatchObject({
      failure: { unavailability: { reason: "PROFILE_BLOCKED" } },
    });
  });

  test("is written as soon as it can be", async () => {
    const { lone } = await banned();
    await lone.clock.advance(2_000);
    expect(lone.broker.isTroubled).toBe(false);
    const next = await new LoneBroker(lone.store.reopen()).start();
    expect(next.broker.ctx.ledger.provider(CODEX).ban?.profile).toBe(A);
    expect(next.broker.ctx.ledger.get(A)?.block?.ban).toBe(true);
  });
});

describe("the retries of a store that refuses", () => {
  test("are one at a time, however often it recovers and fails again", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A);
    for (let i = 0; i < 5; i += 1) {
      lone.store.failNextWrite();
      await lone.put(B).catch(() => {});
      await lone.put(`${CODEX}:x${i}`);
    }
    const before = lone.store.writes;
    await lone.clock.advance(1_000);
    expect(lone.store.writes - before).toBe(1);
  });

  test("go on for what is unwritten although other records can be written", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A);
    const { leaseId } = await lone.acquire(CODEX);
    lone.store.failNextWrite();
    await report(lone, leaseId, "USAGE_LIMIT").catch(() => {});
    await lone.put(B);
    expect(lone.broker.isTroubled).toBe(true);
    await lone.clock.advance(1_000);
    expect(lone.broker.isTroubled).toBe(false);
    expect(lone.store.stored(A, lone.clock.now())?.cooldowns).toHaveLength(1);
  });
});

describe("the ledger forgets", () => {
  test("a removed profile wholly: its id may become the former id of another", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A);
    await lone.broker.ctx.ledger.remove(A);
    await lone.settle();
    await lone.put(B, { aliases: [A] });
    expect(lone.broker.ctx.ledger.resolve(A)).toBe(B);
  });

  test("providers that are not there, however many callers ask for", async () => {
    const lone = await new LoneBroker().start();
    const { ledger } = lone.broker.ctx;
    await lone.acquire("nobody").catch(() => {});
    expect(ledger.pool("nobody")).not.toBe(ledger.pool("nobody"));
    await lone.put(A);
    expect(ledger.pool(CODEX)).toBe(ledger.pool(CODEX));
  });

  test("an unreadable record as soon as it is set aside, even if the new login cannot be written", async () => {
    const lone = new LoneBroker();
    lone.store.damage(A);
    await lone.start();
    const setAside = lone.store.setAside.bind(lone.store);
    lone.store.setAside = async (id) => {
      await setAside(id);
      lone.store.failNextWrite();
    };
    expect(lone.broker.ctx.ledger.pool(CODEX).seats).toHaveLength(1);
    await expect(lone.put(A)).rejects.toMatchObject({ failure: { kind: "store_unavailable" } });
    expect(lone.broker.ctx.ledger.pool(CODEX).seats).toHaveLength(0);
  });
});

describe("a trial", () => {
  test("is not ended by the late report of an earlier one", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A);
    const limit = async () => report(lone, (await lone.acquire(CODEX)).leaseId, "USAGE_LIMIT");
    await limit();
    await lone.clock.advance(15 * 60_000);
    const first = await lone.acquire(CODEX);
    expect(first.trial).toBe(true);
    await lone.clock.advance(60_000);
    await limit();
    await lone.clock.advance(30 * 60_000);
    expect((await lone.acquire(CODEX)).trial).toBe(true);
    await report(lone, first.leaseId, "NETWORK");
    await expect(lone.acquire(CODEX)).rejects.toMatchObject({
      failure: { unavailability: { profiles: [{ profile: A, reason: "TRIAL_IN_PROGRESS" }] } },
    });
  });
});

describe("a watch", () => {
  const request = {
    provider: CODEX,
    model: "",
    sessionId: "",
    pool: "",
    kinds: [],
    minValidForMs: HOUR,
    profile: "",
    excludeProfiles: [],
  };

  test("gets its credential once a store that kept the refresh from beginning is mended", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    lone.answer = (asked) => lone.granted(asked, 1);
    lone.store.failNextWrite();
    const over = new AbortController();
    const watching = lone.broker.watch(request, ANYBODY, over.signal);
    expect((await watching.next()).value).toMatchObject({ kind: "unavailable" });
    const next = watching.next();
    await lone.clock.advance(3_000);
    expect((await next).value).toMatchObject({ kind: "granted", handout: { generation: 2 } });
    over.abort();
    await watching.return();
  });

  test("does not tell which profiles there are to who may not know of them", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A);
    await lone.put(B);
    const caller = { ...ANYBODY, allowsProfile: (id: string) => id === A };
    const first = async (profile: string) => {
      const watching = lone.broker.watch({ ...request, profile }, caller, new AbortController().signal);
      const { value } = await watching.next();
      await watching.return();
      return value;
    };
    expect(await first(B)).toEqual(await first(`${CODEX}:nobody`));
  });
});

test("what a due moment sets off may go wrong: it is logged, and the next ones come", async () => {
  const lone = await new LoneBroker().start();
  const { alarm, clock } = lone.broker.ctx;
  const rung = gate();
  const soon = { wallMs: clock.now().wallMs + 10, monoMs: clock.now().monoMs + 10 };
  alarm.at(soon, () => {
    throw new Error("unexpected");
  });
  alarm.at({ wallMs: soon.wallMs + 10, monoMs: soon.monoMs + 10 }, () => rung.open());
  await lone.clock.advance(100);
  await rung.opened;
  expect(lone.log).toMatchObject([{ level: "error" }]);
});
