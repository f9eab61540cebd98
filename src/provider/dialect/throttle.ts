import type { Evidence } from "./evidence.ts";
import { statedWaitMs } from "./reset-moment.ts";

/** The longest wait that still is a throttle; whoever has to wait longer has spent a plan. */
const LONGEST_THROTTLE_MS = 2 * 3_600_000;

/** Body or message state a wait that no throttle lasts. A bare `Retry-After` does not count: it has no reason. */
export function waitsLong(evidence: Evidence): boolean {
  return (statedWaitMs(evidence) ?? 0) > LONGEST_THROTTLE_MS;
}

/** Body or message state a wait as short as a throttle's. */
export function waitsShort(evidence: Evidence): boolean {
  const waitMs = statedWaitMs(evidence);
  return waitMs !== undefined && waitMs > 0 && waitMs <= LONGEST_THROTTLE_MS;
}
