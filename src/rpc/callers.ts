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
import { actorOf } from "./audited.ts";
import { type Entrance, entranceOf } from "./entrance.ts";

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
  const byName = new Map(policies.map((policy) => [policy.name, entranceOf(policy, clock, log)]));
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
  const { policy, judgeProgram } = entrance;
  refuse(judgePeer(policy, connection.uid, ownUid));
  const caller = callerOf(connection, entrance, connection.uid ?? ownUid ?? 0);
  if (!needsProgram(policy)) return { caller };
  // Calls that arrived together are judged together: it takes a look at three files (measured: 15 µs).
  let isJudged = false;
  const again = () => {
    if (isJudged) return;
    refuse(judgeProgram(connection));
    isJudged = true;
    setImmediate(() => {
      isJudged = false;
    });
  };
  return { caller, again };
}

function refuse(judgement: "allowed" | "forbidden" | "unverified"): void {
  if (judgement === "unverified") throw new BrokerFailure({ kind: "peer_unverified" });
  if (judgement === "forbidden") throw new BrokerFailure({ kind: "client_forbidden" });
}

function callerOf(connection: Connection, entrance: Entrance, uid: number): Caller {
  const { policy, countAcquire, leases, confirmFor } = entrance;
  return {
    actor: actorOf(connection),
    endpoint: policy.name,
    uid,
    seesAll: policy.providers === "all" && policy.profiles === "all",
    allowsProvider: (provider) => allowsProvider(policy, provider),
    allowsProfile: (profile) => allowsProfile(policy, profile),
    countAcquire,
    ...(leases === undefined ? {} : { leases }),
    mayPrint: policy.token ?? true,
    ...(confirmFor === undefined ? {} : { confirm: confirmFor(connection) }),
  };
}
