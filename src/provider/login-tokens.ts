import { mergeAccounts } from "../domain/account.ts";
import { knownParts } from "../domain/claimed-account.ts";
import type { Account, OAuthGrant, TokenGrant } from "../domain/grant.ts";
import { type Claims, jwtClaims, jwtTimes, nestedClaims, textClaim } from "../domain/jwt.ts";
import { LoginFailed } from "../domain/login.ts";
import type { Now } from "../domain/time.ts";
import { isSafeForSecrets } from "../domain/url.ts";
import { accountOf } from "./account.ts";
import { isOk, objectIn } from "./answer-body.ts";
import { readTokenError } from "./classify.ts";
import { derivedGrant } from "./derived-token.ts";
import type { Answered, Exchange } from "./exchange.ts";
import type { Wire } from "./login-wire.ts";
import type { Attempt, LoginGrant } from "./provider.ts";
import { readTokenAnswer } from "./token-answer.ts";
import { identified } from "./userinfo.ts";

/** Clocks that differ by less tell the same time; an answer takes its while, too. */
const SKEW_WORTH_TELLING_MS = 60_000;
const LONGEST_URL = 2_048;

export interface TokenContext extends Attempt {
  /** When the request was sent. */
  readonly sentAt: Now;
  /** Gives [0, 1). */
  readonly random: () => number;
}

/** Reads the answer to a login's token request. Rejects with `LoginFailed`. */
export async function readLogin(wire: Wire, exchange: Exchange, context: TokenContext): Promise<LoginGrant> {
  const answered = answeredOf(exchange);
  const content = objectIn(answered);
  const { sentAt, random } = context;
  const now = context.now();
  const granted =
    isOk(answered) && content !== undefined
      ? readTokenAnswer(content, { sentAt, refreshAt: wire.client.refreshAt, random })
      : undefined;
  if (content === undefined || granted === undefined) throw refusalOf(wire, answered, content, now);
  await checkIdToken(wire, granted);
  const grant = await keepable(wire, granted, content, context);
  const skewMs = skewOf(granted, now);
  const told = mergeAccounts(accountInAnswer(content), accountOf(granted));
  const baseUrl = baseUrlIn(content);
  return {
    grant,
    account: await accountFor(wire, granted, told, context),
    missingScopes: missingScopes(wire.client.scopes, content),
    ...(skewMs === undefined ? {} : { skewMs }),
    ...(baseUrl === undefined ? {} : { baseUrl }),
  };
}

/** The complete answer, or `LoginFailed`. */
export function answeredOf(exchange: Exchange): Answered {
  if (exchange.kind === "answered") return exchange;
  throw new LoginFailed("UPSTREAM_UNAVAILABLE", exchange.code, { isRepeatable: exchange.kind === "unsent" });
}

/** What a complete answer without tokens means for a login. */
export function refusalOf(
  wire: Wire,
  answered: Answered,
  content: Claims | undefined,
  now: Now,
): LoginFailed {
  const { status, headers, body } = answered;
  const isClaimed = content?.error !== undefined && content.error !== null;
  if (isOk(answered) && content !== undefined && !isClaimed) return new LoginFailed("ANSWER_UNREADABLE");
  const { providerId } = wire.client;
  const error = readTokenError({ providerId, status, headers, body, receivedAtMs: now.wallMs });
  if (error.kind === "terminal") {
    const isDenied = error.code === "access_denied" || error.code === "authorization_declined";
    return isDenied ? new LoginFailed("DENIED") : new LoginFailed("CODE_REFUSED", error.code);
  }
  if (error.code === "client_refused") return new LoginFailed("CLIENT_REFUSED");
  // Nothing took notice of the code: a gateway, a throttle, a server in trouble.
  const isRepeatable = [403, 404, 429].includes(status) || status >= 500;
  const reason = isRepeatable ? "UPSTREAM_UNAVAILABLE" : "PROVIDER_REFUSED";
  return new LoginFailed(reason, `${error.code}, HTTP ${status}`, { isRepeatable });
}

/** The id token must be from the issuer and for this client, where the issuer is known. */
async function checkIdToken(
  { library, server, app, isIssuerKnown }: Wire,
  { idToken }: OAuthGrant,
): Promise<void> {
  if (idToken === undefined || !isIssuerKnown) return;
  const bare = { access_token: "-", token_type: "bearer", id_token: idToken.reveal() };
  const response = new Response(JSON.stringify(bare), { headers: { "content-type": "application/json" } });
  await library.processAuthorizationCodeResponse(server, app, response).catch((cause: unknown) => {
    throw new LoginFailed("ID_TOKEN_INVALID", "", { cause });
  });
}

async function keepable(
  wire: Wire,
  granted: OAuthGrant,
  content: Claims,
  context: TokenContext,
): Promise<OAuthGrant | TokenGrant> {
  const { grantType, derivedTokenUrl, login } = wire.client;
  if (grantType === "client_credentials") {
    const { refreshToken: _needless, ...grant } = granted;
    return { ...grant, renewal: "client" };
  }
  if (derivedTokenUrl !== undefined) {
    return derivedGrant(wire, derivedTokenUrl, granted, context, context.random);
  }
  if (granted.refreshToken !== undefined) return granted;
  if (login?.longLived === true && content.expires_in === undefined) {
    return { kind: "token", token: granted.accessToken };
  }
  throw new LoginFailed("NO_REFRESH_TOKEN");
}

/** A client that logs in for itself is its own account, if its tokens name no other. */
async function accountFor(
  wire: Wire,
  granted: OAuthGrant,
  told: Account,
  context: TokenContext,
): Promise<Account> {
  if (wire.client.grantType === "client_credentials") return { userId: wire.client.clientId, ...told };
  return identified(wire, granted, told, context);
}

/** Qwen and MiniMax name the API's address beside the tokens, without a scheme at times. */
function baseUrlIn(content: Claims): string | undefined {
  const named = textClaim(content, "resource_url");
  if (named === undefined || named.length > LONGEST_URL) return undefined;
  const url = /^[a-z]+:\/\//i.test(named) ? named : `https://${named}`;
  return URL.canParse(url) && isSafeForSecrets(new URL(url)) ? url : undefined;
}

function skewOf({ accessToken, idToken }: OAuthGrant, now: Now): number | undefined {
  const times = [idToken, accessToken].map(
    (token) => token && jwtTimes(jwtClaims(token.reveal())).issuedAtMs,
  );
  const issuedAtMs = times.find((at) => at !== undefined);
  if (issuedAtMs === undefined) return undefined;
  const skewMs = issuedAtMs - now.wallMs;
  return Math.abs(skewMs) > SKEW_WORTH_TELLING_MS ? skewMs : undefined;
}

/** That offline_access was granted shows in the refresh token; many servers do not repeat it. */
function missingScopes(asked: readonly string[], content: Claims): readonly string[] {
  const granted = textClaim(content, "scope")?.split(" ");
  if (granted === undefined) return [];
  return asked.filter((scope) => scope !== "offline_access" && !granted.includes(scope));
}

/** Anthropic names account and organisation beside the tokens, which are opaque. */
function accountInAnswer(content: Claims): Account {
  const account = nestedClaims(content, "account");
  return knownParts({
    accountId: textClaim(nestedClaims(content, "organization"), "uuid"),
    userId: textClaim(account, "uuid"),
    email: textClaim(account, "email_address"),
  });
}
