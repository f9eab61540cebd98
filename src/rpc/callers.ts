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
  return (peer) => {
    const connection = connectionOf(peer);
    const policy = connection === undefined ? undefined : byName.get(connection.endpoint);
    if (connection === undefined || policy === undefined)
      throw new BrokerFailure({ kind: "peer_unverified" });
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
  };
}
