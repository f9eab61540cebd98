import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FAULTS, type Fault } from "../support/soak-model.ts";
import { SoakWorld } from "../support/soak-world.ts";

// Random acts against one broker for a while: callers, faults of network and disk, crashes, clocks. What
// must hold whatever happens stands in `SoakWorld` and `Login`. SOAK_SECONDS is how long, SOAK_SEED
// repeats a run, SOAK_PATH begins it at one case; `npm run soak` takes half an hour.

const SECONDS = Number(process.env.SOAK_SECONDS ?? 40);
const SEED = Number(process.env.SOAK_SEED ?? Date.now() % 2 ** 31);
/** The number of the case, as fast-check names it; a failed one's path up to its first colon. */
const PATH = process.env.SOAK_PATH;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

type Act = fc.AsyncCommand<object, SoakWorld>;

/** An act that may always be done; its name tells what it was when a run fails. */
function act(name: string, run: (soak: SoakWorld) => unknown): Act {
  return {
    check: () => true,
    run: async (_model, soak) => {
      await run(soak);
    },
    toString: () => name,
  };
}

const who = fc.nat(3);
const login = (soak: SoakWorld, i: number) => soak.logins[i] as (typeof soak.logins)[number];
const times = (...ms: number[]) => fc.constantFrom(...ms);
const often = <T>(n: number, one: T): T[] => Array<T>(n).fill(one);
const OUTCOMES = ["OK", "RATE_LIMIT", "USAGE_LIMIT", "SERVER_ERROR"];

const acquire = fc
  .tuple(who, times(0, 0, MINUTE, 59 * MINUTE))
  .map(([i, ms]) => act(`acquire ${i} ${ms}`, (soak) => soak.acquire(login(soak, i), ms)));
const report = fc
  .tuple(fc.nat(11), fc.constantFrom(...OUTCOMES), times(0, 20 * SECOND, 10 * MINUTE, 3 * HOUR))
  .map(([n, what, ms]) => act(`report ${n} ${what} ${ms}`, (soak) => soak.report(n, what, ms)));
const refused = fc.tuple(who, fc.nat(2)).map(([i, n]) =>
  act(`refused ${n}, acquire ${i}`, async (soak) => {
    await soak.report(n, "AUTH_INVALID_TOKEN", 0);
    await soak.acquire(login(soak, i), 0);
  }),
);
const advance = times(SECOND, 40 * SECOND, 10 * MINUTE, 50 * MINUTE, HOUR).map((ms) =>
  act(`advance ${ms}`, (soak) => soak.advance(ms)),
);
const faults = fc
  .array(fc.constantFrom<Fault | "held">(...FAULTS, "held"), { minLength: 1, maxLength: 4 })
  .map((some) => act(`faults ${some.join()}`, (soak) => soak.faults.push(...some)));
/** A limit was told a moment before the process died. */
const limited = fc.tuple(who, times(0, 10 * MINUTE, 3 * HOUR), times(0, MINUTE)).map(([i, ms, goneMs]) =>
  act(`limit ${i} ${ms}, crash ${goneMs}, acquire`, async (soak) => {
    await soak.acquire(login(soak, i), 0);
    await soak.report(0, "USAGE_LIMIT", ms);
    await soak.crash(goneMs);
    await soak.acquire(login(soak, i), 0);
  }),
);
/** The network stays away for hours, and callers go on asking. */
const outage = fc
  .tuple(fc.constantFrom<Fault>(...FAULTS.slice(1)), fc.integer({ min: 2, max: 8 }), who)
  .map(([fault, n, i]) =>
    act(`${n} times ${fault}, acquire ${i}`, async (soak) => {
      soak.mendStore();
      soak.faults.push(...often(n, fault));
      for (let hour = 0; hour < 3; hour += 1) {
        await soak.advance(HOUR);
        await soak.acquire(login(soak, i), 0);
      }
    }),
  );

const ACTS: fc.Arbitrary<Act>[] = [
  ...often(6, acquire),
  ...often(3, report),
  ...often(2, refused),
  ...often(4, advance),
  ...often(3, faults),
  ...often(2, outage),
  ...often(3, limited),
  fc.constant(act("release", (soak) => soak.release())),
  fc.constant(act("break the store", (soak) => soak.breakStore())),
  ...often(3, fc.constant(act("mend the store", (soak) => soak.mendStore()))),
  times(0, MINUTE, 2 * HOUR).map((ms) => act(`crash ${ms}`, (soak) => soak.crash(ms))),
  fc
    .tuple(who, fc.boolean())
    .map(([i, late]) =>
      act(`crash ${i} unwritten ${late}`, (soak) => soak.crashUnwritten(login(soak, i), late)),
    ),
  times(0, MINUTE).map((ms) => act(`restart ${ms}`, (soak) => soak.restart(ms))),
  times(-24 * HOUR, -10 * MINUTE, 10 * MINUTE, 24 * HOUR).map((ms) =>
    act(`step ${ms}`, (soak) => soak.step(ms)),
  ),
  fc.constant(act("sleep", (soak) => soak.sleep(3 * HOUR))),
  who.map((i) => act(`order ${i}`, (soak) => soak.order(login(soak, i)))),
  fc.nat(1).map((i) => act(`allow only ${i}`, (soak) => soak.allow(login(soak, i)))),
  fc.constant(act("allow all", (soak) => soak.allow())),
  who.map((i) => act(`clear ${i}`, (soak) => soak.clear(login(soak, i)))),
  who.map((i) => act(`login ${i}`, (soak) => soak.put(login(soak, i)))),
];

test("whatever happens, nothing durable is lost, nothing spent is called good, and every login serves or says why not", {
  timeout: (SECONDS + 240) * SECOND,
}, async () => {
  console.log(`soak: ${SECONDS} s, SOAK_SEED=${SEED}`);
  const totals: Record<string, number> = { runs: 0 };
  const runs = fc.asyncProperty(fc.commands(ACTS, { maxCommands: 100, size: "max" }), async (acts) => {
    const soak = await SoakWorld.open();
    try {
      await fc.asyncModelRun(() => ({ model: {}, real: soak }), acts);
      await soak.verdict();
    } finally {
      await soak.close();
    }
    totals.runs = (totals.runs ?? 0) + 1;
    for (const [key, n] of Object.entries(soak.counts)) totals[key] = (totals[key] ?? 0) + n;
  });
  await fc.assert(runs, {
    seed: SEED,
    ...(PATH === undefined ? {} : { path: PATH }),
    numRuns: 1_000_000,
    interruptAfterTimeLimit: SECONDS * SECOND,
    markInterruptAsFailure: false,
  });
  console.log("soak:", totals);
  expect(totals.runs).toBeGreaterThan(0);
});

describe("what was told a moment before a crash holds after it:", () => {
  const told = async (run: (soak: SoakWorld) => Promise<void>) => {
    const soak = await SoakWorld.open();
    try {
      await run(soak);
    } finally {
      await soak.close();
    }
  };
  const reason = async (soak: SoakWorld, i: number) => (await soak.acquire(login(soak, i), 0))?.reason;

  test("a limit whose end was guessed", () =>
    told(async (soak) => {
      await soak.acquire(login(soak, 0), 0);
      await soak.report(0, "USAGE_LIMIT", 0);
      await soak.crash(0);
      expect(await reason(soak, 0)).toBe("ALL_COOLING_DOWN");
    }));

  test("a guessed limit that a report ended which could not be written counts as over until the crash", () =>
    told(async (soak) => {
      await soak.acquire(login(soak, 3), 0);
      await soak.report(0, "USAGE_LIMIT", 0);
      soak.breakStore();
      await soak.report(0, "OK", 0);
      expect(await reason(soak, 3)).toBeUndefined();
      await soak.crash(0);
      await soak.verdict();
    }));

  test("an order that leaves a login out", () =>
    told(async (soak) => {
      await soak.allow(login(soak, 0));
      await soak.crash(0);
      expect([await reason(soak, 0), await reason(soak, 1)]).toEqual([undefined, "NO_PROFILE"]);
    }));

  test("an intent, though nothing was sent: one more lost answer ends the login, and that is as it should be", () =>
    told(async (soak) => {
      await soak.advance(20 * MINUTE);
      await soak.crashIntended(login(soak, 0));
      expect([soak.counts.interrupted, soak.counts.requests]).toEqual([1, 0]);
      // The others are refreshed ahead; this one is sent again when its token has ended.
      await soak.advance(35 * MINUTE);
      soak.faults.push("broken before it was heard");
      await soak.advance(6 * MINUTE);
      expect(await reason(soak, 0)).toBe("LOGIN_REQUIRED");
      await soak.verdict();
    }));

  test("a refresh whose answer was lost: in the last minute of its token nothing is good for a minute", () =>
    told(async (soak) => {
      await soak.advance(20 * MINUTE);
      soak.faults.push("held");
      await soak.acquire(login(soak, 0), 59 * MINUTE);
      await soak.crash(0);
      await soak.advance(35 * MINUTE);
      const ask = async () => (await soak.acquire(login(soak, 0), MINUTE))?.reason;
      let why = await ask();
      for (let tries = 0; why === undefined && tries < 60; tries += 1) {
        await soak.advance(10 * SECOND);
        why = await ask();
      }
      expect(why).toBe("VALIDITY_UNREACHABLE");
      await soak.verdict();
    }));

  test.each([false, true])("a new grant, on a disk that takes its time (from the request on: %s)", (late) =>
    told(async (soak) => {
      await soak.advance(20 * MINUTE);
      await soak.crashUnwritten(login(soak, 0), late);
      expect(await reason(soak, 0)).toBeUndefined();
    }),
  );
});
