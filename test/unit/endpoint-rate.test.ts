import { describe, expect, test } from "vitest";
import { Rate } from "../../src/endpoint/rate.ts";

describe("a rate", () => {
  test("allows so many at once and tells when the next one is allowed", () => {
    const rate = new Rate(3);
    expect([rate.take(0), rate.take(10), rate.take(20), rate.take(30)]).toEqual([0, 0, 0, 59_970]);
  });

  test("counts nothing that it refused", () => {
    const rate = new Rate(1);
    rate.take(0);
    for (let i = 0; i < 100; i += 1) rate.take(59_999);
    expect(rate.take(60_000)).toBe(0);
    expect(rate.take(60_001)).toBe(59_999);
  });

  test("never allows more in any minute, however the calls fall", () => {
    const rate = new Rate(5);
    const allowed: number[] = [];
    for (let now = 0; now < 600_000; now += 777) if (rate.take(now) === 0) allowed.push(now);
    for (const from of allowed) {
      expect(allowed.filter((at) => at >= from && at < from + 60_000).length).toBeLessThanOrEqual(5);
    }
    expect(allowed.length).toBeGreaterThanOrEqual(45);
  });
});
