import { mergeAccounts } from "../domain/account.ts";
import type { Account, OAuthGrant } from "../domain/grant.ts";
import type { Now } from "../domain/time.ts";
import { isSafeForSecrets } from "../domain/url.ts";
import { accountOf } from "./account.ts";
import { objectIn } from "./answer-body.ts";
import { getWithToken } from "./bearer-request.ts";
import { readTokenError } from "./classify.ts";
import { asTokenAnswer } from "./derived-token.ts";
import { createDiscovery, type Discovery, type Reach } from "./discovery.ts";
import { type Answered, type Exchange, post } from "./exchange.ts";
import type { Fetch } from "./fetch.ts";
import type { RefreshAnswer, RefreshGrant } from "./provider.ts";
import { readTokenAnswer } from "./token-answer.ts";
import { buildTokenRequest } from "./token-request.ts";

type RefreshRequest = Parameters<RefreshGrant>[0];

/**
 * Refreshes OAuth grants over the network (RFC 6749 section 6). The caller's signal is the deadline
 * for the whole; `random` gives [0, 1) and spreads the next refresh.
 *
 * Own code instead of an OAuth library: the known ones send no JSON bodies, refuse answers without
 * `token_type` or with `expires_in` as text, know only flat errors, and do not tell a request that
 * never left from one whose answer was lost. Each of these happens with the providers built in here.
 */
export function createRefreshGrant(options: {
  readonly fetch: Fetch;
  /** Default: one of its own. */
  readonly discovery?: Discovery;
  readonly random?: () => number;
}): RefreshGrant {
  const { fetch, discovery = createDiscovery(fetch), random = Math.random } = options;
  return async (request) => {
    const sentAt = request.now();
    const sent = await sendRefresh(request, { fetch, discovery });
    return sent.kind === "answered" ? readRefresh(sent, request, sentAt, random) : sent;
  };
}

/** Asks for a new access token, once. Whatever fails before the connection is up is `unsent`. */
async function sendRefresh(request: RefreshRequest, { fetch, discovery }: Reach): Promise<Exchange> {
  const { client, grant, signal } = request;
  const parameters = parametersOf(request);
  if (parameters === undefined) return { kind: "unsent", code: "no_refresh_token" };
  if (client.derivedTokenUrl !== undefined && grant.refreshToken !== undefined) {
    return getWithToken(fetch, client.derivedTokenUrl, grant.refreshToken, signal);
  }
  const tokenUrl = await tokenUrlOf(request, discovery);
  if (tokenUrl === undefined) return { kind: "unsent", code: "no_metadata" };
  if (!isSafeForSecrets(new URL(tokenUrl))) return { kind: "unsent", code: "insecure_url" };
  try {
    return await post(fetch, tokenUrl, await buildTokenRequest(client, parameters), signal);
  } catch {
    return { kind: "unsent", code: "no_client_secret" };
  }
}

/** Undefined: there is nothing to ask with. */
function parametersOf({ client, grant }: RefreshRequest): Readonly<Record<string, string>> | undefined {
  const { refreshToken, renewal } = grant;
  if (refreshToken !== undefined) {
    const { refreshScopes } = client;
    return {
      grant_type: "refresh_token",
      refresh_token: refreshToken.reveal(),
      ...(refreshScopes === undefined ? {} : { scope: refreshScopes.join(" ") }),
    };
  }
  if (renewal !== "client") return undefined;
  const scope = client.scopes.join(" ");
  return { grant_type: "client_credentials", ...(scope === "" ? {} : { scope }) };
}

async function tokenUrlOf({ client, now, signal }: RefreshRequest, discovery: Discovery) {
  if (client.tokenUrl !== undefined || client.issuer === undefined) return client.tokenUrl;
  const found = await discovery.find(client.issuer, { now, signal }).catch(() => undefined);
  return found?.token_endpoint;
}

/**
 * Reads a complete answer. A 2xx with tokens is a grant; an error object, an HTML page and a redirect
 * are what they are under any status. Any other 2xx counts as lost: the server took the token, so it
 * may be spent, although we cannot read what came of it.
 */
function readRefresh(
  answered: Answered,
  { client, grant, account, now }: RefreshRequest,
  sentAt: Now,
  random: () => number,
): RefreshAnswer {
  const { status, headers, body } = answered;
  if (status >= 300 && status < 400) return { kind: "not_now", code: "redirected", httpStatus: status };
  if (status >= 200 && status < 300) {
    const given = objectIn(answered);
    const content = client.derivedTokenUrl === undefined ? given : given && asTokenAnswer(given);
    const renewed =
      content && readTokenAnswer(content, { previous: grant, sentAt, refreshAt: client.refreshAt, random });
    if (renewed !== undefined) {
      return {
        kind: "granted",
        grant: renewed,
        account: mergeAccounts(account, accountOfFresh(renewed, grant)),
        rotated: renewed.refreshToken?.equals(grant.refreshToken) === false,
      };
    }
    if (isPage(answered)) return { kind: "not_now", code: "html", httpStatus: status };
    // MiniMax refuses with status 200.
    const isRefusal = content?.status === "error";
    const isError = content?.error !== undefined && content.error !== null;
    if (!isError && !isRefusal) return { kind: "lost", code: "no_grant" };
  }
  const error = readTokenError({
    providerId: client.providerId,
    status,
    headers,
    body,
    receivedAtMs: now().wallMs,
  });
  return error.kind === "terminal" ? error : { ...error, httpStatus: status };
}

/** What the new tokens tell; an id token that was only kept tells nothing new. */
function accountOfFresh(renewed: OAuthGrant, old: OAuthGrant): Account {
  const { idToken, ...withoutIdToken } = renewed;
  return accountOf(idToken?.equals(old.idToken) ? withoutIdToken : renewed);
}

/** A page of a gateway or captive portal: the request did not reach the token endpoint. */
function isPage({ headers, body }: Answered): boolean {
  return headers["content-type"]?.startsWith("text/html") === true || /^\s*<(!doctype|html)\b/i.test(body);
}
