import { afterEach, expect, test } from "vitest";
import { countdown, lengthText, localTime, moment } from "../../src/client/when.ts";

const zone = process.env.TZ;
afterEach(() => {
  process.env.TZ = zone;
});

test.each([
  [0, "0 s"],
  [1, "1 s"],
  [999, "1 s"],
  [1_000, "1 s"],
  [1_001, "2 s"],
  [59_000, "59 s"],
  [59_001, "1 min"],
  [61_000, "1 min 1 s"],
  [3_599_999, "1 h"],
  [7_500_000, "2 h 5 min"],
  [7_501_000, "2 h 5 min"],
  [86_400_000, "1 d"],
  [90_000_000, "1 d 1 h"],
  [86_400_000 + 59_000, "1 d"],
  [8 * 86_400_000, "8 d"],
])("%d ms is %s", (ms, text) => {
  expect(lengthText(ms)).toBe(text);
});

test("a moment ahead counts down, a past one up, and the present is now", () => {
  expect(countdown(7_500_000, 0)).toBe("in 2 h 5 min");
  expect(countdown(1, 0)).toBe("in 1 s");
  expect(countdown(0, 0)).toBe("now");
  expect(countdown(0, 999)).toBe("now");
  expect(countdown(0, 7_500_000)).toBe("2 h 5 min ago");
});

test("times are local, and say the date unless it is today", () => {
  const nowMs = Date.parse("2030-01-31T22:00:00Z");
  const atMs = Date.parse("2030-01-31T23:05:00Z");
  process.env.TZ = "UTC";
  expect(localTime(atMs, nowMs)).toBe("23:05");
  expect(moment(new Date(atMs), nowMs)).toBe("23:05 (in 1 h 5 min)");
  process.env.TZ = "Europe/Berlin";
  expect(localTime(nowMs, atMs)).toBe("2030-01-31 23:00");
  process.env.TZ = "America/New_York";
  expect(localTime(atMs, nowMs)).toBe("18:05");
});
