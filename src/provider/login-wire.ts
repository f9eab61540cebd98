import type { AuthorizationServer, Client, ClientAuth, TokenEndpointRequestOptions } from "oauth4webapi";
import { LoginFailed } from "../domain/login.ts";
import type { Secret } from "../domain/secret.ts";
import { isSafeForSecrets } from "../domain/url.ts";
import { getWithToken } from "./bearer-request.ts";
import type { Discovery, Reach } from "./discovery.ts";
import { type Exchange, exchange } from "./exchange.ts";
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
  /** Gets an address with a token, once. */
  get(url: string, token: Secret, signal: AbortSignal): Promise<Exchange>;
  /** Where to ask whose a token is. Rejects with `LoginFailed`. */
  userinfoUrl(attempt: Attempt): Promise<string | undefined>;
}

/** What of the server's addresses a flow needs. */
type Needed = "tokenUrl" | "authorizeUrl" | "deviceUrl" | "revokeUrl";

/**
 * Prepares a login at a client's server. An address that the configuration lacks is looked up with the
 * issuer (RFC 8414, OpenID Connect Discovery). Loads the library.
 */
export async function openWire(
  { fetch, discovery }: Reach,
  client: OAuthClient,
  needed: Needed,
  attempt: Attempt,
): Promise<Wire> {
  const library = await import("oauth4webapi");
  const server = await serverOf(discovery, client, needed, attempt);
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
    get: (url, token, signal) => getWithToken(fetch, url, token, signal),
    userinfoUrl: async (asking) => {
      const known = client.userinfoUrl ?? server.userinfo_endpoint;
      if (known !== undefined || client.issuer === undefined) return known;
      return (await discovery.find(client.issuer, asking)).userinfo_endpoint;
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
  discovery: Discovery,
  client: OAuthClient,
  needed: Needed,
  attempt: Attempt,
): Promise<AuthorizationServer> {
  const { issuer, authorizeUrl, tokenUrl, deviceUrl, revokeUrl } = client;
  const configured = {
    ...(tokenUrl === undefined ? {} : { token_endpoint: tokenUrl }),
    ...(authorizeUrl === undefined ? {} : { authorization_endpoint: authorizeUrl }),
    ...(deviceUrl === undefined ? {} : { device_authorization_endpoint: deviceUrl }),
    ...(revokeUrl === undefined ? {} : { revocation_endpoint: revokeUrl }),
    id_token_signing_alg_values_supported: ALGORITHMS,
  };
  const isComplete = client[needed] !== undefined && (tokenUrl !== undefined || needed === "revokeUrl");
  if (issuer !== undefined && !isComplete) {
    return { ...(await discovery.find(issuer, attempt)), ...configured };
  }
  return { issuer: issuer ?? new URL(authorizeUrl ?? tokenUrl ?? revokeUrl ?? "").origin, ...configured };
}
