import type { RemoteFailure } from "./remote.ts";
import type { Reason } from "./status.ts";

/** Exit codes after sysexits.h. */
const EXITS: Readonly<Record<Reason, number>> = {
  FIELD_INVALID: 64,
  PROVIDER_UNKNOWN: 64,
  PROFILE_UNKNOWN: 64,
  LEASE_UNKNOWN: 64,
  OLDER_GRANT: 64,
  ACCOUNT_CHANGED: 64,
  IDENTITY_EXISTS: 64,
  LOGIN_UNKNOWN: 64,
  STORE_UNAVAILABLE: 74,
  STORE_CORRUPT: 74,
  ALL_COOLING_DOWN: 75,
  UPSTREAM_UNAVAILABLE: 75,
  STARTING: 75,
  DRAINING: 75,
  ENDPOINT_LIMIT: 75,
  PEER_UNVERIFIED: 77,
  CLIENT_FORBIDDEN: 77,
  LOGIN_IMPOSSIBLE: 78,
  API_KEY_WANTED: 78,
  RETURN_IMPOSSIBLE: 78,
  NO_PROFILE: 78,
  LOGIN_REQUIRED: 78,
  REFRESH_IN_DOUBT: 78,
  PROFILE_BLOCKED: 78,
  VALIDITY_UNREACHABLE: 78,
  METERED_NOT_ALLOWED: 78,
};

/**
 * The exit code of a command whose call failed. Without a reason: 69 when nothing answered (the
 * connection could not be made, or broke), 75 when the caller's own time was up, else 70.
 */
export function exitCodeOf({ code, reason }: Pick<RemoteFailure, "code" | "reason">): number {
  if (Object.hasOwn(EXITS, reason)) return EXITS[reason as Reason];
  if (code === "UNAVAILABLE") return 69;
  return code === "DEADLINE_EXCEEDED" ? 75 : 70;
}
