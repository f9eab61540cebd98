import type { Acquired, Broker, Credential } from "../client/index.ts";

/** Keeps the file of a running Codex at the newest credential of the account that it began with. */
export interface Keeper {
  /** What stands in the file now, and its lease. */
  current(): Acquired;
  /** Nothing is written any more. */
  stop(): void;
}

/**
 * Watches the profile and writes each new generation. The broker renews a token well before its end,
 * so what stands in the file is good as long as the broker runs. `trouble` hears of what fails; Codex goes
 * on with what it has.
 */
export function keep(
  broker: Broker,
  first: Acquired,
  write: (credential: Credential) => void,
  trouble: (error: unknown) => void,
): Keeper {
  const stop = new AbortController();
  let current = first;
  const follow = async () => {
    const { provider, profile } = first.lease;
    for await (const { granted } of broker.watch({ provider, profile }, { signal: stop.signal })) {
      if (stop.signal.aborted || granted === undefined || !isNewer(granted, current)) continue;
      write(granted.credential);
      current = granted;
    }
  };
  follow().catch((error: unknown) => {
    if (!stop.signal.aborted) trouble(error);
  });
  return {
    current: () => current,
    stop: () => stop.abort(),
  };
}

/** Another account in the file ends a running Codex (measured), so it waits for the next one. */
function isNewer({ lease, credential }: Acquired, { lease: old, credential: now }: Acquired): boolean {
  return lease.generation > old.generation && credential.oauth?.accountId === now.oauth?.accountId;
}
