import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ManualClock } from "../support/clock.ts";

const START = { wallMs: 1_700_000_000_000 };

test("both clocks stand still until they are moved, and then move together", async () => {
  const clock = new ManualClock(START);
  expect(clock.now()).toEqual({ wallMs: START.wallMs, monoMs: 0 });
  await clock.advance(1500);
  expect(clock.now()).toEqual({ wallMs: START.wallMs + 1500, monoMs: 1500 });
});

test("timers fire in the order of their moments, each at its own moment", async () => {
  const clock = new ManualClock(START);
  const fired: [string, number][] = [];
  const note = (name: string) => () => void fired.push([name, clock.now().monoMs]);
  clock.timer(300, note("late"));
  clock.timer(100, note("early"));
  clock.timer(100, note("early too"));
  clock.timer(301, note("later"));
  await clock.advance(300);
  expect(fired).toEqual([
    ["early", 100],
    ["early too", 100],
    ["late", 300],
  ]);
});

test("a timer armed by a timer fires within the same advance", async () => {
  const clock = new ManualClock(START);
  let beats = 0;
  const beat = () => {
    beats++;
    clock.timer(30_000, beat);
  };
  clock.timer(30_000, beat);
  await clock.advance(3_600_000);
  expect(beats).toBe(120);
});

test("a cancelled timer never fires, and cancelling twice or late does no harm", async () => {
  const clock = new ManualClock(START);
  let fired = 0;
  const cancel = clock.timer(10, () => fired++);
  cancel();
  cancel();
  const cancelLate = clock.timer(10, () => fired++);
  await clock.advance(10);
  cancelLate();
  expect(fired).toBe(1);
  expect(clock.timers()).toEqual([]);
});

test("promises and file operations that a timer set off are done before the next timer fires", async () => {
  const clock = new ManualClock(START);
  const directory = await mkdtemp(join(tmpdir(), "clock-"));
  const steps: string[] = [];
  clock.timer(1, async () => {
    for (const name of ["a", "b", "c"]) {
      const file = await open(join(directory, name), "w");
      await file.writeFile("x".repeat(100_000));
      await file.sync();
      await file.close();
    }
    steps.push("written");
  });
  clock.timer(2, () => steps.push("next"));
  await clock.advance(2);
  expect(steps).toEqual(["written", "next"]);
  await rm(directory, { recursive: true });
});

test("a step of the wall clock moves nothing else and fires nothing", async () => {
  const clock = new ManualClock(START);
  let fired = 0;
  clock.timer(1000, () => fired++);
  clock.stepWall(-86_400_000);
  expect(clock.now()).toEqual({ wallMs: START.wallMs - 86_400_000, monoMs: 0 });
  clock.stepWall(2 * 86_400_000);
  expect(fired).toBe(0);
  expect(clock.timers()).toEqual([1000]);
});

test("while the host sleeps the wall clock goes on, and timers keep what they had left", async () => {
  const clock = new ManualClock(START);
  let fired = 0;
  clock.timer(1000, () => fired++);
  await clock.advance(400);
  clock.sleepHost(8 * 3_600_000);
  expect(clock.now()).toEqual({ wallMs: START.wallMs + 400 + 8 * 3_600_000, monoMs: 400 });
  expect(fired).toBe(0);
  await clock.advance(600);
  expect(fired).toBe(1);
});

test("waitUntilTimers resolves when the code waits, and not before", async () => {
  const clock = new ManualClock(START);
  let waiting = false;
  const waits = clock.waitUntilTimers(2).then(() => {
    waiting = true;
  });
  clock.timer(10, () => {});
  await clock.advance(0);
  expect(waiting).toBe(false);
  clock.timer(20, () => {});
  await waits;
  await clock.waitUntilTimers(2);
  expect(clock.timers()).toEqual([10, 20]);
});

test("nextTimer gives the delay of the next timer armed, not of one already there", async () => {
  const clock = new ManualClock(START);
  clock.timer(5, () => {});
  const next = clock.nextTimer();
  clock.timer(70, () => {});
  clock.timer(80, () => {});
  expect(await next).toBe(70);
});

test("a delay that setTimeout would not keep is refused", () => {
  const clock = new ManualClock(START);
  expect(() => clock.timer(30 * 86_400_000, () => {})).toThrow(RangeError);
  expect(() => clock.timer(Number.NaN, () => {})).toThrow(RangeError);
  expect(() => clock.timer(-1, () => {})).not.toThrow();
});
