import { expect, test } from "vitest";
import { parseDuration } from "../../src/domain/duration.ts";

test.each([
  ["500ms", 500],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["2min", 120_000],
  ["6h", 21_600_000],
  ["8d", 691_200_000],
  ["-30s", -30_000],
  ["0.0006s", 1],
  [" 1s\n", 1_000],
  ["1s2", undefined],
  ["x1s", undefined],
  ["1", undefined],
  ["1toString", undefined],
  ["1234567890123s", undefined],
  ["1.1234567s", undefined],
])("the duration %j is %s ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});
