import { expect, test } from "vitest";
import { Latest } from "../../src/broker/latest.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a crowd is told in turns, each listener once", async () => {
  const latest = new Latest();
  const told = new Map<number, number>();
  for (let i = 0; i < 1_000; i += 1) latest.on("a", () => told.set(i, (told.get(i) ?? 0) + 1));
  latest.publish("a");
  const atOnce = told.size;
  expect(atOnce).toBeGreaterThan(0);
  expect(atOnce).toBeLessThan(100);
  for (let i = 0; i < 100; i += 1) await turn();
  expect(told.size).toBe(1_000);
  expect(new Set(told.values())).toEqual(new Set([1]));
});

test("whoever has stopped before its turn is not told", async () => {
  const latest = new Latest();
  const told: number[] = [];
  const stops = Array.from({ length: 200 }, (_, i) => latest.on("a", () => told.push(i)));
  latest.publish("a");
  stops.at(-1)?.();
  for (let i = 0; i < 20; i += 1) await turn();
  expect(told).toEqual(Array.from({ length: 199 }, (_, i) => i));
});

test("those of another provider are not told, those of all are", () => {
  const latest = new Latest();
  const told: string[] = [];
  latest.on("a", () => told.push("a"));
  latest.on("b", () => told.push("b"));
  latest.on("", () => told.push("all"));
  latest.publish("a");
  expect(told).toEqual(["a", "all"]);
});
