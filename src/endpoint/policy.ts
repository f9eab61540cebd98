import { splitProfileId } from "../domain/profile.ts";

/** Whom an endpoint serves, and with what. */
export interface EndpointPolicy {
  readonly name: string;
  /** Serves the admin services too. */
  readonly admin: boolean;
  readonly providers: readonly string[] | "all";
  /** Narrows `providers` further. */
  readonly profiles: readonly string[] | "all";
  /** Users that may connect. Empty where the system has no user ids. */
  readonly uids: readonly number[];
  /** Files of the programs that are served, absolute paths. Empty: any. */
  readonly executables: readonly string[];
  /** systemd units that are served, as `unitOf` names them. Empty: any, and none. */
  readonly units: readonly string[];
  /** Acquires per minute. Absent: no limit. */
  readonly rate?: number;
  /** Leases that may be open at a time. Absent: no limit. */
  readonly mostLeases?: number;
  /** A person is asked before anything is handed out. Absent: nobody is. */
  readonly confirm?: Confirm;
  /** False: who says that it will print the bare token, as `auth-broker token` does, is refused. */
  readonly token?: boolean;
}

/** How a person is asked. */
export interface Confirm {
  /** The program and its arguments. Its exit code 0 is a yes; all else, and silence, a no. */
  readonly command: readonly string[];
  /** How long it may take. */
  readonly timeoutMs: number;
  /** How long a yes holds for the same user, file of a program, and provider. */
  readonly rememberMs: number;
}

/** `private`: the socket's own user only, 0600. `shared`: anybody may connect, 0666, and the peer check decides. */
export type SocketMode = "private" | "shared";

/** `ownUid`, here and below: the user the broker runs as; undefined on Windows. */
export function agentPolicy(ownUid: number | undefined): EndpointPolicy {
  return limitedPolicy({ name: "agent", providers: [], profiles: [], allow: ANYBODY_OF_OURS }, ownUid);
}

export function adminPolicy(ownUid: number | undefined): EndpointPolicy {
  return { ...agentPolicy(ownUid), name: "admin", admin: true };
}

const ANYBODY_OF_OURS = { uids: [], executables: [], units: [] };

/**
 * A configured agent endpoint; its empty lists mean all profiles, their providers (or all), our own user.
 * Who may have one provider's profile only has no business with the names of the others.
 */
export function limitedPolicy(
  configured: {
    readonly name: string;
    readonly providers: readonly string[];
    readonly profiles: readonly string[];
    readonly allow: Pick<EndpointPolicy, "uids" | "executables" | "units">;
    readonly rate?: number;
    readonly mostLeases?: number;
    readonly confirm?: Confirm;
    readonly token?: boolean;
  },
  ownUid: number | undefined,
): EndpointPolicy {
  const { name, profiles, allow, rate, mostLeases, confirm, token } = configured;
  const providers = configured.providers.length > 0 ? configured.providers : providersOf(profiles);
  const own = ownUid === undefined ? [] : [ownUid];
  return {
    name,
    admin: false,
    providers: providers.length === 0 ? "all" : providers,
    profiles: profiles.length === 0 ? "all" : profiles,
    uids: allow.uids.length === 0 ? own : allow.uids,
    executables: allow.executables,
    units: allow.units,
    ...(rate === undefined ? {} : { rate }),
    ...(mostLeases === undefined ? {} : { mostLeases }),
    ...(confirm === undefined ? {} : { confirm }),
    ...(token === undefined ? {} : { token }),
  };
}

function providersOf(profiles: readonly string[]): readonly string[] {
  return [...new Set(profiles.map((id) => splitProfileId(id)?.provider ?? ""))];
}

export function allowsProvider(policy: EndpointPolicy, provider: string): boolean {
  return policy.providers === "all" || policy.providers.includes(provider);
}

/** True if both the profile and its provider are allowed. An id that is none never is. */
export function allowsProfile(policy: EndpointPolicy, profileId: string): boolean {
  const provider = splitProfileId(profileId)?.provider;
  if (provider === undefined || !allowsProvider(policy, provider)) return false;
  return policy.profiles === "all" || policy.profiles.includes(profileId);
}

/** Whether a user id is not enough to be let in. */
export function needsProgram({ executables, units }: EndpointPolicy): boolean {
  return executables.length + units.length > 0;
}

export function socketMode(policy: EndpointPolicy, ownUid: number | undefined): SocketMode {
  return policy.uids.every((uid) => uid === ownUid) ? "private" : "shared";
}

/**
 * What becomes of a peer: `forbidden` is cut off before any frame, `unverified` means that the
 * policy needs to know the user and the system did not tell.
 */
export function judgePeer(
  policy: EndpointPolicy,
  uid: number | undefined,
  ownUid: number | undefined,
): "allowed" | "forbidden" | "unverified" {
  if (uid !== undefined) return policy.uids.includes(uid) ? "allowed" : "forbidden";
  // Without user ids there is nothing to compare, so nobody can be one of those that are listed. With them, whoever may
  // have come in by another's rights is nobody.
  return ownUid === undefined && policy.uids.length === 0 ? "allowed" : "unverified";
}
