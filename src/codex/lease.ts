import type { Acquired, Broker, Lease } from "../client/index.ts";

/** Nobody waits longer than this for the broker while Codex waits too. */
export const WITHIN_MS = 5_000;

/** A lease of the same profile that can be reported: a run may take longer than the first one can. */
export async function livingLease(broker: Broker, { lease }: Acquired): Promise<Lease> {
  if (lease.expireTime.getTime() > Date.now()) return lease;
  const { provider, profile } = lease;
  return (await broker.acquire({ provider, profile }, { timeoutMs: WITHIN_MS })).lease;
}

/** Gives a lease back; trouble with that is nobody's business. */
export async function letGo(broker: Broker, lease: Lease): Promise<void> {
  await broker.release(lease, { timeoutMs: WITHIN_MS }).catch(() => {});
}
