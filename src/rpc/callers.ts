import type { Caller } from "../broker/context.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { connectionOf } from "../endpoint/peer.ts";
import { allowsProfile, allowsProvider, type EndpointPolicy, judgePeer } from "../endpoint/policy.ts";

/** Judges who is calling by the text that the listener gave the connection. */
export function callers(
  policies: readonly EndpointPolicy[],
  ownUid: number | undefined,
): (peer: string) => Caller {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  // A connection's identity does not change, and calls come in rows from the same one.
  let last: { readonly peer: string; readonly caller: Caller } | undefined;
  return (peer) => {
    if (last?.peer === peer) return last.caller;
    const caller = judged(peer, byName, ownUid);
    last = { peer, caller };
    return caller;
  };
}

function judged(
  peer: string,
  byName: ReadonlyMap<string, EndpointPolicy>,
  ownUid: number | undefined,
): Caller {
  const connection = connectionOf(peer);
  const policy = connection === undefined ? undefined : byName.get(connection.endpoint);
  if (connection === undefined || policy === undefined) throw new BrokerFailure({ kind: "peer_unverified" });
  const judgement = judgePeer(policy, connection.uid, ownUid);
  if (judgement === "unverified") throw new BrokerFailure({ kind: "peer_unverified" });
  if (judgement === "forbidden") throw new BrokerFailure({ kind: "client_forbidden" });
  return {
    endpoint: policy.name,
    uid: connection.uid ?? ownUid ?? 0,
    seesAll: policy.providers === "all" && policy.profiles === "all",
    allowsProvider: (provider) => allowsProvider(policy, provider),
    allowsProfile: (profile) => allowsProfile(policy, profile),
  };
}
