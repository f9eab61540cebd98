import { mergeAccounts } from "../domain/account.ts";
import { knownParts } from "../domain/claimed-account.ts";
import type { Account, OAuthGrant } from "../domain/grant.ts";
import { type Claims, jwtClaims, nestedClaims, textClaim } from "../domain/jwt.ts";
import { isOk, objectIn } from "./answer-body.ts";
import type { Wire } from "./login-wire.ts";
import type { Attempt } from "./provider.ts";

/**
 * Completes what the tokens tell of an account by the provider's userinfo, where there is one and the
 * tokens leave the e-mail open. An answer about another subject is not used (OpenID Connect Core section
 * 5.3.2), and none at all costs no login: the account is known less well then.
 */
export async function identified(
  wire: Wire,
  { accessToken, idToken }: OAuthGrant,
  told: Account,
  attempt: Attempt,
): Promise<Account> {
  if (told.email !== undefined) return told;
  const url = await wire.userinfoUrl(attempt).catch(() => undefined);
  if (url === undefined) return told;
  const answer = await wire.get(url, accessToken, attempt.signal);
  const content = answer.kind === "answered" && isOk(answer) ? objectIn(answer) : undefined;
  // Copilot's token is a long-lived one: an answer that shows it again is none.
  if (content === undefined || accessToken.isShownIn(JSON.stringify(content))) return told;
  const subject = idToken && textClaim(jwtClaims(idToken.reveal()), "sub");
  const isOther = subject !== undefined && subject !== textClaim(content, "sub");
  return isOther ? told : mergeAccounts(accountIn(content), told);
}

/** OpenID Connect's claims, GitHub's user (`id`, `login`), or Anthropic's profile. */
function accountIn(content: Claims): Account {
  const account = nestedClaims(content, "account");
  const { id } = content;
  const number = typeof id === "number" && Number.isSafeInteger(id) ? String(id) : undefined;
  return knownParts({
    accountId: textClaim(nestedClaims(content, "organization"), "uuid") ?? textClaim(content, "login"),
    userId: textClaim(content, "sub") ?? textClaim(account, "uuid") ?? number ?? textClaim(content, "id"),
    email: textClaim(content, "email") ?? textClaim(account, "email"),
  });
}
