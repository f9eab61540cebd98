export type Format = "openai-responses" | "openai-completions" | "anthropic-messages";

/** One model request as it arrived. */
export interface BackendRequest {
  /** Milliseconds since the epoch, with fractions. */
  readonly at: number;
  readonly format: Format;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly token: string;
  /** Named by the token, `at-FAKE-a` or `sk-FAKE-a`; empty if the token is none of ours. */
  readonly account: string;
  readonly model: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever OpenClaw sends
  readonly body: any;
  /** What it was answered with. */
  readonly status: number;
}

/** Made by the functions below. */
export interface BackendAnswer {
  readonly status?: number;
}

export interface OpenclawBackend {
  readonly requests: readonly BackendRequest[];
  /** What every account that is not refused gets. At first: `hello from <account>`. */
  model: (request: BackendRequest) => BackendAnswer | Promise<BackendAnswer>;
  /** This token gets 401 from now on. */
  refuse(token: string): void;
  /** Resolves as soon as so many requests that match were answered. */
  seen(count: number, matches?: (request: BackendRequest) => boolean): Promise<readonly BackendRequest[]>;
  close(): Promise<void>;
}

/** A stand-in for model APIs in three wire formats, on a unix socket or on 127.0.0.1. */
export declare function startOpenclawBackend(options?: {
  readonly socket?: string;
  readonly port?: number;
}): Promise<OpenclawBackend>;

/** A whole answer. */
export declare function says(text: string, headers?: Readonly<Record<string, string>>): BackendAnswer;
/** The model asks for a tool. */
export declare function calls(name: string, args: object): BackendAnswer;
/** An error with this status. */
export declare function refuses(
  status: number,
  error: object,
  headers?: Readonly<Record<string, string>>,
): BackendAnswer;
/** ChatGPT's answer to an account whose plan is used up. */
export declare function usageLimit(forMs?: number): BackendAnswer;
