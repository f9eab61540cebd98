export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

export interface ModelRequest {
  readonly method: string;
  readonly path: string;
  /** When it arrived; milliseconds since the Unix epoch. */
  readonly at: number;
  /** Whose token it brought; absent if the token is not good. */
  readonly account?: string;
  readonly status: number;
}

export interface ModelApi {
  readonly baseUrl: string;
  readonly requests: readonly ModelRequest[];
  /** This token is good, and it is this account's. */
  accept(token: string, account: string): void;
  /** What this account gets from now on instead of 200; undefined: 200 again. */
  answer(account: string, answer: Answer | undefined): void;
  close(): Promise<void>;
}

/**
 * A stand-in for a vendor's model API on 127.0.0.1. A request needs a bearer token that `accept` or
 * `accountOf` knows (else 401), and if it names an account in `chatgpt-account-id`, the token's own
 * (else 403).
 */
export function startModelApi(options?: {
  readonly accountOf?: (token: string) => string | undefined;
  readonly now?: () => number;
}): Promise<ModelApi>;

/** ChatGPT's answer to an account whose plan is used up until this moment. */
export function usageLimitReached(limit: { readonly resetsAtMs: number; readonly planType?: string }): Answer;
