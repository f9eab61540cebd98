import { describe, expect, test } from "vitest";
import { MOST_SESSIONS, Sessions } from "../../src/broker/sessions.ts";
import { FIXED_NOW } from "../support/arbitrary.ts";

const HOUR_MS = 3_600_000;
const later = (ms: number) => ({ wallMs: FIXED_NOW.wallMs + ms, monoMs: FIXED_NOW.monoMs + ms });

describe("sessions", () => {
  test("end after an hour without use, not before", () => {
    const sessions = new Sessions(HOUR_MS);
    sessions.bind("k", { home: "x:a" }, FIXED_NOW);
    expect(sessions.find("k", later(HOUR_MS - 1))).toEqual({ home: "x:a" });
    expect(sessions.find("k", later(HOUR_MS))).toBeUndefined();
  });

  test("go on from each use", () => {
    const sessions = new Sessions(HOUR_MS);
    sessions.bind("k", { home: "x:a" }, FIXED_NOW);
    sessions.bind("k", { home: "x:a" }, later(HOUR_MS - 1));
    expect(sessions.find("k", later(2 * HOUR_MS - 2))).toEqual({ home: "x:a" });
  });

  test("count for the profile that serves them, and no longer when they are over", () => {
    const sessions = new Sessions(HOUR_MS);
    sessions.bind("k1", { home: "x:a" }, FIXED_NOW);
    sessions.bind("k2", { home: "x:a", lentTo: "x:b" }, FIXED_NOW);
    expect([sessions.count("x:a", FIXED_NOW), sessions.count("x:b", FIXED_NOW)]).toEqual([1, 1]);
    expect([sessions.count("x:a", later(HOUR_MS)), sessions.count("x:b", later(HOUR_MS))]).toEqual([0, 0]);
  });

  test("have a bound: one more ends the one that was idle the longest, whose profile then serves one less", () => {
    const sessions = new Sessions(HOUR_MS);
    for (let i = 0; i < MOST_SESSIONS; i += 1) sessions.bind(`k${i}`, { home: "x:a" }, FIXED_NOW);
    sessions.bind("k0", { home: "x:a" }, later(1));
    sessions.bind("one more", { home: "x:b" }, later(2));
    expect(sessions.find("k1", later(2))).toBeUndefined();
    expect(sessions.find("k0", later(2))).toEqual({ home: "x:a" });
    expect(sessions.find("one more", later(2))).toEqual({ home: "x:b" });
    expect(sessions.count("x:a", later(2))).toBe(MOST_SESSIONS - 1);
  });

  test("of one endpoint or provider are not those of another", () => {
    expect(Sessions.key("agent", "x", "s")).not.toBe(Sessions.key("ci", "x", "s"));
    expect(Sessions.key("agent", "x", "s")).not.toBe(Sessions.key("agent", "y", "s"));
    expect(Sessions.key("a", 'b","c', "d")).not.toBe(Sessions.key("a", "b", 'c","d'));
  });
});
