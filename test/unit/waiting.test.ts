import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { Alarm } from "../../src/broker/alarm.ts";
import { firstOf } from "../../src/broker/waiting.ts";
import { ManualClock } from "../support/clock.ts";

test("an event that fails after its waiter was gone from the start is nobody's error", async () => {
  const unheard: unknown[] = [];
  const note = (error: unknown) => unheard.push(error);
  process.on("unhandledRejection", note);
  try {
    let fail: (error: Error) => void = () => {};
    const event = new Promise<void>((_resolve, reject) => {
      fail = reject;
    });
    const alarm = new Alarm(new ManualClock({ wallMs: 0 }), () => {});
    expect(await firstOf(alarm, [event], [], [AbortSignal.abort()])).toBe("signal");
    fail(new Error("too late"));
    await setImmediate();
    expect(unheard).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});
