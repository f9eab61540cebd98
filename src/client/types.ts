import type { Outcome as OutcomeName, Scope as ScopeName } from "../domain/outcome.ts";
import type { ProfileState as ProfileStateName } from "../domain/state.ts";

/**
 * The messages of the broker as JavaScript sees them: instants are `Date`, durations milliseconds,
 * enums names with their prefix. Texts that do not apply are empty; other fields are then absent.
 */

/** Milliseconds, or text such as `60s` or `0.5s`. */
export type Duration = number | string;

export type Outcome = `OUTCOME_${OutcomeName}`;
export type Scope = `SCOPE_${ScopeName | "UNSPECIFIED"}`;
export type ProfileState = `PROFILE_STATE_${ProfileStateName | "UNSPECIFIED"}`;
export type CostClass = `COST_CLASS_${"UNSPECIFIED" | "SUBSCRIPTION" | "METERED"}`;
export type AdviceAction = `ADVICE_ACTION_${"RETRY_SAME" | "RETRY_NEXT" | "WAIT" | "LOGIN" | "GIVE_UP"}`;
export type IgnoredReason =
  `IGNORED_REASON_${"UNSPECIFIED" | "STALE_GENERATION" | "DUPLICATE" | "OTHER_ACCOUNT" | "PROFILE_GONE"}`;

type KindName = "OAUTH" | "TOKEN" | "API_KEY";
type SourceName = "MODEL_API" | "STREAM_EVENT" | "USAGE_API";
/** Kind of profile; the prefix may be left away. */
export type ProfileKind = KindName | `PROFILE_KIND_${KindName}`;
/** Kind of raw answer; the prefix may be left away. */
export type ResponseSource = SourceName | `RESPONSE_SOURCE_${SourceName}`;

/** What a watch asks for. */
export interface WatchOptions {
  /** Provider id, such as `openai-codex`. */
  readonly provider: string;
  /** Model that will be asked. Without it cooldowns of single models are not looked at. */
  readonly model?: string | undefined;
  /** The caller's name for one conversation, which then stays with its profile. */
  readonly sessionId?: string | undefined;
  /** Named set of profiles to choose from. Default: all. */
  readonly pool?: string | undefined;
  /** Kinds of profile to choose from. Default: all. */
  readonly kinds?: readonly ProfileKind[] | undefined;
  /** How long the credential must still be good. Default: 60 s. */
  readonly minValidFor?: Duration | undefined;
  /** Id of the one profile to use; no other is given in its place. */
  readonly profile?: string | undefined;
  /** Ids of profiles not to use. */
  readonly excludeProfiles?: readonly string[] | undefined;
}

/** What an acquire asks for. */
export interface AcquireOptions extends WatchOptions {
  /** How long to wait for a profile to become usable. Default: 0, answer at once. */
  readonly maxWait?: Duration | undefined;
  /** Generation that is suspected to be refused: a refresh comes first, and nothing is held against the profile. */
  readonly suspectGeneration?: number | undefined;
  /** True: the bare token is going to be printed. An endpoint may refuse that (CLIENT_FORBIDDEN). */
  readonly bareToken?: boolean | undefined;
}

/** A credential and what to report about. */
export interface Acquired {
  readonly lease: Lease;
  readonly credential: Credential;
}

/** What the caller holds about one hand-out. */
export interface Lease {
  /** Opaque; for reports and release. */
  readonly leaseId: string;
  readonly provider: string;
  /** Profile id, `<provider>:<label>`. */
  readonly profile: string;
  /** Rises with every new grant of the profile. */
  readonly generation: number;
  readonly sessionId: string;
  readonly issueTime: Date;
  /** Ends with the credential, after 1 h at most. Reports are taken for 1 h more. */
  readonly expireTime: Date;
  /** True: this use tests whether a limit is over. */
  readonly trial: boolean;
  readonly costClass: CostClass;
}

/** What to send to the provider. Exactly one of `oauth` and `apiKey` is there. */
export interface Credential {
  readonly oauth?: OAuthCredential;
  readonly apiKey?: ApiKeyCredential;
  /** Where to send requests. Empty: the provider's usual address. */
  readonly baseUrl: string;
  /** Ready to send, authorization included; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** What else a client may need, such as `email`. Never secret. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface OAuthCredential {
  readonly accessToken: string;
  readonly tokenType: string;
  /** Absent: unknown; the token counts as good until refused. */
  readonly expireTime?: Date;
  readonly idToken: string;
  readonly accountId: string;
  readonly planType: string;
}

export interface ApiKeyCredential {
  readonly key: string;
}

/** Why one profile does not serve. Treat an unknown reason as "not usable". */
export interface ProfileReason {
  readonly profile: string;
  readonly reason: string;
  /** When the reason ends by itself. */
  readonly untilTime?: Date;
}

/** No profile is usable now: why, for each, and when to come back. */
export interface Unavailable {
  readonly reason: string;
  readonly message: string;
  readonly retryTime?: Date;
  /** The command that mends it. Empty: none does. */
  readonly help: string;
  readonly profiles: readonly ProfileReason[];
}

/** The newest state of a watch; also the `next` of a report. */
export type WatchState =
  | { readonly granted: Acquired; readonly unavailable?: undefined }
  | { readonly unavailable: Unavailable; readonly granted?: undefined };

/** Headers as `fetch`, Node and most libraries give them. */
export type HeadersLike =
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[] | number | undefined>>;

/** An answer of the provider as the caller saw it; the broker judges it and keeps nothing of it. */
export interface ProviderResponse {
  /** Default: MODEL_API. */
  readonly source?: ResponseSource | undefined;
  /** 0 or absent: there was none. */
  readonly httpStatus?: number | undefined;
  readonly headers?: HeadersLike | undefined;
  /** Bytes, or text; cut above 64 KiB. */
  readonly body?: Uint8Array | string | undefined;
  /** What was seen in place of an answer, such as `ECONNRESET`. */
  readonly transportError?: string | undefined;
  /** When it arrived. Default: when the report arrives. */
  readonly receiveTime?: Date | string | undefined;
}

/** One usage window that the caller read itself. */
export interface UsageWindow {
  readonly name: string;
  readonly windowMinutes?: number | undefined;
  /** 0 to 100. */
  readonly usedPercent?: number | undefined;
  readonly resetTime?: Date | string | undefined;
  readonly observeTime?: Date | string | undefined;
}

/** What came of a request. Exactly one of `lease` and `leaseId`, and of `outcome` and `providerResponse`. */
export interface ReportOptions {
  readonly lease?: Lease | undefined;
  readonly leaseId?: string | undefined;
  /** The caller's own judgement; the prefix may be left away. */
  readonly outcome?: Outcome | OutcomeName | undefined;
  /** The raw answer; the broker judges. */
  readonly providerResponse?: ProviderResponse | undefined;
  /** Default: the model of the lease's request. */
  readonly model?: string | undefined;
  /** When the provider said to come back. */
  readonly retryTime?: Date | string | undefined;
  /** True: part of an answer was already passed on, so trying again is not safe. */
  readonly responseStarted?: boolean | undefined;
  readonly usageWindows?: readonly UsageWindow[] | undefined;
  /** True: bring the next credential for the same request. */
  readonly acquireNext?: boolean | undefined;
}

/** What to do after a failure. */
export interface Advice {
  readonly action: AdviceAction;
  /** How long to wait before it, in milliseconds. */
  readonly delay: number;
}

/** What the broker made of a report. */
export interface Report {
  /** False: see `ignoredReason`. */
  readonly applied: boolean;
  readonly ignoredReason: IgnoredReason;
  readonly outcome: Outcome;
  readonly scope: Scope;
  /** Absent after an OK. */
  readonly advice?: Advice;
  readonly profileState: ProfileState;
  readonly retryTime?: Date;
  /** Only where `acquireNext` was asked for. */
  readonly next?: WatchState;
}

/** Numbers of one provider. Each profile counts once. */
export interface ProviderStatus {
  readonly provider: string;
  /** Profiles that can serve now. */
  readonly usable: number;
  /** Profiles that come back by themselves. */
  readonly coolingDown: number;
  readonly needsLogin: number;
  readonly blocked: number;
  readonly disabled: number;
  /** When the first that cools down comes back. */
  readonly nextUsableTime?: Date;
}

/** The state of the broker. */
export interface Status {
  readonly version: string;
  readonly startTime: Date;
  readonly store: { readonly kind: string; readonly writable: boolean; readonly locked: boolean };
  readonly providers: readonly ProviderStatus[];
  /** Sentences for the operator. Empty: all is well. */
  readonly warnings: readonly string[];
}

/** How long a call may take. */
export interface CallOptions {
  /** Ends the waiting; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. Default: 35 s, for an acquire `maxWait` more. Reconnecting counts. */
  readonly timeoutMs?: number | undefined;
}

/** Where waiting and expiry get their time from. */
export interface Clock {
  /** Wall clock since the epoch and a monotonic clock, both in milliseconds. */
  now(): { readonly wallMs: number; readonly monoMs: number };
  /** Resolves after `ms`; rejects with the reason of `signal` as soon as that is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
