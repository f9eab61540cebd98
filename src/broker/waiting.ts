import type { Deadline } from "../domain/time.ts";
import type { Alarm } from "./alarm.ts";

/**
 * Waits for the first of some events, deadlines and signals (the caller went away, the broker stops),
 * and leaves nothing behind. Rejects if the event that comes first rejects.
 */
export function firstOf(
  alarm: Alarm,
  events: readonly Promise<unknown>[],
  deadlines: readonly Deadline[],
  signals: readonly AbortSignal[],
): Promise<"event" | "deadline" | "signal"> {
  return new Promise((resolve, reject) => {
    const cancels: (() => void)[] = [];
    const settle = (settled: () => void) => {
      for (const cancel of cancels) cancel();
      for (const signal of signals) signal.removeEventListener("abort", onAbort);
      settled();
    };
    const onAbort = () => settle(() => resolve("signal"));
    if (signals.some((signal) => signal.aborted)) {
      // Nobody waits for them any more, so what becomes of them is nobody's error.
      for (const event of events) event.catch(() => {});
      return resolve("signal");
    }
    for (const signal of signals) signal.addEventListener("abort", onAbort, { once: true });
    for (const deadline of deadlines) {
      cancels.push(alarm.at(deadline, () => settle(() => resolve("deadline"))));
    }
    for (const event of events) {
      event.then(
        () => settle(() => resolve("event")),
        (error: unknown) => settle(() => reject(error)),
      );
    }
  });
}
