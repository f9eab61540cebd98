import type { Secret } from "../domain/secret.ts";
import { isSafeForSecrets } from "../domain/url.ts";
import { type Exchange, exchange } from "./exchange.ts";
import type { Fetch } from "./fetch.ts";

/** Gets an address with a token, once, as `exchange` says; never over plain http to another machine. */
export async function getWithToken(
  fetch: Fetch,
  url: string,
  token: Secret,
  signal: AbortSignal,
): Promise<Exchange> {
  if (!URL.canParse(url) || !isSafeForSecrets(new URL(url))) return { kind: "unsent", code: "insecure_url" };
  const headers = {
    accept: "application/json",
    authorization: `Bearer ${token.reveal()}`,
    "user-agent": "auth-broker",
  };
  return await exchange(fetch, url, { method: "GET", headers }, signal);
}
