import type { Clock } from "../broker/clock.ts";
import type { Caller } from "../broker/context.ts";
import type { Log } from "../broker/log.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { connectionOf } from "../endpoint/peer.ts";
import { allowsProfile, allowsProvider, type EndpointPolicy, judgePeer } from "../endpoint/policy.ts";
import { Rate } from "../endpoint/rate.ts";

/** An endpoint as its calls need it. */
interface Entrance {
  readonly policy: EndpointPolicy;
  /** One count for all who come this way. */
  readonly countAcquire: () => void;
}

/** Judges who is calling by the text that the listener gave the connection. */
export function callers(
  policies: readonly EndpointPolicy[],
  ownUid: number | undefined,
  clock: Clock,
  log: Log,
): (peer: string) => Caller {
  const byName = new Map(
    policies.map((policy) => [policy.name, { policy, countAcquire: counter(policy, clock, log) }]),
  );
  // A connection's identity does not change, and calls come in rows from the same one.
  let last: { readonly peer: string; readonly caller: Caller } | undefined;
  return (peer) => {
    if (last?.peer === peer) return last.caller;
    const caller = judged(peer, byName, ownUid);
    last = { peer, caller };
    return caller;
  };
}

function judged(peer: string, byName: ReadonlyMap<string, Entrance>, ownUid: number | undefined): Caller {
  const connection = connectionOf(peer);
  const entrance = connection === undefined ? undefined : byName.get(connection.endpoint);
  if (connection === undefined || entrance === undefined)
    throw new BrokerFailure({ kind: "peer_unverified" });
  const { policy, countAcquire } = entrance;
  const judgement = judgePeer(policy, connection.uid, ownUid);
  if (judgement === "unverified") throw new BrokerFailure({ kind: "peer_unverified" });
  if (judgement === "forbidden") throw new BrokerFailure({ kind: "client_forbidden" });
  return {
    endpoint: policy.name,
    uid: connection.uid ?? ownUid ?? 0,
    seesAll: policy.providers === "all" && policy.profiles === "all",
    allowsProvider: (provider) => allowsProvider(policy, provider),
    allowsProfile: (profile) => allowsProfile(policy, profile),
    countAcquire,
  };
}

function counter({ name, rate: perMinute }: EndpointPolicy, clock: Clock, log: Log): () => void {
  if (perMinute === undefined) return () => {};
  const rate = new Rate(perMinute);
  let isTold = false;
  return () => {
    const now = clock.now();
    const waitMs = rate.take(now.monoMs);
    if (waitMs > 0 && !isTold) log.warn({ endpoint: name, perMinute }, "the endpoint's rate is used up");
    isTold = waitMs > 0;
    if (waitMs > 0) throw new BrokerFailure({ kind: "endpoint_limit", retryAtMs: now.wallMs + waitMs });
  };
}
