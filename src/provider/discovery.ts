import type { AuthorizationServer } from "oauth4webapi";
import { LoginFailed } from "../domain/login.ts";
import { responseOf } from "./answer-body.ts";
import { type Exchange, exchange } from "./exchange.ts";
import type { Fetch } from "./fetch.ts";
import type { Attempt } from "./provider.ts";

/** Metadata hardly ever change; an address that moved is found again after this long. */
const KEPT_MS = 60 * 60_000;

/** Looks up what an issuer publishes about itself (OpenID Connect Discovery, RFC 8414). */
export interface Discovery {
  /** Asks the issuer, or remembers. Rejects with `LoginFailed`. */
  find(issuer: string, attempt: Attempt): Promise<AuthorizationServer>;
}

/** How servers are reached, and what is known of them. */
export interface Reach {
  readonly fetch: Fetch;
  readonly discovery: Discovery;
}

export function createDiscovery(fetch: Fetch): Discovery {
  const known = new Map<string, { readonly server: AuthorizationServer; readonly untilMs: number }>();
  return {
    find: async (issuer, attempt) => {
      const { monoMs } = attempt.now();
      const kept = known.get(issuer);
      if (kept !== undefined && monoMs < kept.untilMs) return kept.server;
      const server = await published(fetch, issuer, attempt.signal);
      known.set(issuer, { server, untilMs: monoMs + KEPT_MS });
      return server;
    },
  };
}

async function published(fetch: Fetch, issuer: string, signal: AbortSignal): Promise<AuthorizationServer> {
  const library = await import("oauth4webapi");
  for (const algorithm of ["oidc", "oauth2"] as const) {
    let seen: Exchange = { kind: "unsent", code: "insecure_url" };
    await library.discoveryRequest(new URL(issuer), {
      algorithm,
      [library.allowInsecureRequests]: true,
      [library.customFetch]: async (url: string, { headers }: { headers: Record<string, string> }) => {
        seen = await exchange(fetch, url, { method: "GET", headers }, signal);
        return new Response();
      },
    });
    const answered = seen as Exchange;
    if (answered.kind !== "answered") {
      throw new LoginFailed("UPSTREAM_UNAVAILABLE", answered.code, { isRepeatable: true });
    }
    if (answered.status !== 200) continue;
    return await library
      .processDiscoveryResponse(new URL(issuer), responseOf(answered))
      .catch((cause: unknown) => {
        throw new LoginFailed("ISSUER_MISMATCH", "its metadata name another issuer", { cause });
      });
  }
  throw new LoginFailed("NO_METADATA");
}
