import type { AuthorizationServer, Client, ClientAuth, TokenEndpointRequestOptions } from "oauth4webapi";
import { LoginFailed } from "../domain/login.ts";
import { isSafeForSecrets } from "../domain/url.ts";
import { type Answered, type Exchange, exchange } from "./exchange.ts";
import type { Fetch } from "./fetch.ts";
import type { Attempt, OAuthClient } from "./provider.ts";

type Library = typeof import("oauth4webapi");

/** Checks of an id token's times are left out: it comes straight from the server, and clocks differ. */
const ANY_AGE_SEC = 366 * 86_400;

/** What the library must know to check an id token; which of them was used says nothing here. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "Ed25519",
];

/** One client at one authorization server, in the library's terms. */
export interface Wire {
  readonly library: Library;
  readonly client: OAuthClient;
  readonly server: AuthorizationServer;
  /** The issuer is known and not only guessed from an address. */
  readonly isIssuerKnown: boolean;
  readonly app: Client;
  /**
   * Sends the request that `build` makes, once, and gives the answer as it is. The library writes the
   * request; what comes back is read by us, since vendors answer more freely than it allows.
   */
  send(
    build: (options: TokenEndpointRequestOptions, auth: ClientAuth) => Promise<unknown>,
    signal: AbortSignal,
    body?: OAuthClient["body"],
  ): Promise<Exchange>;
}

/** What of the server's addresses a flow needs. */
export type Needed = "authorizeUrl" | "deviceUrl" | "revokeUrl";

/**
 * Prepares a login at a client's server. An address that the configuration lacks is looked up with the
 * issuer (RFC 8414, OpenID Connect Discovery). Loads the library.
 */
export async function openWire(
  fetch: Fetch,
  client: OAuthClient,
  needed: Needed,
  { signal }: Attempt,
): Promise<Wire> {
  const library = await import("oauth4webapi");
  const server = await serverOf(library, fetch, client, needed, signal);
  const app: Client = { client_id: client.clientId, [library.clockTolerance]: ANY_AGE_SEC };
  return {
    library,
    client,
    server,
    isIssuerKnown: client.issuer !== undefined,
    app,
    send: async (build, requestSignal, body = "form") => {
      const auth = await authOf(library, client);
      return request(library, fetch, body, requestSignal, (options) => build(options, auth));
    },
  };
}

async function request(
  library: Library,
  fetch: Fetch,
  body: OAuthClient["body"],
  signal: AbortSignal,
  build: (options: TokenEndpointRequestOptions) => Promise<unknown>,
): Promise<Exchange> {
  let seen: Exchange = { kind: "unsent", code: "insecure_url" };
  await build({
    [library.allowInsecureRequests]: true,
    [library.customFetch]: async (
      url: string,
      init: { body: URLSearchParams; headers: Record<string, string> },
    ) => {
      if (!isSafeForSecrets(new URL(url))) return new Response();
      const isJson = body === "json";
      const headers = {
        ...init.headers,
        ...(isJson ? { "content-type": "application/json" } : {}),
        "user-agent": "auth-broker",
      };
      const content = isJson ? JSON.stringify(Object.fromEntries(init.body)) : init.body.toString();
      seen = await exchange(fetch, url, { method: "POST", headers, body: content }, signal);
      return new Response();
    },
  });
  return seen;
}

async function authOf(library: Library, client: OAuthClient): Promise<ClientAuth> {
  if (client.clientAuth === "none" || client.clientSecret === undefined) return library.None();
  const secret = await client.clientSecret().catch((cause: unknown) => {
    throw new LoginFailed("CLIENT_REFUSED", "the client secret is not to be had", { cause });
  });
  return client.clientAuth === "basic"
    ? library.ClientSecretBasic(secret.reveal())
    : library.ClientSecretPost(secret.reveal());
}

async function serverOf(
  library: Library,
  fetch: Fetch,
  client: OAuthClient,
  needed: Needed,
  signal: AbortSignal,
): Promise<AuthorizationServer> {
  const { issuer, authorizeUrl, tokenUrl, deviceUrl, revokeUrl } = client;
  const configured = {
    token_endpoint: tokenUrl,
    ...(authorizeUrl === undefined ? {} : { authorization_endpoint: authorizeUrl }),
    ...(deviceUrl === undefined ? {} : { device_authorization_endpoint: deviceUrl }),
    ...(revokeUrl === undefined ? {} : { revocation_endpoint: revokeUrl }),
    id_token_signing_alg_values_supported: ALGORITHMS,
  };
  if (client[needed] !== undefined || issuer === undefined) {
    return { issuer: issuer ?? new URL(authorizeUrl ?? tokenUrl).origin, ...configured };
  }
  return { ...(await discovered(library, fetch, issuer, signal)), ...configured };
}

async function discovered(
  library: Library,
  fetch: Fetch,
  issuer: string,
  signal: AbortSignal,
): Promise<AuthorizationServer> {
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
  throw new LoginFailed("UPSTREAM_UNAVAILABLE", "the issuer publishes no metadata");
}

/** An answer in the form that the library reads. */
export function responseOf({ status, headers, body }: Answered): Response {
  const contentType = headers["content-type"] ?? "application/json";
  return new Response(body, { status, headers: { "content-type": contentType } });
}
