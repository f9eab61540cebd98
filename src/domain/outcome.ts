/** What came of a request made with a credential. Names as on the wire, without the enum prefix. */
export const OUTCOMES = [
  "OK",
  "RATE_LIMIT",
  "USAGE_LIMIT",
  "OVERLOADED",
  "AUTH_INVALID_TOKEN",
  "AUTH_PERMANENT",
  "BILLING",
  "FORBIDDEN",
  "MODEL_NOT_FOUND",
  "BAD_REQUEST",
  "TIMEOUT",
  "SERVER_ERROR",
  "NETWORK",
  "UNRECOGNIZED",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What an outcome touches: the account, one model of it, the whole provider, or nothing. */
export const SCOPES = ["PROFILE", "PROFILE_MODEL", "PROVIDER", "NONE"] as const;
export type Scope = (typeof SCOPES)[number];

/** Where an answer came from. */
export const RESPONSE_SOURCES = ["MODEL_API", "STREAM_EVENT", "USAGE_API"] as const;
export type ResponseSource = (typeof RESPONSE_SOURCES)[number];

/** One usage window of an account, as a provider showed it. */
export interface UsageWindow {
  /** The provider's own name for it, such as `primary`, `5h`, `7d_opus`. */
  readonly name: string;
  /** Length of the window in minutes, if known. */
  readonly windowMinutes?: number;
  /** 0 to 100 (more when overdrawn), if known. */
  readonly usedPercent?: number;
  /** Wall-clock moment of the reset, if known. */
  readonly resetAtMs?: number;
  /** Wall-clock moment of the reading. */
  readonly observedAtMs: number;
  /** It limits some models or one feature only; the account goes on without it. */
  readonly isPartial?: true;
  /** The answer that it was read out of. Absent: a caller read it itself. */
  readonly source?: ResponseSource;
}

/** What a read-out of usage tells beside the windows. Absent fields: it does not tell. */
export interface UsageFacts {
  /** The plan that the account has now, as the provider names it. */
  readonly planType?: string;
  /** How many resets the account holds that its owner may redeem. The broker redeems none. */
  readonly storedResets?: number;
}

/**
 * What a provider's answer means. `retryAtMs` is a moment that the provider stated and that passed
 * the plausibility check; it is absent when nothing plausible was stated.
 */
export interface Reading {
  readonly outcome: Outcome;
  readonly scope: Scope;
  readonly retryAtMs?: number;
  /** The answer says that the provider closed the account (terms of service, fraud, disabled organisation). */
  readonly ban?: true;
  readonly windows: readonly UsageWindow[];
  readonly facts?: UsageFacts;
  /** Name of the rule that decided, for `explain-response` and the log; never provider text. */
  readonly rule: string;
}

/** Scope of an outcome that was reported without the raw answer. */
export function defaultScope(outcome: Outcome, model: string): Scope {
  switch (outcome) {
    case "RATE_LIMIT":
      return model === "" ? "PROFILE" : "PROFILE_MODEL";
    case "USAGE_LIMIT":
    case "BILLING":
    case "AUTH_INVALID_TOKEN":
    case "AUTH_PERMANENT":
    case "FORBIDDEN":
      return "PROFILE";
    case "MODEL_NOT_FOUND":
      return model === "" ? "NONE" : "PROFILE_MODEL";
    case "OVERLOADED":
    case "SERVER_ERROR":
      return "PROVIDER";
    case "OK":
    case "BAD_REQUEST":
    case "TIMEOUT":
    case "NETWORK":
    case "UNRECOGNIZED":
      return "NONE";
  }
}
