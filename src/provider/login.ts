import type { AuthorizationServer } from "oauth4webapi";
import { LoginFailed } from "../domain/login.ts";
import { Secret } from "../domain/secret.ts";
import { isOk } from "./answer-body.ts";
import type { Discovery } from "./discovery.ts";
import type { Fetch } from "./fetch.ts";
import { codexDevice } from "./login-codex-device.ts";
import { standardDevice } from "./login-device.ts";
import { answeredOf, readLogin, refusalOf } from "./login-tokens.ts";
import { userCodeDevice } from "./login-user-code.ts";
import { openWire, type Wire } from "./login-wire.ts";
import type { Attempt, Authorization, LoginGrant, LoginProtocol } from "./provider.ts";

/** Errors of the authorization endpoint (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6). */
const KNOWN_ERRORS = [
  "invalid_request",
  "unauthorized_client",
  "unsupported_response_type",
  "invalid_scope",
  "server_error",
  "temporarily_unavailable",
  "interaction_required",
  "login_required",
  "account_selection_required",
  "consent_required",
];

/** Logs in over the network. `random` gives [0, 1) and spreads the first refresh. */
export function createLoginProtocol(options: {
  readonly fetch: Fetch;
  readonly discovery: Discovery;
  readonly random?: () => number;
}): LoginProtocol {
  const { fetch, random = Math.random } = options;
  return {
    authorize: async (client, redirectUrl, attempt) => {
      // The person takes longer than this; the exchange of the code then waits for nothing but the server.
      fetch.prepare?.();
      return authorization(await openWire(options, client, "authorizeUrl", attempt), redirectUrl, random);
    },
    device: async (client, attempt) => {
      const wire = await openWire(options, client, "deviceUrl", attempt);
      switch (client.login?.device) {
        case "codex":
          return codexDevice(wire, fetch, attempt, random);
        case "user_code":
          return userCodeDevice(wire, fetch, attempt, random);
        case undefined:
          return standardDevice(wire, attempt, random);
      }
    },
    client: async (client, attempt) =>
      clientLogin(await openWire(options, client, "tokenUrl", attempt), attempt, random),
    revoke: async (client, grant, attempt) =>
      revoke(await openWire(options, client, "revokeUrl", attempt), grant, attempt),
  };
}

/** RFC 6749 section 4.4. */
async function clientLogin(wire: Wire, attempt: Attempt, random: () => number): Promise<LoginGrant> {
  const { library, server, app, client } = wire;
  const parameters = client.scopes.length === 0 ? {} : { scope: client.scopes.join(" ") };
  const sentAt = attempt.now();
  const exchange = await wire.send(
    (options, auth) =>
      library.clientCredentialsGrantRequest(server, app, auth, new URLSearchParams(parameters), options),
    attempt.signal,
    client.body,
  );
  return readLogin(wire, exchange, { ...attempt, sentAt, random });
}

async function authorization(wire: Wire, redirectUrl: string, random: () => number): Promise<Authorization> {
  const { library, client, server } = wire;
  const state = library.generateRandomState();
  const verifier = new Secret(library.generateRandomCodeVerifier());
  if (server.authorization_endpoint === undefined) {
    throw new LoginFailed("PROVIDER_REFUSED", "its metadata name no authorization endpoint");
  }
  const url = new URL(server.authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id: client.clientId,
    redirect_uri: redirectUrl,
    scope: client.scopes.join(" "),
    state,
    code_challenge: await library.calculatePKCECodeChallenge(verifier.reveal()),
    code_challenge_method: "S256",
    ...client.login?.authorizeParameters,
  };
  for (const [name, value] of Object.entries(parameters)) if (value !== "") url.searchParams.set(name, value);
  const pending = { wire, redirectUrl, state, verifier, random };
  return { url: url.href, state, redeem: (answer, attempt) => redeem(pending, answer, attempt) };
}

interface Pending {
  readonly wire: Wire;
  readonly redirectUrl: string;
  readonly state: string;
  readonly verifier: Secret;
  readonly random: () => number;
}

async function redeem(pending: Pending, answer: URLSearchParams, attempt: Attempt): Promise<LoginGrant> {
  const { wire, redirectUrl, state, verifier, random } = pending;
  const { library, app, client } = wire;
  const server = serverFor(wire, answer);
  const checked = validated(wire, server, answer, state);
  const sentAt = attempt.now();
  const exchange = await wire.send(
    (options, auth) => {
      const additionalParameters = client.login?.stateInExchange === true ? { state } : {};
      return library.authorizationCodeGrantRequest(
        server,
        app,
        auth,
        checked,
        redirectUrl,
        verifier.reveal(),
        {
          ...options,
          additionalParameters,
        },
      );
    },
    attempt.signal,
    client.body,
  );
  return readLogin(wire, exchange, { ...attempt, sentAt, random });
}

/** Without a known issuer, one of the same place as the authorization endpoint is taken at its word. */
function serverFor({ server, isIssuerKnown }: Wire, answer: URLSearchParams): AuthorizationServer {
  const issuer = answer.get("iss");
  if (isIssuerKnown || issuer === null || !URL.canParse(issuer)) return server;
  const isSamePlace =
    new URL(issuer).origin === new URL(server.authorization_endpoint ?? server.issuer).origin;
  return isSamePlace ? { ...server, issuer } : server;
}

function validated(
  { library, app }: Wire,
  server: AuthorizationServer,
  answer: URLSearchParams,
  state: string,
) {
  try {
    // A bare code that was pasted has no state; PKCE ties it to this login all the same.
    const expected = answer.has("state") ? state : library.skipStateCheck;
    const checked = library.validateAuthResponse(server, app, answer, expected);
    if (answer.has("code")) return checked;
    throw new LoginFailed("ANSWER_UNREADABLE");
  } catch (error) {
    if (error instanceof LoginFailed) throw error;
    const code = error instanceof library.AuthorizationResponseError ? error.error : undefined;
    if (code === "access_denied") throw new LoginFailed("DENIED", "", { cause: error });
    if (code !== undefined) {
      throw new LoginFailed(
        "PROVIDER_REFUSED",
        KNOWN_ERRORS.find((known) => known === code),
        { cause: error },
      );
    }
    throw new LoginFailed("ISSUER_MISMATCH", "", { cause: error });
  }
}

async function revoke(wire: Wire, grant: LoginGrant["grant"], { now, signal }: Attempt): Promise<boolean> {
  const { library, server, app } = wire;
  if (server.revocation_endpoint === undefined) return false;
  const token = grant.kind === "token" ? grant.token : (grant.refreshToken ?? grant.accessToken);
  const isRefresh = grant.kind === "oauth" && grant.refreshToken !== undefined;
  const exchange = await wire.send(
    (options, auth) =>
      library.revocationRequest(server, app, auth, token.reveal(), {
        ...options,
        additionalParameters: { token_type_hint: isRefresh ? "refresh_token" : "access_token" },
      }),
    signal,
  );
  const answered = answeredOf(exchange);
  if (!isOk(answered)) throw refusalOf(wire, answered, undefined, now());
  return true;
}
