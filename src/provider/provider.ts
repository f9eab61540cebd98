import type { Account, Grant, OAuthGrant, Rotation, TokenGrant } from "../domain/grant.ts";
import type { Redirect } from "../domain/login.ts";
import type { Reading, ResponseSource, UsageFacts, UsageWindow } from "../domain/outcome.ts";
import type { CostClass } from "../domain/profile.ts";
import type { Secret } from "../domain/secret.ts";
import type { Now } from "../domain/time.ts";

export { RESPONSE_SOURCES, type ResponseSource } from "../domain/outcome.ts";

/** An answer of a provider as the caller saw it. Never logged, never stored. */
export interface ProviderResponse {
  readonly source: ResponseSource;
  /** 0: there was none (a transport error, or an event of a stream). */
  readonly httpStatus: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most 64 KiB, decoded as UTF-8 with replacement. */
  readonly body: string;
  /** As the client saw it, such as `ECONNRESET`; empty if none. */
  readonly transportError: string;
  /** Wall-clock moment of the arrival. */
  readonly receivedAtMs: number;
  /** The model that was asked, empty if unknown. */
  readonly model: string;
}

/** Reads the answers of one provider. Pure, never throws, bounded time on hostile input. */
export type Classify = (response: ProviderResponse, limits: { readonly longestWindowMs: number }) => Reading;

export type Failover = "auto" | "manual";
export type Strategy = "ordered" | "round_robin" | "least_loaded" | "earliest_reset";
export const STRATEGIES = ["ordered", "round_robin", "least_loaded", "earliest_reset"] as const;

/** How people log in with a client, where that differs from the standards' defaults. */
export interface LoginTraits {
  /** Default: any free port of 127.0.0.1, path `/callback`. */
  readonly redirect?: Redirect;
  /** A page of the vendor that shows the code, for logins whose answer is pasted. */
  readonly pasteRedirect?: string;
  /** Parameters of the authorization request besides the standard's own. */
  readonly authorizeParameters?: Readonly<Record<string, string>>;
  /**
   * `codex`: OpenAI's own device login, which ends in an authorization code. `user_code`: MiniMax's, which
   * asks with the user code itself. Default: RFC 8628.
   */
  readonly device?: "codex" | "user_code";
  /** The device login wants PKCE too. */
  readonly devicePkce?: boolean;
  /** The code is exchanged together with its state. */
  readonly stateInExchange?: boolean;
  /** What it gives is one token without an end, and no refresh token. */
  readonly longLived?: boolean;
}

/** The OAuth side of a provider, after the operator's overrides. */
export interface OAuthClient {
  /** Whose dialect the token endpoint's errors are read in. */
  readonly providerId: string;
  /** Absent: the issuer's metadata name it. */
  readonly tokenUrl?: string;
  readonly authorizeUrl?: string;
  readonly deviceUrl?: string;
  readonly revokeUrl?: string;
  /** Tells whose an access token is, where the tokens themselves do not. Absent: the issuer's, if there is one. */
  readonly userinfoUrl?: string;
  /** Where a short-lived token is derived from the long-lived one that a login gives. Absent: none is. */
  readonly derivedTokenUrl?: string;
  /** `client_credentials`: nobody logs in but the client itself (RFC 6749 section 4.4). Default: a person. */
  readonly grantType?: "client_credentials";
  readonly issuer?: string;
  readonly clientId: string;
  /** Gives the client secret when one is needed; never kept longer than a request. */
  readonly clientSecret?: () => Promise<Secret>;
  readonly clientAuth: "none" | "basic" | "post";
  readonly body: "form" | "json";
  readonly scopes: readonly string[];
  /** Scopes sent with a refresh; absent: none are sent (RFC 6749 section 6: as granted). */
  readonly refreshScopes?: readonly string[];
  readonly rotation: Rotation;
  readonly rotationGraceMs: number;
  /** Fraction of a token's life after which a refresh is due. */
  readonly refreshAt: number;
  readonly login?: LoginTraits;
}

/** One provider: data and dialect. */
export interface Provider {
  readonly id: string;
  /** Absent: API keys only. */
  readonly oauth?: OAuthClient;
  readonly baseUrl: string;
  /** Where the model API is, if a credential itself tells. The operator's `baseUrl` goes before it. */
  baseUrlOf?(grant: Grant): string | undefined;
  /** Cost class of oauth and token profiles; API keys are METERED unless config says otherwise. */
  readonly costClass: CostClass;
  readonly apiKeyCostClass: CostClass;
  readonly strategy: Strategy;
  /** Order from config; an order in the state wins. */
  readonly order?: readonly string[];
  readonly meteredFallback: boolean;
  readonly policy: { readonly failover: Failover; readonly source: string; readonly readOn: string };
  /** The day on which its built-in data were last tried against the live service; empty: never. */
  readonly verifiedAt: string;
  /** Where an account's usage can be read without a model call. Absent: nowhere, or the operator said no. */
  readonly usage?: UsageEndpoint;
  /** Headers ready to send with this credential, `authorization` included; names in lower case. */
  headers(grant: Grant, account: Account): Readonly<Record<string, string>>;
  /** Who a grant belongs to, as far as its tokens tell (unverified claims of a JWT). */
  accountOf(grant: Grant): Account;
  /** Reads an answer. The dialect is loaded with the first one, if it is not there yet. */
  classify(...about: Parameters<Classify>): Promise<Reading>;
}

/** A provider's own answer to "how much is used up?". */
export interface UsageEndpoint {
  readonly url: string;
  /** The JSON to post, given what is kept of the profile beside its grant. Absent: a GET. */
  readonly body?: (attributes: Readonly<Record<string, string>>) => Readonly<Record<string, string>>;
}

/** What became of one look at the usage. */
export type UsageAnswer =
  | {
      readonly kind: "read";
      readonly windows: readonly UsageWindow[];
      readonly facts?: UsageFacts;
      readonly etag?: string;
    }
  /** As at the last look (304). */
  | { readonly kind: "unchanged" }
  /** The provider refuses this access token (401). */
  | { readonly kind: "refused" }
  /** Nothing was learned, neither about the account nor its usage. */
  | {
      readonly kind: "not_now";
      /** Out of our own list of codes, never text of the server. */
      readonly code: string;
      /** The endpoint itself refuses or is throttled; otherwise it was not reached or is broken. */
      readonly isRefusal: boolean;
      /** It concerns this account; otherwise everybody who asks there. */
      readonly isOwn: boolean;
      /** Wall-clock moment before which it wants no request, if it said so. */
      readonly retryAtMs?: number;
    };

/** Looks once at an account's usage. Never throws, never follows a redirect. */
export type ReadUsage = (request: {
  readonly provider: Provider;
  readonly grant: Grant;
  readonly account: Account;
  readonly attributes: Readonly<Record<string, string>>;
  /** Of the last answer, if it gave one. */
  readonly etag?: string;
  readonly longestWindowMs: number;
  readonly now: () => Now;
  readonly signal: AbortSignal;
}) => Promise<UsageAnswer>;

/** What the token endpoint's answer means for a refresh. */
export type RefreshAnswer =
  /** New tokens. `refreshToken` of the grant is the new one, or the old one if none came. */
  | {
      readonly kind: "granted";
      readonly grant: OAuthGrant;
      readonly account: Account;
      readonly rotated: boolean;
    }
  /** The refresh token is dead for good. `code` is out of our own list of codes. */
  | { readonly kind: "terminal"; readonly code: string }
  /** A complete answer that is no verdict on the token. `retryAtMs`: wall clock, if the server said when. */
  | {
      readonly kind: "not_now";
      readonly code: string;
      readonly httpStatus: number;
      readonly retryAtMs?: number;
    }
  /** Certainly never sent: the connection was not made. */
  | { readonly kind: "unsent"; readonly code: string }
  /** Sent, and no complete answer came. The token may be spent. */
  | { readonly kind: "lost"; readonly code: string };

/** Sends one refresh request, once, and reads the answer. Never throws. */
export type RefreshGrant = (request: {
  readonly client: OAuthClient;
  readonly grant: OAuthGrant;
  readonly account: Account;
  readonly now: () => Now;
  readonly signal: AbortSignal;
}) => Promise<RefreshAnswer>;

/**
 * Looks again into the file of a program that shares a grant with us. Gives the newest grant there
 * of the same account, or undefined if there is none, the file is gone or cannot be read.
 */
export type ReadSharedSource = (
  sourcePath: string,
  provider: string,
  account: Account,
  now: Now,
) => Promise<{ readonly grant: OAuthGrant; readonly account: Account } | undefined>;

/**
 * Writes a login into the file of the program that it was taken over from. Gives why it could not be
 * done, for a person; the file is then as it was. Never rejects.
 */
export type GiveBack = (
  login: {
    readonly sourcePath: string;
    /** Its id, and those under which that program may know it. */
    readonly ids: readonly [string, ...string[]];
    readonly provider: string;
    readonly grant: OAuthGrant;
    readonly account: Account;
  },
  now: Now,
) => Promise<string | undefined>;

/** What a login gave, read but not yet kept. */
export interface LoginGrant {
  readonly grant: OAuthGrant | TokenGrant;
  readonly account: Account;
  /** Scopes that were asked for and not granted, as far as the server tells. */
  readonly missingScopes: readonly string[];
  /** Where the model API is for this account, if the answer says so. */
  readonly baseUrl?: string;
  /** How far the server's clock is ahead of ours, if its tokens tell. */
  readonly skewMs?: number;
}

/** One request of a login: its moment and its end. */
export interface Attempt {
  readonly now: () => Now;
  readonly signal: AbortSignal;
}

/** An authorization request that a browser is to open (RFC 6749 section 4.1, PKCE S256). */
export interface Authorization {
  readonly url: string;
  readonly state: string;
  /**
   * Checks what the browser brought back (`iss` by RFC 9207, `state` where there is one) and exchanges
   * the code. Rejects with `LoginFailed`.
   */
  redeem(answer: URLSearchParams, attempt: Attempt): Promise<LoginGrant>;
}

/** A login that goes on in a browser anywhere, while we ask whether it is done. */
export interface DeviceAuthorization {
  readonly userCode: string;
  readonly verificationUrl: string;
  /** The same with the code in it, if the server gives one. */
  readonly verificationUrlComplete?: string;
  readonly expiresInMs: number;
  readonly intervalMs: number;
  /** Asks once. `slow_down`: ask less often from now on. Rejects with `LoginFailed`. */
  poll(attempt: Attempt): Promise<LoginGrant | "pending" | "slow_down">;
}

/** Speaks a provider's login protocol. Every call rejects with `LoginFailed`. */
export interface LoginProtocol {
  authorize(client: OAuthClient, redirectUrl: string, attempt: Attempt): Promise<Authorization>;
  device(client: OAuthClient, attempt: Attempt): Promise<DeviceAuthorization>;
  /** Logs the client itself in, by its own id and secret. */
  client(client: OAuthClient, attempt: Attempt): Promise<LoginGrant>;
  /** Ends a grant at the provider (RFC 7009). False: the provider has no address for that. */
  revoke(client: OAuthClient, grant: OAuthGrant | TokenGrant, attempt: Attempt): Promise<boolean>;
}
