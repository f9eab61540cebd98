import { describe, expect, test } from "vitest";
import { after, anchor, at, earliest, reached, remainingMs, wallOf } from "../../src/domain/time.ts";

const NOW = { wallMs: 1_000_000, monoMs: 500 };
/** What the clocks say `wall` and `mono` milliseconds later; they need not agree. */
const later = (wall: number, mono: number) => ({ wallMs: NOW.wallMs + wall, monoMs: NOW.monoMs + mono });

describe("a deadline", () => {
  test("is as far away on one clock as on the other", () => {
    expect(after(NOW, 70)).toEqual({ wallMs: 1_000_070, monoMs: 570 });
    expect(at(NOW, 1_000_070)).toEqual({ wallMs: 1_000_070, monoMs: 570 });
  });

  test.each([
    [99, 99, false, 1],
    [100, 99, true, 0],
    [99, 100, true, 0],
    [5_000, -5_000, true, 0],
    [-5_000, 40, false, 60],
    [40, -5_000, false, 60],
  ])("of 100 ms is judged by whichever clock is ahead: wall %d, mono %d", (wall, mono, isOver, left) => {
    expect(reached(after(NOW, 100), later(wall, mono))).toBe(isOver);
    expect(remainingMs(after(NOW, 100), later(wall, mono))).toBe(left);
  });

  test.each([
    ["both clocks agree", 0, 0, 10_000],
    ["the wall is a little behind", -1_000, 0, 10_000],
    ["the wall was set back", -1_001, 0, 10_000 - 1_001],
    ["the wall was set forward", 9_000, 0, 10_000],
  ])("shows the moment that will come: %s", (_what, wall, mono, shown) => {
    expect(wallOf(after(NOW, 10_000), later(wall, mono))).toBe(NOW.wallMs + shown);
  });

  test.each([
    ["ahead", NOW.wallMs + 40, 40],
    ["past", NOW.wallMs - 40, 0],
    ["further away than it ever was", NOW.wallMs + 900, 100],
  ])("that was read from the disk and is %s", (_what, wallMs, leftMs) => {
    expect(anchor(wallMs, 100, NOW)).toEqual({ wallMs, monoMs: NOW.monoMs + leftMs });
  });
});

test("the earlier of two moments, of which either may be missing", () => {
  expect(earliest(1, 2)).toBe(1);
  expect(earliest(2, 1)).toBe(1);
  expect(earliest(undefined, 2)).toBe(2);
  expect(earliest(1, undefined)).toBe(1);
  expect(earliest(undefined, undefined)).toBeUndefined();
});
