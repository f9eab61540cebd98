/** Reasons of `Unavailable` and of the matching errors, from the contract's table. */
export type UnavailableReason =
  | "NO_PROFILE"
  | "ALL_COOLING_DOWN"
  | "UPSTREAM_UNAVAILABLE"
  | "LOGIN_REQUIRED"
  | "REFRESH_IN_DOUBT"
  | "PROFILE_BLOCKED"
  | "VALIDITY_UNREACHABLE"
  | "METERED_NOT_ALLOWED";

/** Why one profile was not chosen. */
export type ExclusionReason =
  | "COOLING_DOWN"
  | "MODEL_COOLING_DOWN"
  | "LOGIN_REQUIRED"
  | "REFRESH_IN_DOUBT"
  | "BLOCKED"
  | "DISABLED"
  | "EXCLUDED"
  | "NOT_ALLOWED"
  | "NOT_IN_ORDER"
  | "NOT_IN_POOL"
  | "KIND_NOT_WANTED"
  | "METERED_NOT_ALLOWED"
  | "VALIDITY_UNREACHABLE"
  | "TRIAL_IN_PROGRESS"
  | "REFRESHING"
  | "UPSTREAM_UNAVAILABLE"
  | "HELD_AFTER_BAN"
  | "STORE_CORRUPT";

/** Why a profile was chosen or could be. */
export type EligibleReason =
  | "ORDER"
  | "SESSION"
  | "PINNED"
  | "ROUND_ROBIN"
  | "LEAST_LOADED"
  | "EARLIEST_RESET"
  | "TRIAL";

export interface ProfileReason {
  readonly profile: string;
  readonly reason: ExclusionReason;
  /** Wall-clock moment at which the reason ends by itself, if it does. */
  readonly untilMs?: number;
}

/** No profile is usable now: why, for each, and when to come back. */
export interface Unavailability {
  /** The last three only in a watch, or where a report asked for the next credential too. */
  readonly reason: UnavailableReason | "ENDPOINT_LIMIT" | "CLIENT_FORBIDDEN" | "STORE_UNAVAILABLE";
  readonly message: string;
  /** Wall-clock moment of the earliest return, if one is known. */
  readonly retryAtMs?: number;
  /** The command that mends it, if one does. */
  readonly help?: string;
  readonly profiles: readonly ProfileReason[];
}

export interface FieldViolation {
  /** Path of the field in the request, snake_case, such as `min_valid_for`. */
  readonly field: string;
  readonly description: string;
}

/** Everything the broker refuses, one arm a cause. Only `rpc/status.ts` turns it into a gRPC status. */
export type Failure =
  | { readonly kind: "field_invalid"; readonly violations: readonly FieldViolation[] }
  /** `nearest`: a provider that was probably meant. */
  | { readonly kind: "provider_unknown"; readonly provider: string; readonly nearest?: string }
  | { readonly kind: "profile_unknown"; readonly profile: string }
  | { readonly kind: "lease_unknown" }
  | { readonly kind: "unavailable"; readonly unavailability: Unavailability }
  | { readonly kind: "older_grant"; readonly profile: string }
  | { readonly kind: "account_changed"; readonly profile: string }
  | { readonly kind: "identity_exists"; readonly profile: string; readonly existing: string }
  | { readonly kind: "login_unknown" }
  /** A login that cannot even begin. `cause` and `help` are clauses of our own. */
  | { readonly kind: "login_impossible"; readonly cause: string; readonly help: string }
  /** A provider without logins: an API key is what it takes. */
  | { readonly kind: "api_key_wanted"; readonly provider: string }
  /** A login that cannot go back to the program that it came from. Clauses as above. */
  | { readonly kind: "return_impossible"; readonly cause: string; readonly help: string }
  | { readonly kind: "starting" }
  | { readonly kind: "draining" }
  | {
      readonly kind: "store_unavailable";
      readonly path: string;
      readonly cause: string;
      readonly mend: string;
    }
  | { readonly kind: "store_corrupt"; readonly path: string; readonly mend: string }
  | { readonly kind: "peer_unverified" }
  /** `unconfirmed`: a person was asked and did not say yes. `token`: the bare token may not be printed here. */
  | { readonly kind: "client_forbidden"; readonly why?: "unconfirmed" | "token" }
  | { readonly kind: "endpoint_limit"; readonly retryAtMs: number }
  | { readonly kind: "internal" };

/** The one error class that carries a `Failure` through `await`. */
export class BrokerFailure extends Error {
  override readonly name = "BrokerFailure";
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(describe(failure), options);
    this.failure = failure;
  }
}

/** One sentence for a person: what happened and what to do next. */
export function describe(failure: Failure): string {
  switch (failure.kind) {
    case "field_invalid":
      return failure.violations.map((v) => `${v.field}: ${v.description}`).join("; ");
    case "provider_unknown":
      return unknownProvider(failure.provider, failure.nearest);
    case "profile_unknown":
      return `there is no profile "${failure.profile}"`;
    case "lease_unknown":
      return "this lease is not known here: it is too old, altered, or belongs to another endpoint or user";
    case "unavailable":
      return failure.unavailability.message;
    case "older_grant":
      return `profile "${failure.profile}" already holds a newer login than the one given`;
    case "account_changed":
      return `profile "${failure.profile}" belongs to another account; allow the change or use another label`;
    case "identity_exists":
      return `this account is already there as "${failure.existing}"`;
    case "login_unknown":
      return "this login is not known here: it is long over, or the broker was restarted; start it again";
    case "login_impossible":
    case "return_impossible":
      return failure.help === "" ? failure.cause : `${failure.cause}; ${failure.help}`;
    case "api_key_wanted":
      return `${failure.provider} has no logins, only API keys; auth-broker login ${failure.provider} asks for one`;
    case "starting":
      return "the broker is starting; try again in a moment";
    case "draining":
      return "the broker is shutting down";
    case "store_unavailable":
      return `the state cannot be written or read (${failure.cause}): ${failure.path}; ${failure.mend}`;
    case "store_corrupt":
      return `this record cannot be read: ${failure.path}; ${failure.mend}`;
    case "peer_unverified":
      return "this endpoint must know who is calling, and the system did not tell";
    case "client_forbidden":
      return FORBIDDEN[failure.why ?? "program"];
    case "endpoint_limit":
      return "this endpoint's rate limit is reached";
    case "internal":
      return "unexpected error; the broker's log has the cause";
  }
}

const FORBIDDEN = {
  unconfirmed: "this endpoint asks a person first, and nobody has said yes",
  token: 'this endpoint does not serve auth-broker token ("token": false in config.json); let a launcher ask',
  program: "this endpoint's policy does not allow the calling program",
} as const;

function unknownProvider(provider: string, nearest: string | undefined): string {
  const next =
    nearest === undefined
      ? `one of your own needs providers.${provider}.type in config.json, and the broker a restart`
      : `did you mean "${nearest}"?`;
  return `provider "${provider}" is neither built in nor configured and owns no profile; ${next}`;
}
