import { type Broker, type ConnectOptions, connect } from "../client/index.ts";

/** One connection for all requests of the process, made when the first one needs it. */
export function sharedConnection(options: ConnectOptions): () => Promise<Broker> {
  let made: Promise<Broker> | undefined;
  return () => {
    made ??= connect(options).catch((error: unknown) => {
      // A broker that was not there may be there next time.
      made = undefined;
      throw error;
    });
    return made;
  };
}
