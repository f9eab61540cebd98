import { type Exchange, exchange } from "./exchange.ts";
import type { Fetch } from "./fetch.ts";
import type { ReadUsage, UsageAnswer } from "./provider.ts";

type UsageRequest = Parameters<ReadUsage>[0];

/**
 * Reads usage over the network: the provider's own read-out, never a model call, and under our own
 * name. The caller's signal is the deadline for the whole.
 */
export function createReadUsage({ fetch }: { readonly fetch: Fetch }): ReadUsage {
  return async (request) => {
    if (request.provider.usage === undefined) return notNow("no_usage_url", {});
    return readUsage(request, await send(request, request.provider.usage, fetch));
  };
}

function send(
  { provider, grant, account, attributes, etag, signal }: UsageRequest,
  { url, body }: NonNullable<UsageRequest["provider"]["usage"]>,
  fetch: Fetch,
): Promise<Exchange> {
  const headers = {
    accept: "application/json",
    "user-agent": "auth-broker",
    ...provider.headers(grant, account),
    ...(etag === undefined ? {} : { "if-none-match": etag }),
  };
  if (body === undefined) return exchange(fetch, url, { method: "GET", headers }, signal);
  const posted = { ...headers, "content-type": "application/json" };
  return exchange(
    fetch,
    url,
    { method: "POST", headers: posted, body: JSON.stringify(body(attributes)) },
    signal,
  );
}

/** A 2xx with windows is a reading; one without any that is understood counts as none. */
async function readUsage(
  { provider, longestWindowMs, now }: UsageRequest,
  sent: Exchange,
): Promise<UsageAnswer> {
  if (sent.kind !== "answered") return notNow(sent.code, {});
  const { status, headers, body } = sent;
  if (status === 304) return { kind: "unchanged" };
  const reading = await provider.classify(
    {
      source: "USAGE_API",
      httpStatus: status,
      headers,
      body,
      transportError: "",
      receivedAtMs: now().wallMs,
      model: "",
    },
    { longestWindowMs },
  );
  if (reading.outcome === "AUTH_INVALID_TOKEN" && status === 401) return { kind: "refused" };
  if (status < 200 || status >= 300 || reading.outcome !== "OK") {
    const { retryAtMs } = reading;
    return notNow(status >= 300 && status < 400 ? "redirected" : `http_${status}`, {
      isRefusal: status === 429 || status === 403 || status === 404,
      isOwn: status === 403,
      ...(retryAtMs === undefined ? {} : { retryAtMs }),
    });
  }
  if (reading.windows.length === 0) return notNow("no_windows", { isRefusal: true, isOwn: true });
  const { etag } = headers;
  const { windows, facts } = reading;
  return {
    kind: "read",
    windows,
    ...(facts === undefined ? {} : { facts }),
    ...(etag === undefined ? {} : { etag }),
  };
}

function notNow(
  code: string,
  rest: Partial<Omit<Extract<UsageAnswer, { kind: "not_now" }>, "kind" | "code">>,
): UsageAnswer {
  return { kind: "not_now", code, isRefusal: false, isOwn: false, ...rest };
}
