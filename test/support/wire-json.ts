/** Answers as proto3 JSON, as far as tests read them. Unset messages are `null`. */
export type Json = Record<string, unknown>;
type Instant = string | null;

export interface LeaseJson {
  readonly leaseId: string;
  readonly provider: string;
  readonly profile: string;
  readonly generation: number;
  readonly sessionId: string;
  readonly issueTime: Instant;
  readonly expireTime: Instant;
  readonly trial: boolean;
  readonly costClass: string;
}
export interface CredentialJson {
  readonly oauth?: {
    readonly accessToken: string;
    readonly tokenType: string;
    readonly expireTime: Instant;
    readonly idToken: string;
    readonly accountId: string;
    readonly planType: string;
  };
  readonly apiKey?: { readonly key: string };
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, string>>;
}
export interface AcquireReply {
  readonly lease: LeaseJson;
  readonly credential: CredentialJson;
}
export interface UnavailableJson {
  readonly reason: string;
  readonly message: string;
  readonly retryTime: Instant;
  readonly help: string;
  readonly profiles: readonly {
    readonly profile: string;
    readonly reason: string;
    readonly untilTime: Instant;
  }[];
}
export interface NextReply {
  readonly granted?: AcquireReply;
  readonly unavailable?: UnavailableJson;
}
export interface ReportReply {
  readonly applied: boolean;
  readonly ignoredReason: string;
  readonly outcome: string;
  readonly scope: string;
  readonly advice: { readonly action: string; readonly delay: string } | null;
  readonly profileState: string;
  readonly retryTime: Instant;
  readonly next: NextReply | null;
}
export interface CooldownJson {
  readonly model: string;
  readonly outcome: string;
  readonly source: string;
  readonly setTime: Instant;
  readonly untilTime: Instant;
  readonly strikes: number;
}
export interface ProfileJson {
  readonly profile: string;
  readonly provider: string;
  readonly label: string;
  readonly kind: string;
  readonly accountHint: string;
  readonly planType: string;
  readonly pools: readonly string[];
  readonly costClass: string;
  readonly ownership: string;
  readonly state: string;
  readonly stateReason: string;
  readonly order: number;
  readonly enabled: boolean;
  readonly generation: number;
  readonly accessTokenExpireTime: Instant;
  readonly refreshTime: Instant;
  readonly lastRefreshTime: Instant;
  readonly hasRefreshToken: boolean;
  readonly cooldowns: readonly CooldownJson[];
  readonly usageWindows: readonly Json[];
  readonly sessionCount: number;
  readonly tokenFingerprint: string;
}
export interface CandidateJson {
  readonly profile: string;
  readonly rank: number;
  readonly eligible: boolean;
  readonly reason: string;
  readonly untilTime: Instant;
  readonly message: string;
}
export interface ExplainReply {
  readonly candidates: readonly CandidateJson[];
}
export interface StatusReply {
  readonly version: string;
  readonly startTime: Instant;
  readonly store: { readonly kind: string; readonly writable: boolean; readonly locked: boolean };
  readonly providers: readonly {
    readonly provider: string;
    readonly usable: number;
    readonly coolingDown: number;
    readonly needsLogin: number;
    readonly blocked: number;
    readonly disabled: number;
    readonly nextUsableTime: Instant;
  }[];
  readonly warnings: readonly string[];
}
