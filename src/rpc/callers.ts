import type { Clock } from "../broker/clock.ts";
import type { Caller } from "../broker/context.ts";
import type { Log } from "../broker/log.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { type Connection, connectionOf } from "../endpoint/peer.ts";
import {
  allowsProfile,
  allowsProvider,
  type EndpointPolicy,
  judgePeer,
  needsProgram,
} from "../endpoint/policy.ts";
import { judgeProgram } from "../endpoint/program.ts";
import { Rate } from "../endpoint/rate.ts";

/** An endpoint as its calls need it. */
interface Entrance {
  readonly policy: EndpointPolicy;
  /** One count for all who come this way. */
  readonly countAcquire: () => void;
}

/** Who was judged, with what must be looked at again at each call. */
interface Judged {
  readonly caller: Caller;
  /** Throws `BrokerFailure` if the program is another one meanwhile. Absent: the policy names no programs. */
  readonly again?: () => void;
}

/** Connections that are remembered; more begin anew. */
const MOST_KNOWN = 2_048;

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
  // A connection's user does not change. Its program may.
  const known = new Map<string, Judged>();
  return (peer) => {
    let judged = known.get(peer);
    if (judged === undefined) {
      judged = judge(peer, byName, ownUid);
      if (known.size >= MOST_KNOWN) known.clear();
      known.set(peer, judged);
    }
    judged.again?.();
    return judged.caller;
  };
}

function judge(peer: string, byName: ReadonlyMap<string, Entrance>, ownUid: number | undefined): Judged {
  const connection = connectionOf(peer);
  const entrance = connection === undefined ? undefined : byName.get(connection.endpoint);
  if (connection === undefined || entrance === undefined)
    throw new BrokerFailure({ kind: "peer_unverified" });
  const { policy } = entrance;
  refuse(judgePeer(policy, connection.uid, ownUid));
  const caller = callerOf(connection, entrance, connection.uid ?? ownUid ?? 0);
  if (!needsProgram(policy)) return { caller };
  return { caller, again: () => refuse(judgeProgram(policy, connection)) };
}

function refuse(judgement: "allowed" | "forbidden" | "unverified"): void {
  if (judgement === "unverified") throw new BrokerFailure({ kind: "peer_unverified" });
  if (judgement === "forbidden") throw new BrokerFailure({ kind: "client_forbidden" });
}

function callerOf(_connection: Connection, { policy, countAcquire }: Entrance, uid: number): Caller {
  return {
    endpoint: policy.name,
    uid,
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
