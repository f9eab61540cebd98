import type { OAuthGrant } from "../domain/grant.ts";
import type { Claims } from "../domain/jwt.ts";
import { LoginFailed } from "../domain/login.ts";
import { Secret } from "../domain/secret.ts";
import { after } from "../domain/time.ts";
import { isOk, objectIn } from "./answer-body.ts";
import type { Exchange } from "./exchange.ts";
import type { Wire } from "./login-wire.ts";
import type { Attempt } from "./provider.ts";
import { readTokenAnswer } from "./token-answer.ts";

/** What GitHub answers to accounts that may not use Copilot. */
const NOT_ENTITLED = [401, 403, 404];

/** GitHub calls the derived token `token`; the rest of the answer reads like any other token answer. */
export function asTokenAnswer(content: Claims): Claims {
  return { ...content, access_token: content.token };
}

/**
 * The login of a provider whose long-lived token is exchanged for short ones: the long-lived one takes
 * the place of a refresh token and stays here. A provider that does not answer now is asked again by the
 * first refresh. Rejects with `LoginFailed` if the account gets no such token.
 */
export async function derivedGrant(
  wire: Wire,
  url: string,
  longLived: OAuthGrant,
  { now, signal }: Attempt,
  random: () => number,
): Promise<OAuthGrant> {
  const sentAt = now();
  const exchange = await wire.get(url, longLived.accessToken, signal);
  const previous: OAuthGrant = {
    kind: "oauth",
    accessToken: new Secret(""),
    refreshToken: longLived.accessToken,
    tokenType: "Bearer",
    expires: after(sentAt, 0),
    scopes: longLived.scopes,
  };
  refuseOutsider(exchange);
  const content = exchange.kind === "answered" && isOk(exchange) ? objectIn(exchange) : undefined;
  const { refreshAt } = wire.client;
  const read = content && readTokenAnswer(asTokenAnswer(content), { previous, sentAt, refreshAt, random });
  return read ?? previous;
}

function refuseOutsider(exchange: Exchange): void {
  if (exchange.kind !== "answered" || !NOT_ENTITLED.includes(exchange.status)) return;
  throw new LoginFailed("PROVIDER_REFUSED", `this account gets no token there, HTTP ${exchange.status}`);
}
