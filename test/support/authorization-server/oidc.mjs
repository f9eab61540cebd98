import { createPrivateKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { Provider } from "oidc-provider";

/** @typedef {import("../authorization-server.mjs").LoginAccount} LoginAccount */

/** Where ChatGPT's tokens say which account, user and plan they are for. */
export const ACCOUNT_CLAIM = "https://api.openai.com/auth";
export const REDIRECT_URI = "http://127.0.0.1/callback";
export const SCOPE = "openid profile email offline_access";

/** A user who says no to everything. */
export const NOBODY = "nobody";

const RESOURCE = "https://api.example.test/v1";
const THIRTY_DAYS_SEC = 30 * 86_400;

/**
 * An OpenID provider with one public client, as vendors' command lines are: no secret, PKCE, loopback
 * redirects. Access tokens are JWTs, refresh tokens opaque; reuse of a spent one revokes the grant.
 *
 * @param {string} issuer
 * @param {{clientId: string, accounts: Map<string, LoginAccount>, adapter: (model: string) => object,
 *   rotate: boolean, refreshTokens: boolean, deviceTtlSec: number, ttlSec: () => number,
 *   clientSecret?: string, opaqueTokens: boolean}} options
 */
export function openidProvider(issuer, options) {
  const { clientId, accounts, adapter, rotate, refreshTokens, deviceTtlSec, ttlSec } = options;
  const { clientSecret, opaqueTokens } = options;
  return new Provider(issuer, {
    adapter,
    jwks: { keys: [signingKey()] },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    clients: [clientSecret === undefined ? publicClient(clientId) : machine(clientId, clientSecret)],
    routes: {
      authorization: "/oauth/authorize",
      token: "/oauth/token",
      revocation: "/oauth/revoke",
      device_authorization: "/oauth/device",
      code_verification: "/device",
    },
    scopes: SCOPE.split(" "),
    claims: { openid: ["sub", ACCOUNT_CLAIM], email: ["email", "email_verified"] },
    // As the standard has it: beside an access token, what a scope brings stands in the userinfo alone.
    conformIdTokenClaims: opaqueTokens,
    findAccount(_ctx, sub) {
      const account = accounts.get(sub);
      if (account === undefined) return undefined;
      const claims = {
        sub,
        email: account.email,
        email_verified: true,
        [ACCOUNT_CLAIM]: codexClaims(account),
      };
      return { accountId: sub, claims: () => claims };
    },
    extraTokenClaims(_ctx, token) {
      const account = accounts.get(token.accountId);
      // A client that logged itself in.
      if (account === undefined) return undefined;
      return {
        [ACCOUNT_CLAIM]: codexClaims(account),
        "https://api.openai.com/profile": { email: account.email },
      };
    },
    issueRefreshToken: () => refreshTokens,
    expiresWithSession: () => false,
    rotateRefreshToken: rotate,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: clientSecret !== undefined },
      deviceFlow: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: opaqueTokens ? { enabled: false } : jwtAccessTokens(ttlSec),
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    renderError(ctx, out) {
      ctx.body = JSON.stringify(out);
    },
    ttl: {
      AccessToken: ttlSec,
      ClientCredentials: ttlSec,
      RefreshToken: THIRTY_DAYS_SEC,
      Grant: THIRTY_DAYS_SEC,
      Session: THIRTY_DAYS_SEC,
      IdToken: ttlSec,
      Interaction: 600,
      DeviceCode: deviceTtlSec,
    },
  });
}

/**
 * Says yes to every page of a login, as the account in `login_hint` or, where the client could not be
 * given one, as `user`; no if that is `NOBODY`.
 *
 * @param {import("node:http").IncomingMessage} req
 * @param {import("node:http").ServerResponse} res
 * @param {string} user
 */
export async function approve(provider, req, res, user) {
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  const accountId = params.login_hint ?? user;
  if (accountId === NOBODY) {
    await provider.interactionFinished(req, res, { error: "access_denied" });
    return;
  }
  if (prompt.name === "login") {
    await provider.interactionFinished(req, res, { login: { accountId } });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addResourceScope(RESOURCE, params.scope);
  await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } });
}

function codexClaims({ accountId, userId, sub, planType }) {
  return {
    chatgpt_account_id: accountId,
    chatgpt_user_id: userId ?? sub,
    chatgpt_plan_type: planType ?? "plus",
  };
}

/**
 * By way of a text: Node 20 hangs for good when it collects the job that made a key while that very key is
 * being exported (the job's end wants the lock that the export holds).
 */
function signingKey() {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return { ...createPrivateKey(privateKey).export({ format: "jwk" }), alg: "ES256", use: "sig" };
}

function publicClient(clientId) {
  return {
    client_id: clientId,
    application_type: "native",
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    response_types: ["code"],
    // The port of a loopback address is free (RFC 8252 section 7.3).
    redirect_uris: [
      REDIRECT_URI,
      "http://127.0.0.1/auth/callback",
      "http://localhost/callback",
      "http://localhost/auth/callback",
      "http://127.0.0.1/deviceauth/callback",
    ],
    id_token_signed_response_alg: "ES256",
  };
}

/** A client with a secret that logs itself in. */
function machine(clientId, clientSecret) {
  return {
    client_id: clientId,
    client_secret: clientSecret,
    token_endpoint_auth_method: "client_secret_basic",
    grant_types: ["client_credentials"],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: "ES256",
  };
}

function jwtAccessTokens(ttlSec) {
  return {
    enabled: true,
    defaultResource: () => RESOURCE,
    useGrantedResource: () => true,
    getResourceServerInfo: () => ({
      scope: SCOPE,
      audience: RESOURCE,
      accessTokenTTL: ttlSec(),
      accessTokenFormat: "jwt",
      jwt: { sign: { alg: "ES256" } },
    }),
  };
}
