import { errorCode, type Fetch, NotSentError } from "./fetch.ts";

/** An answer larger than this is not read to its end. */
const LARGEST_BYTES = 64 * 1024;

/** What a standard `fetch` gives as the cause when the connection was not made. */
const NOT_CONNECTED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_[A-Z]+|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/;

export interface Answered {
  readonly kind: "answered";
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of an answer that is too large, its beginning. */
  readonly body: string;
}

/** What became of one request: an answer, certainly never sent, or sent without a complete answer. */
export type Exchange =
  | Answered
  | { readonly kind: "unsent"; readonly code: string }
  | { readonly kind: "lost"; readonly code: string };

/** Posts once, as `exchange` says. */
export function post(
  fetch: Fetch,
  url: string,
  request: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  signal: AbortSignal,
): Promise<Exchange> {
  return exchange(fetch, url, { method: "POST", ...request }, signal);
}

/**
 * Sends once, follows no redirect, and reads the answer. Never rejects, and ends with the signal even
 * if `fetch` does not. Codes are system error codes or words of our own, never text of the server.
 */
export function exchange(
  fetch: Fetch,
  url: string,
  request: Pick<RequestInit, "method" | "body"> & { readonly headers: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<Exchange> {
  if (signal.aborted) return Promise.resolve({ kind: "unsent", code: "aborted" });
  return new Promise((resolve) => {
    // `fetch` hears of the abort too and knows more; it comes first if it reacts at once.
    const giveUp = () => setImmediate(() => resolve({ kind: "lost", code: "timeout" }));
    signal.addEventListener("abort", giveUp, { once: true });
    attempt(fetch, url, { ...request, redirect: "manual", signal })
      .catch((error: unknown) => failed(error, signal))
      .then(resolve)
      .finally(() => signal.removeEventListener("abort", giveUp));
  });
}

async function attempt(fetch: Fetch, url: string, init: RequestInit): Promise<Exchange> {
  const response = await fetch(url, init);
  const body = await readBody(response);
  return { kind: "answered", status: response.status, headers: Object.fromEntries(response.headers), body };
}

function failed(error: unknown, signal: AbortSignal): Exchange {
  if (error instanceof NotSentError) return { kind: "unsent", code: error.code };
  const code = errorCode(error) ?? "network";
  if (NOT_CONNECTED.test(code)) return { kind: "unsent", code };
  return { kind: "lost", code: signal.aborted ? "timeout" : code };
}

async function readBody(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let body = "";
  let bytes = 0;
  // Leaving the loop early cancels the rest.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > LARGEST_BYTES) return body;
    body += decoder.decode(chunk, { stream: true });
  }
  return body + decoder.decode();
}
