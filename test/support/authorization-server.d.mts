export interface Options {
  /** Life of access and ID tokens in seconds; 3600 unless given. */
  readonly accessTokenTtlSec?: number;
  /**
   * What becomes of a used refresh token. `strict` (unless given): it is spent, and its second use
   * revokes the whole grant. `grace`: it is accepted for `graceMs` more, then as `strict`. `none`: it
   * stays the same for good.
   */
  readonly rotation?: "strict" | "none" | "grace";
  /** 30 s unless given. */
  readonly graceMs?: number;
  readonly clientId?: string;
  /** False: no login brings a refresh token. True unless given. */
  readonly refreshTokens?: boolean;
  /** Given, the client is one that logs itself in (client credentials), and nobody else can. */
  readonly clientSecret?: string;
  /** True: access tokens are opaque, and only the userinfo tells the e-mail. False unless given. */
  readonly opaqueTokens?: boolean;
  /**
   * Given, these may log in on pages of their own in a real browser, by `sub`. Absent: every interaction
   * is answered at once, as `authorize` and its like say.
   */
  readonly people?: readonly LoginAccount[];
  /** Life of a device code in seconds, by the real clock; 600 unless given. */
  readonly deviceTtlSec?: number;
  /**
   * The wall clock for records, the grace and `accountOf`. What stands in the tokens follows the real
   * clock in any case.
   */
  readonly now?: () => number;
}

export interface LoginAccount {
  readonly sub: string;
  readonly email: string;
  readonly accountId: string;
  /** The `sub` unless given. */
  readonly userId?: string;
  /** `plus` unless given. */
  readonly planType?: string;
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly idToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly scope: string;
}

/** One request to the token endpoint. */
export interface TokenRequest {
  readonly method: string;
  readonly path: string;
  /** When it arrived; milliseconds since the Unix epoch. */
  readonly at: number;
  readonly grantType: string;
  /** Of the refresh token in it, if there is one. */
  readonly fingerprint?: string;
  /** The status it was answered with; absent while it waits and if it was never answered. */
  readonly status?: number;
}

/**
 * How a token request goes wrong. Without effect at the server: `reset` (the connection breaks), the
 * named answers, or an answer of the test's own. Done at the server, so that the refresh token is
 * spent: `lost` (no answer), `cut` (half an answer).
 */
export type Failure =
  | "reset"
  | "invalid_grant"
  | "invalid_client"
  | "server_error"
  | "unavailable"
  | "too_many"
  | "html"
  | "lost"
  | "cut"
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

export interface AuthorizationServer {
  readonly issuer: string;
  readonly tokenUrl: string;
  readonly authorizeUrl: string;
  readonly revokeUrl: string;
  /** For device logins (RFC 8628). */
  readonly deviceUrl: string;
  readonly clientId: string;
  /** All token requests so far, logins included. */
  readonly requests: readonly TokenRequest[];
  /** Resolves as soon as `requests` has `count` entries. */
  waitForRequests(count: number): Promise<void>;
  /** From now on answers of the token endpoint wait. The server has acted by then: tokens are spent. */
  hold(): void;
  /** Sends what was held. */
  release(): void;
  /** Spoils the next token request that is not spoiled yet. */
  failNext(failure: Failure): void;
  /**
   * Plays the user in the browser: opens the address that a client program shows, logs in as this
   * account, says yes. Gives the address that the browser is sent to in the end, and does not open it.
   */
  authorize(address: string, account: LoginAccount): Promise<URL>;
  /** The same, but the user says no. */
  refuse(address: string): Promise<URL>;
  /** Plays the user on the page of a device login that has the code in its address; without an account, says no. */
  authorizeDevice(address: string, account?: LoginAccount): Promise<void>;
  /** A login from beginning to end: code flow with PKCE over HTTP. Each one begins a new grant. */
  login(account: LoginAccount): Promise<Tokens>;
  /** Fingerprints of the refresh tokens of this account, in the order of issue. */
  issued(sub: string): readonly string[];
  currentRefreshFingerprint(sub: string): string | undefined;
  /** The account of an access token that is good now. */
  accountOf(accessToken: string): string | undefined;
  /** For tokens issued from now on. */
  setAccessTokenTtl(seconds: number): void;
  /** Ends every session, grant and token of this account. */
  revoke(sub: string): void;
  close(): Promise<void>;
}

/** A real OpenID provider on 127.0.0.1 at a port of its own; everything it knows is in memory. */
export function startAuthorizationServer(options?: Options): Promise<AuthorizationServer>;

/** The first 12 hex digits of the SHA-256 of a token. */
export function fingerprint(token: string): string;
