/** One request of Codex, as it arrived. */
export interface BackendRequest {
  readonly method: string;
  readonly path: string;
  /** Milliseconds since the Unix epoch, with fractions. */
  readonly at: number;
  /** The bearer token. */
  readonly token: string;
  /** The account header. */
  readonly account: string | undefined;
  readonly body: string;
  /** 401 for a token that is expired, refused or none; 403 for one of another account; else 200. */
  readonly status: number;
}

export interface ModelAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as it is, all else as JSON. */
  readonly body?: unknown;
}

export interface CodexBackend {
  /** Undefined on a socket. */
  readonly port: number | undefined;
  readonly requests: readonly BackendRequest[];
  /** Answers requests with a good credential to the model; says `done` unless set. */
  model: (request: BackendRequest) => ModelAnswer | Promise<ModelAnswer>;
  /** From now on this token gets 401. */
  refuse(token: string): void;
  modelRequests(): readonly BackendRequest[];
  /** Resolves with the first request, past or to come, that matches. */
  seen(matches: (request: BackendRequest) => boolean): Promise<BackendRequest>;
  close(): Promise<void>;
}

/**
 * What Codex talks to: accounts, models, and answers of the model as server-sent events. A bearer token
 * must be a JWT that has not expired and names the account of the header, or a made-up API key. Listens on a unix socket, or
 * on a port of 127.0.0.1.
 */
export function startCodexBackend(options?: {
  readonly socket?: string;
  readonly now?: () => number;
}): Promise<CodexBackend>;

/** The model says something, and the turn ends. */
export function says(message: string, headers?: Readonly<Record<string, string>>): ModelAnswer;

/** The model asks for a shell command. */
export function runs(command: string, headers?: Readonly<Record<string, string>>): ModelAnswer;
