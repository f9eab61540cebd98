import type { Account, Grant } from "../domain/grant.ts";
import { type Claims, jwtClaims, nestedClaims, textClaim } from "../domain/jwt.ts";

/** Namespaces under which OpenAI puts its claims (measured in tokens of the Codex CLI). */
const OPENAI_AUTH = "https://api.openai.com/auth";
const OPENAI_PROFILE = "https://api.openai.com/profile";

/**
 * Who a grant belongs to, as far as its JWTs tell. The access token comes first: an id token may be
 * an older one that was kept. OpenAI's claims have a namespace of their own, so one reading serves
 * every provider. Without them the subject is the user (OpenID Connect Core section 2).
 */
export function accountOf(grant: Grant): Account {
  switch (grant.kind) {
    case "api_key":
      return {};
    case "token":
      return accountOfClaims(jwtClaims(grant.token.reveal()));
    case "oauth":
      return {
        ...accountOfClaims(grant.idToken && jwtClaims(grant.idToken.reveal())),
        ...accountOfClaims(jwtClaims(grant.accessToken.reveal())),
      };
  }
}

function accountOfClaims(claims: Claims | undefined): Account {
  const auth = nestedClaims(claims, OPENAI_AUTH);
  const accountId = textClaim(auth, "chatgpt_account_id");
  const userId = textClaim(auth, "chatgpt_user_id") ?? textClaim(auth, "user_id");
  const subject = auth === undefined ? textClaim(claims, "sub") : undefined;
  const email = textClaim(claims, "email") ?? textClaim(nestedClaims(claims, OPENAI_PROFILE), "email");
  const planType = textClaim(auth, "chatgpt_plan_type");
  return {
    ...(accountId === undefined ? {} : { accountId }),
    ...(userId === undefined ? {} : { userId }),
    ...(subject === undefined ? {} : { userId: subject }),
    ...(email === undefined ? {} : { email }),
    ...(planType === undefined ? {} : { planType }),
  };
}
