import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { FairTurns } from "../../src/endpoint/fair-turns.ts";

let nowMs: number;
let timers: (() => void)[];
let immediates: (() => void)[];
let begun: string[];
let turns: FairTurns;

/** Everything anew: nobody has asked yet. */
function anew(): void {
  nowMs = 0;
  timers = [];
  immediates = [];
  begun = [];
  turns = new FairTurns({
    nowMs: () => nowMs,
    nextTurn: (run) => void immediates.push(run),
    startTimer: (_afterMs, fire) => {
      timers.push(fire);
      return () => {};
    },
  });
}
beforeEach(anew);

function ask(party: string, count: number): void {
  for (let i = 0; i < count; i += 1) turns.take(party, () => void begun.push(`${party}${i}`));
}

/** One turn of the event loop. */
function turn(): void {
  for (const run of immediates.splice(0)) run();
}

/** A millisecond goes by. */
function pace(): void {
  nowMs += 1;
  for (const run of timers.splice(0)) run();
}

const of = (party: string) => begun.filter((call) => call.startsWith(party)).length;

describe("of the calls that arrive together", () => {
  test("each caller has eight begun in a turn, in their order, and nobody waits behind another's rest", () => {
    ask("a", 20);
    ask("b", 3);
    expect([of("a"), of("b")]).toEqual([8, 3]);
    turn();
    ask("b", 1);
    expect([of("a"), of("b")]).toEqual([16, 4]);
    turn();
    expect(begun.filter((call) => call.startsWith("a"))).toEqual(
      Array.from({ length: 20 }, (_, i) => `a${i}`),
    );
    turn();
    expect(immediates).toEqual([]);
  });

  test("all callers together have thirty-two, and who came last is next before who has more", () => {
    for (const party of ["a", "b", "c", "d", "e"]) ask(party, 20);
    expect([of("a"), of("d"), of("e")]).toEqual([8, 8, 0]);
    turn();
    expect(begun.length).toBe(64);
    turn();
    expect(of("e")).toBeGreaterThanOrEqual(8);
  });
});

describe("who begins more than a hundred within two windows, and has thirty-two wait", () => {
  test("alone, goes on with every turn", () => {
    ask("a", 200);
    for (let i = 0; i < 25; i += 1) turn();
    expect(of("a")).toBe(200);
    expect(timers).toEqual([]);
  });

  test("while others ask, gets four at a time with a pause, and the others all of theirs at once", () => {
    ask("b", 1);
    ask("a", 300);
    while (immediates.length > 0) turn();
    const before = of("a");
    expect(before).toBeLessThan(20);
    ask("b", 5);
    expect(of("b")).toBe(6);
    pace();
    expect(of("a")).toBe(before + 4);
    for (let i = 0; of("a") < 300 && i < 100; i += 1) {
      pace();
      while (immediates.length > 0) turn();
    }
    expect(of("a")).toBe(300);
  });

  test("goes on with every turn again when the others have been silent for two windows", () => {
    ask("b", 1);
    ask("a", 300);
    while (immediates.length > 0) turn();
    nowMs = 150;
    ask("a", 1);
    nowMs = 270;
    ask("a", 1);
    pace();
    for (let i = 0; i < 40; i += 1) turn();
    expect(of("a")).toBe(302);
    expect(timers).toEqual([]);
  });

  test("is as any other once it is calm", () => {
    ask("b", 1);
    ask("a", 150);
    while (of("a") < 150) {
      pace();
      turn();
    }
    nowMs = 1_000;
    ask("b", 1);
    ask("a", 8);
    expect(of("a")).toBe(158);
  });
});

test("who begins as many but has only a few wait is never held back: a harness that asks for its agents", () => {
  ask("b", 1);
  for (let i = 0; i < 50; i += 1) {
    ask("a", 16);
    turn();
    turn();
  }
  expect(of("a")).toBe(800);
  expect(timers).toEqual([]);
});

describe("a call that is over before its turn", () => {
  test("leaves the line, takes nobody's turn, and is never begun", () => {
    const leaves = Array.from({ length: 2_000 }, (_, i) => turns.take("a", () => void begun.push(`a${i}`)));
    expect(leaves.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => undefined));
    for (const leave of leaves.slice(8, -1)) leave?.();
    turn();
    expect(begun).toEqual([...Array.from({ length: 8 }, (_, i) => `a${i}`), "a1999"]);
    turn();
    expect(immediates).toEqual([]);
  });
});

test("calls that wait keep their place before those that come when nothing has come for long", () => {
  ask("b", 1);
  ask("a", 600);
  for (let i = 0; i < 20; i += 1) pace();
  nowMs += 1_000;
  const before = of("a");
  turns.take("a", () => void begun.push("a-last"));
  expect(of("a")).toBe(before);
  while (immediates.length > 0 || timers.length > 0) {
    turn();
    pace();
  }
  expect(begun.at(-1)).toBe("a-last");
});

test("whatever comes when, every call that stays begins once, in its caller's order", () => {
  const step = fc.oneof(
    fc.record({ party: fc.constantFrom("a", "b", "c"), count: fc.integer({ min: 1, max: 150 }) }),
    fc.constantFrom("turn" as const, "pace" as const, "wait" as const, "long" as const),
    fc.record({ leaves: fc.nat(500) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      anew();
      const asked: Record<string, number[]> = { a: [], b: [], c: [] };
      const got: Record<string, number[]> = { a: [], b: [], c: [] };
      const waiting: { party: string; number: number; leave: () => void }[] = [];
      let number = 0;
      for (const one of steps) {
        if (one === "turn") turn();
        else if (one === "pace") pace();
        else if (one === "wait") nowMs += 70;
        else if (one === "long") nowMs += 500;
        else if ("leaves" in one) {
          const [gone] = waiting.splice(one.leaves % Math.max(1, waiting.length), 1);
          if (gone === undefined || got[gone.party]?.includes(gone.number)) continue;
          gone.leave();
          asked[gone.party] = asked[gone.party]?.filter((each) => each !== gone.number) ?? [];
        } else {
          for (let i = 0; i < one.count; i += 1) {
            number += 1;
            const mine = number;
            asked[one.party]?.push(mine);
            const leave = turns.take(one.party, () => void got[one.party]?.push(mine));
            if (leave !== undefined) waiting.push({ party: one.party, number: mine, leave });
          }
        }
      }
      for (let i = 0; (immediates.length > 0 || timers.length > 0) && i < 10_000; i += 1) {
        turn();
        pace();
      }
      expect(got).toEqual(asked);
    }),
  );
});
