/** How a person gets from here to the provider's page and back. */
export const LOGIN_FLOWS = ["LOOPBACK", "DEVICE", "PASTE", "CLIENT"] as const;
/**
 * LOOPBACK: the browser comes back to a listener on this machine. DEVICE: a code is typed in on any
 * machine. PASTE: the person brings the address or the code back by hand. CLIENT: nobody goes anywhere,
 * the broker logs in with its own client id and secret.
 */
export type LoginFlow = (typeof LOGIN_FLOWS)[number];

export const LOGIN_STATES = ["WAITING", "EXCHANGING", "VERIFYING", "DONE", "FAILED", "CANCELLED"] as const;
export type LoginState = (typeof LOGIN_STATES)[number];

/** Why a login failed or was given up, with what a person reads about it. */
const MESSAGES = {
  DENIED: "the login was refused on the provider's page",
  EXPIRED: "nobody finished the login in time",
  CODE_REFUSED:
    "the provider did not take the code: it was used already, is too old, or belongs to another login",
  ISSUER_MISMATCH: "the answer came from another server than the one that was asked",
  ID_TOKEN_INVALID: "the id token is not meant for this client or comes from another server",
  NO_REFRESH_TOKEN:
    "the provider gave no refresh token, so the login would end with its first access token (is offline_access among the scopes?)",
  ACCOUNT_CHANGED: "the login is for another account than the profile's",
  IDENTITY_EXISTS: "this account is already there under another id",
  PROVIDER_REFUSED: "the provider refused the request",
  CLIENT_REFUSED: "the provider does not accept the client id or its secret",
  ANSWER_UNREADABLE: "the provider's answer holds no token that can be read",
  UPSTREAM_UNAVAILABLE: "the provider could not be reached or did not answer usefully",
  NO_METADATA: "the issuer publishes no metadata in which an address could be looked up",
  STORE_UNAVAILABLE: "the login could not be written down",
  PORT_BUSY: "another program listens at every port that this provider sends browsers to",
  SUPERSEDED: "another login for the same profile was started",
  CANCELLED: "the login was given up",
  BROKER_STOPPED: "the broker was stopped before the login was finished",
  UNEXPECTED: "unexpected error; the broker's log has the cause",
} as const;
export type LoginReason = keyof typeof MESSAGES;

/** One sentence for a person. `detail`: a word out of a list of our own, never text of a provider. */
export function describeLogin(reason: LoginReason, detail = ""): string {
  return detail === "" ? MESSAGES[reason] : `${MESSAGES[reason]} (${detail})`;
}

/** A login that came to no good end. Carries no text of the provider. */
export class LoginFailed extends Error {
  override readonly name = "LoginFailed";
  readonly reason: LoginReason;
  /** True: nothing was spent, and the very same request may be sent again. */
  readonly isRepeatable: boolean;

  constructor(
    reason: LoginReason,
    detail = "",
    options: ErrorOptions & { readonly isRepeatable?: boolean } = {},
  ) {
    super(describeLogin(reason, detail), options);
    this.reason = reason;
    this.isRepeatable = options.isRepeatable === true;
  }
}

/** Where on this machine a browser is sent after a login. */
export interface Redirect {
  /** How the address names this machine. The listener is on 127.0.0.1 in any case. */
  readonly host: "127.0.0.1" | "localhost";
  /** Ports in the order of preference; empty: any that is free (RFC 8252 section 7.3). */
  readonly ports: readonly number[];
  readonly path: string;
}

/** The address of a redirect at a port. */
export function redirectUrl({ host, path }: Redirect, port: number): string {
  return `http://${host}:${port}${path}`;
}

/**
 * What a person pasted, as the parameters of an authorization response: the whole address, its query, a
 * `code#state` as some pages show it, or the bare code. Blanks and colour codes around it are dropped.
 * Undefined if it is none of these.
 */
export function pastedAnswer(pasted: string): URLSearchParams | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals leave them in what is copied
  const text = pasted.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "").replace(/\s+/g, "");
  if (/^https?:\/\//i.test(text)) {
    if (!URL.canParse(text)) return undefined;
    const { searchParams, hash } = new URL(text);
    return hasAnswer(searchParams) ? searchParams : answerIn(hash.slice(1));
  }
  if (/(^|[?&])(code|error)=/.test(text)) return answerIn(text.slice(text.indexOf("?") + 1));
  const [, code, state] = /^([\w.~+/=-]{4,4096})(?:#([\w.~+/=-]{1,1024}))?$/.exec(text) ?? [];
  if (code === undefined) return undefined;
  return new URLSearchParams({ code, ...(state === undefined ? {} : { state }) });
}

function answerIn(query: string): URLSearchParams | undefined {
  const parameters = new URLSearchParams(query);
  return hasAnswer(parameters) ? parameters : undefined;
}

function hasAnswer(parameters: URLSearchParams): boolean {
  return parameters.has("code") || parameters.has("error");
}
