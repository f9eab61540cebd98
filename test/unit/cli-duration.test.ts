import { expect, test } from "vitest";
import { readDuration } from "../../src/cli/duration.ts";

test.each([
  ["500ms", 500],
  ["0s", 0],
  ["30s", 30_000],
  ["1.5s", 1_500],
  ["15m", 900_000],
  ["15min", 900_000],
  ["6h", 21_600_000],
  ["8d", 691_200_000],
  ["366d", 31_622_400_000],
  [" 30s ", 30_000],
])("%s is %d ms", (text, ms) => {
  expect(readDuration(text)).toBe(ms);
});

test.each([
  "",
  "30",
  "s",
  "-1s",
  "+1s",
  "1e3s",
  "NaNs",
  "Infinitys",
  "1 s",
  "1S",
  "367d",
  "999999999999d",
  "1w",
  "0x1s",
  "1toString",
])("%j is refused", (text) => {
  expect(readDuration(text)).toMatchObject({ problem: expect.stringMatching(/^It must/) });
});
