import type { Account, Grant, OAuthGrant, Rotation, TokenGrant } from "../domain/grant.ts";
import type { Redirect } from "../domain/login.ts";
import type { Reading } from "../domain/outcome.ts";
import type { CostClass } from "../domain/profile.ts";
import type { Secret } from "../domain/secret.ts";
import type { Now } from "../domain/time.ts";

/** Where an answer came from. */
export const RESPONSE_SOURCES = ["MODEL_API", "STREAM_EVENT", "USAGE_API"] as const;
export type ResponseSource = (typeof RESPONSE_SOURCES)[number];

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
  /** `codex`: OpenAI's own device login, which ends in an authorization code. Default: RFC 8628. */
  readonly device?: "codex";
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
  readonly tokenUrl: string;
  readonly authorizeUrl?: string;
  readonly deviceUrl?: string;
  readonly revokeUrl?: string;
  readonly usageUrl?: string;
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
  /** Cost class of oauth and token profiles; API keys are METERED unless config says otherwise. */
  readonly costClass: CostClass;
  readonly apiKeyCostClass: CostClass;
  readonly strategy: Strategy;
  /** Order from config; an order in the state wins. */
  readonly order?: readonly string[];
  readonly meteredFallback: boolean;
  readonly policy: { readonly failover: Failover; readonly source: string; readonly readOn: string };
  /** Headers ready to send with this credential, `authorization` included; names in lower case. */
  headers(grant: Grant, account: Account): Readonly<Record<string, string>>;
  /** Who a grant belongs to, as far as its tokens tell (unverified claims of a JWT). */
  accountOf(grant: Grant): Account;
  /** Reads an answer. The dialect is loaded with the first one, if it is not there yet. */
  classify(...about: Parameters<Classify>): Promise<Reading>;
}

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
  /** Ends a grant at the provider (RFC 7009); the client must have a `revokeUrl`. */
  revoke(client: OAuthClient, grant: OAuthGrant | TokenGrant, attempt: Attempt): Promise<void>;
}
