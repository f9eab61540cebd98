import { mergeAccounts } from "../domain/account.ts";
import type { Account, OAuthGrant } from "../domain/grant.ts";
import type { Claims } from "../domain/jwt.ts";
import type { Now } from "../domain/time.ts";
import { isSafeForSecrets } from "../domain/url.ts";
import { accountOf } from "./account.ts";
import { readTokenError } from "./classify.ts";
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
  readonly random?: () => number;
}): RefreshGrant {
  const { fetch, random = Math.random } = options;
  return async (request) => {
    const sentAt = request.now();
    const sent = await sendRefresh(request, fetch);
    return sent.kind === "answered" ? readRefresh(sent, request, sentAt, random) : sent;
  };
}

/** Sends the grant's refresh token, once. Whatever fails before the connection is up is `unsent`. */
async function sendRefresh(request: RefreshRequest, fetch: Fetch): Promise<Exchange> {
  const { client, grant, signal } = request;
  const { refreshToken } = grant;
  if (refreshToken === undefined) return { kind: "unsent", code: "no_refresh_token" };
  if (!isSafeForSecrets(new URL(client.tokenUrl))) return { kind: "unsent", code: "insecure_url" };
  try {
    const tokenRequest = await buildTokenRequest(client, {
      grant_type: "refresh_token",
      refresh_token: refreshToken.reveal(),
      ...(client.refreshScopes === undefined ? {} : { scope: client.refreshScopes.join(" ") }),
    });
    return await post(fetch, client.tokenUrl, tokenRequest, signal);
  } catch {
    return { kind: "unsent", code: "no_client_secret" };
  }
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
    const content = objectIn(answered);
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
    if (content?.error === undefined || content.error === null) return { kind: "lost", code: "no_grant" };
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

function objectIn({ body }: Answered): Claims | undefined {
  try {
    const content: unknown = JSON.parse(body);
    return typeof content === "object" && content !== null ? (content as Claims) : undefined;
  } catch {
    return undefined;
  }
}

/** A page of a gateway or captive portal: the request did not reach the token endpoint. */
function isPage({ headers, body }: Answered): boolean {
  return headers["content-type"]?.startsWith("text/html") === true || /^\s*<(!doctype|html)\b/i.test(body);
}
