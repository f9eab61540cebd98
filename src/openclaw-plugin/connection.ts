import { type Broker, type ConnectOptions, connect } from "../client/index.ts";

/** As long as a request waits for the broker: OpenClaw's first turn holds its own event loop up for seconds. */
const WITHIN_MS = 15_000;

/** One connection for all requests of the process, made when the first one needs it. */
export function sharedConnection(options: ConnectOptions): () => Promise<Broker> {
  let made: Promise<Broker> | undefined;
  return () => {
    made ??= connect({ timeoutMs: WITHIN_MS, ...options }).catch((error: unknown) => {
      // A broker that was not there may be there next time.
      made = undefined;
      throw error;
    });
    return made;
  };
}
