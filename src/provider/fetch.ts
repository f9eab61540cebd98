import { readFile } from "node:fs/promises";
import { rootCertificates } from "node:tls";
import type { buildConnector, Dispatcher, Pool } from "undici";
import { isLoopback } from "../domain/url.ts";

/** What is used of the standard `fetch`. */
export interface Fetch {
  (url: string, init: RequestInit): Promise<Response>;
  /** Loads ahead what the first request needs. */
  prepare?(): void;
}

/** The connection was never made, so nothing of the request has left. Free to try again. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
  /** A system or TLS error code such as `ECONNREFUSED`; never text from the other side. */
  readonly code: string;

  constructor(code: string, options?: ErrorOptions) {
    super(`the connection was not made (${code})`, options);
    this.code = code;
  }
}

export interface FetchOptions {
  readonly connectTimeoutMs: number;
  /** Default: `HTTPS_PROXY` and `NO_PROXY` of the environment. Loopback never goes through a proxy. */
  readonly proxy?: string;
  /** PEM file of certificates that are trusted besides the built-in ones; read anew for each request. */
  readonly caFile?: string;
  /** The same for `NODE_EXTRA_CA_CERTS`, which Node forgets where other certificates are named. */
  readonly extraCaFile?: string | undefined;
}

/**
 * A `fetch` that opens a fresh connection for each request, within a deadline of its own. A reused
 * connection may be closed by the other side at the very moment of writing, and nobody could tell
 * whether the request arrived; with a fresh one, every failure before it was up (DNS, refusal, TLS,
 * proxy) rejects with `NotSentError`, and any other rejection comes after the request may have left.
 * undici is loaded with the first request.
 */
export function createFetch(options: FetchOptions): Fetch {
  const fetch: Fetch = async (url, init) => {
    const connection = { isUp: false };
    let dispatcher: Dispatcher | undefined;
    try {
      const undici = await import("undici");
      dispatcher = await openDispatcher(undici, new URL(url), options, connection);
      const answer = await undici.fetch(url, { ...(init as object), dispatcher });
      // Ends by itself when the body has been read or given up.
      dispatcher.close().catch(() => {});
      return answer as unknown as Response;
    } catch (cause) {
      dispatcher?.destroy().catch(() => {});
      if (connection.isUp) throw cause;
      throw new NotSentError(init.signal?.aborted ? "aborted" : (errorCode(cause) ?? "unknown"), { cause });
    }
  };
  // A failure shows with the first request.
  return Object.assign(fetch, { prepare: () => void import("undici").catch(() => {}) });
}

async function openDispatcher(
  undici: typeof import("undici"),
  url: URL,
  { connectTimeoutMs, proxy, caFile, extraCaFile }: FetchOptions,
  connection: { isUp: boolean },
): Promise<Dispatcher> {
  const own = caFile === undefined ? [] : [await readFile(caFile, "utf8")];
  // As Node itself: one that cannot be read is passed over.
  const extra = extraCaFile === undefined ? "" : await readFile(extraCaFile, "utf8").catch(() => "");
  const ca = own.length === 0 ? {} : { ca: [...rootCertificates, extra, ...own].filter(Boolean) };
  // Probes would begin after a minute, which no request lasts; and in Wine 8 a socket that has them cannot connect.
  const tls = { timeout: connectTimeoutMs, keepAlive: false, ...ca };
  const factory = (origin: string | URL, opts: object): Dispatcher => {
    // Through a proxy this connector ends when the tunnel and the TLS inside it are up.
    const { connect = tls } = opts as Pool.Options;
    const connector = typeof connect === "function" ? connect : undici.buildConnector(connect);
    return new undici.Client(origin, { ...opts, connect: watched(connector, connection) });
  };
  const common = { connect: tls, factory, pipelining: 0 };
  if (isLoopback(url)) return new undici.Agent(common);
  return new undici.EnvHttpProxyAgent({
    ...common,
    requestTls: tls,
    proxyTls: tls,
    ...(proxy === undefined ? {} : { httpsProxy: proxy, httpProxy: proxy }),
  });
}

function watched(connect: buildConnector.connector, connection: { isUp: boolean }): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...result) => {
      if (result[0] === null) connection.isUp = true;
      callback(...result);
    });
  };
}

/**
 * The code of what went wrong below a failed `fetch`: of the error itself, its cause, or the first of
 * several (one for each address tried).
 */
export function errorCode(error: unknown): string | undefined {
  let current: ErrorLike | undefined = error as ErrorLike | undefined;
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth++) {
    if (typeof current.code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(current.code)) return current.code;
    current = (current.cause ?? current.errors?.[0]) as ErrorLike | undefined;
  }
  return undefined;
}

interface ErrorLike {
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}
