import { describe, expect, test } from "vitest";
import { refreshNow } from "../../src/broker/profiles.ts";
import { BrokerFailure } from "../../src/domain/failure.ts";
import { transition } from "../../src/domain/transition.ts";
import { ANYBODY, gate, HOUR, LoneBroker } from "../support/lone-broker.ts";
import { fullDisk } from "../support/memory-store.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;
const NEW = { minValidForMs: HOUR };

/** Holds the next refresh request until the test answers it. */
function held(lone: LoneBroker) {
  const arrived = gate();
  const reply = gate<() => ReturnType<LoneBroker["answer"]>>();
  lone.answer = async (request) => {
    arrived.open();
    lone.answer = (next) => lone.granted(next, "later");
    const make = await reply.opened;
    return make === undefined ? lone.granted(request, "held") : make();
  };
  return {
    arrived: arrived.opened,
    grant: () => reply.open(undefined as never),
    answer: (make: () => ReturnType<LoneBroker["answer"]>) => reply.open(make),
  };
}

describe("a refresh token is sent once per generation", () => {
  test("also when the exchange ends in an unexpected error: the answer counts as lost", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    lone.answer = () => {
      throw new TypeError("unexpected");
    };
    await lone.acquire(CODEX, NEW).catch(() => {});
    await lone.acquire(CODEX, NEW).catch(() => {});
    await lone.clock.advance(5 * 60_000);
    await lone.acquire(CODEX, NEW).catch(() => {});
    expect(lone.sent).toEqual(["rt-FAKE-a"]);
    expect(lone.broker.ctx.ledger.get(A)?.intent?.phase).toBe("lost");
    expect(lone.log).toContainEqual(expect.objectContaining({ level: "error" }));
  });

  test("and not at all if a put was written together with the intent", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    const busy = lone.store.holdNextWrite();
    const { ledger } = lone.broker.ctx;
    const rename = ledger.commit(A, (p) =>
      transition(p as never, { type: "updated", title: "x" }, lone.clock.now(), lone.broker.ctx.settings),
    );
    await busy.waiting;
    lone.answer = (request) => lone.granted(request, 1);
    const call = lone.acquire(CODEX, NEW);
    await lone.settle();
    const put = lone.put(A, { access: "at-FAKE-put", refresh: "rt-FAKE-put" });
    await lone.settle();
    busy.release();
    await Promise.all([rename, put, call]);
    expect(lone.sent).not.toContain("rt-FAKE-a");
    expect(lone.secrets(A)?.access).toBe("at-FAKE-put");
  });
});

describe("a put during a flight wins", () => {
  test("with its tokens, whatever the flight brings", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    const flight = held(lone);
    const call = lone.acquire(CODEX, NEW);
    await flight.arrived;
    await lone.put(A, { access: "at-FAKE-put", refresh: "rt-FAKE-put" });
    flight.grant();
    await call;
    expect(lone.secrets(A)).toEqual({ access: "at-FAKE-put", refresh: "rt-FAKE-put" });
    expect(lone.log.map((l) => l.message)).not.toContain("login refreshed");
  });

  test("and an order that comes after it is about the new login, not answered by the flight of the former", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    const flight = held(lone);
    const call = lone.acquire(CODEX, NEW);
    await flight.arrived;
    await lone.put(A, { access: "at-FAKE-put", refresh: "rt-FAKE-put" });
    const order = refreshNow(lone.broker.ctx, A, ANYBODY, new AbortController().signal);
    flight.answer(() => ({ kind: "lost", code: "timeout" }));
    await call;
    expect((await order).generation).toBe(3);
    expect(lone.sent).toEqual(["rt-FAKE-a", "rt-FAKE-put"]);
  });

  test("and an order that is cancelled while it waits for that flight is not sent", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    const flight = held(lone);
    const call = lone.acquire(CODEX, NEW);
    await flight.arrived;
    await lone.put(A, { access: "at-FAKE-put", refresh: "rt-FAKE-put" });
    const gone = new AbortController();
    const order = refreshNow(lone.broker.ctx, A, ANYBODY, gone.signal).catch((error: unknown) => error);
    gone.abort();
    expect(await order).toMatchObject({ failure: { unavailability: { reason: "UPSTREAM_UNAVAILABLE" } } });
    flight.grant();
    await call;
    await lone.settle();
    expect(lone.sent).toEqual(["rt-FAKE-a"]);
  });

  test.each([
    ["refused for now", "not_now", { failure: { unavailability: { reason: "UPSTREAM_UNAVAILABLE" } } }],
    ["renewed", "granted", { generation: 3 }],
  ] as const)(
    "an order does not send again at once what that flight sent of the new login: %s",
    async (_name, kind, expected) => {
      const lone = await new LoneBroker().start();
      await lone.put(A, { livesMs: HOUR / 2, ownership: "SHARED", sourcePath: "/nowhere" });
      const reading = gate();
      const read = gate();
      lone.readShared = async () => {
        reading.open();
        await read.opened;
        return undefined;
      };
      lone.answer = (request) =>
        kind === "granted" ? lone.granted(request, 1) : { kind, code: "http_500", httpStatus: 500 };
      const call = lone.acquire(CODEX, NEW).catch(() => {});
      await reading.opened;
      await lone.put(A, { access: "at-FAKE-put", refresh: "rt-FAKE-put" });
      const order = refreshNow(lone.broker.ctx, A, ANYBODY, new AbortController().signal);
      const ended = order.catch((error: unknown) => error);
      read.open();
      expect(await ended).toMatchObject(expected);
      await call;
      expect(lone.sent).toEqual(["rt-FAKE-put"]);
    },
  );

  test("but a spent refresh token that it brought again gives way to the one the server gave for it", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    const flight = held(lone);
    const call = lone.acquire(CODEX, NEW);
    await flight.arrived;
    await lone.put(A, { access: "at-FAKE-put", refresh: "rt-FAKE-a" });
    flight.grant();
    await call;
    expect(lone.secrets(A)).toEqual({ access: "at-FAKE-put", refresh: "rt-FAKE-new-held" });
    expect(lone.store.stored(A, lone.clock.now())?.generation).toBe(2);
  });

  test("a removal stays a removal although the file that the login was shared with has a newer one", async () => {
    const lone = await new LoneBroker().start();
    const old = await lone.put(A, { livesMs: HOUR / 2, ownership: "SHARED", sourcePath: "/nowhere" });
    const reading = gate();
    const read = gate();
    lone.readShared = async () => {
      reading.open();
      await read.opened;
      const answer = lone.granted({ grant: old.grant } as never, "file");
      return answer.kind === "granted" ? answer : undefined;
    };
    const call = lone.acquire(CODEX, NEW).catch((error: unknown) => error);
    await reading.opened;
    await lone.clock.advance(HOUR);
    await lone.broker.ctx.ledger.remove(A);
    read.open();
    expect(await call).toMatchObject({ failure: { unavailability: { reason: "NO_PROFILE" } } });
    expect(lone.broker.ctx.ledger.get(A)).toBeUndefined();
    expect(lone.store.stored(A, lone.clock.now())).toBeUndefined();
  });
});

describe("a new grant that cannot be written", () => {
  /** A grant that only memory has, and a store that refuses this profile's record. */
  async function stuck() {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    await lone.put(B);
    const flight = held(lone);
    const call = lone.acquire(CODEX, { ...NEW, profile: A }).catch((error: unknown) => error);
    await flight.arrived;
    const replace = lone.store.replace.bind(lone.store);
    const broken = { is: true };
    lone.store.replace = async (profile, ...rest) => {
      if (broken.is && profile.id === A) throw fullDisk();
      return replace(profile, ...rest);
    };
    flight.grant();
    expect(await call).toMatchObject({ failure: { kind: "store_unavailable" } });
    return { lone, broken };
  }

  test("keeps the health down although other records can be written", async () => {
    const { lone, broken } = await stuck();
    await lone.put(B, { access: "at-FAKE-b2" });
    expect(lone.broker.isTroubled).toBe(true);
    broken.is = false;
    const told = gate();
    lone.broker.ctx.latest.on("", () => {
      if (!lone.broker.isTroubled) told.open();
    });
    await lone.clock.advance(60_000);
    await told.opened;
    expect(lone.secrets(A)?.access).toBe("at-FAKE-new-held");
  });

  test("is said in the log once, without a token", async () => {
    const { lone } = await stuck();
    await lone.clock.advance(5 * 60_000);
    const errors = lone.log.filter((l) => l.level === "error");
    expect(errors).toHaveLength(1);
    expect(JSON.stringify(lone.log)).not.toContain("FAKE");
  });

  test("does not hold up the end of the broker for ever, nor is it lost without a word", async () => {
    const { lone } = await stuck();
    const draining = lone.broker.drain();
    await lone.clock.advance(2 * 60_000);
    await draining;
    await expect(lone.broker.settle()).rejects.toBeInstanceOf(BrokerFailure);
    expect(lone.log.at(-1)).toMatchObject({ level: "error", fields: { refreshing: [A] } });
  });
});

describe("a broker that stops", () => {
  test("begins no refresh that falls due meanwhile", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, { livesMs: HOUR / 2 });
    await lone.put(B, {});
    const flight = held(lone);
    const call = lone.acquire(CODEX, { ...NEW, profile: A });
    await flight.arrived;
    const draining = lone.broker.drain();
    const { ledger, clock, settings } = lone.broker.ctx;
    const refused = { outcome: "AUTH_INVALID_TOKEN", scope: "PROFILE", model: "", ban: false } as const;
    const rest = { windows: [], windowsSinceMs: 0, generation: 1, leaseIssuedAtMs: 0, leaseTag: "t" };
    await ledger.commit(B, (p) =>
      transition(p as never, { type: "reported", report: { ...refused, ...rest } }, clock.now(), settings),
    );
    await lone.clock.advance(10_000);
    flight.grant();
    await Promise.all([draining, call]);
    expect(lone.sent).toEqual(["rt-FAKE-a"]);
    expect(lone.log.filter((l) => l.level === "error")).toEqual([]);
  });

  test("sends none of those that still stand in the lane", async () => {
    const lone = await new LoneBroker().start();
    const labels = ["a", "b", "c", "d", "e"];
    for (const label of labels) await lone.put(`${CODEX}:${label}`, { livesMs: HOUR / 2 });
    const answers = gate();
    lone.answer = async (request) => {
      await answers.opened;
      return lone.granted(request, request.grant.refreshToken?.reveal() ?? "");
    };
    const calls = labels.map((label) =>
      lone.acquire(CODEX, { ...NEW, profile: `${CODEX}:${label}` }).catch((error: unknown) => error),
    );
    await lone.settle();
    const draining = lone.broker.drain();
    answers.open();
    await draining;
    expect(lone.sent).toHaveLength(2);
    const ends = await Promise.all(calls);
    const refused = ends.filter((e) => e instanceof BrokerFailure && e.failure.kind === "draining");
    expect(refused).toHaveLength(3);
  });

  test("tells callers who wait for a cooldown's end at once", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A, {
      cooldowns: [
        {
          model: "",
          outcome: "USAGE_LIMIT",
          source: "PROVIDER",
          setAtMs: lone.clock.now().wallMs,
          until: { wallMs: lone.clock.now().wallMs + HOUR, monoMs: lone.clock.now().monoMs + HOUR },
          halfOpen: false,
        },
      ],
    });
    const call = lone.acquire(CODEX, { maxWaitMs: HOUR }).catch((error: unknown) => error);
    await lone.settle();
    lone.ending.abort();
    expect(await call).toMatchObject({ failure: { kind: "draining" } });
  });

  test("writes each unwritten record whatever becomes of the others", async () => {
    const lone = await new LoneBroker().start();
    await lone.put(A);
    await lone.put(B);
    const { ledger, clock, settings } = lone.broker.ctx;
    lone.store.failNextWrite(fullDisk(), 2);
    const clear = (id: string) =>
      ledger.commit(
        id,
        (p) => transition(p as never, { type: "updated", title: "t" }, clock.now(), settings),
        { keep: true },
      );
    await Promise.allSettled([clear(A), clear(B)]);
    lone.store.failNextWrite(fullDisk(), 1);
    await expect(lone.broker.settle()).rejects.toThrow();
    expect(lone.store.stored(A, clock.now())?.title).toBeUndefined();
    expect(lone.store.stored(B, clock.now())?.title).toBe("t");
    expect(lone.log.at(-1)).toMatchObject({ level: "error", fields: { unwritten: [A] } });
  });
});
