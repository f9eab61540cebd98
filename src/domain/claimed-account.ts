import type { Account } from "./grant.ts";
import { type Claims, nestedClaims, textClaim } from "./jwt.ts";

/** Namespaces under which OpenAI puts its claims (measured in tokens of the Codex CLI). */
const OPENAI_AUTH = "https://api.openai.com/auth";
const OPENAI_PROFILE = "https://api.openai.com/profile";

/**
 * Who a login belongs to, as far as the claims of its tokens tell. The access token comes first: an
 * id token may be an older one that was kept. OpenAI's claims have a namespace of their own, so one
 * reading serves every provider; without them the subject is the user (OpenID Connect Core section 2).
 */
export function claimedAccount(access: Claims | undefined, idToken: Claims | undefined): Account {
  return { ...accountOfClaims(idToken), ...accountOfClaims(access) };
}

/** An account of the parts that are known; the others are left out, so that merging keeps what is known elsewhere. */
export function knownParts(parts: { readonly [K in keyof Account]?: Account[K] | undefined }): Account {
  return {
    ...(parts.accountId === undefined ? {} : { accountId: parts.accountId }),
    ...(parts.userId === undefined ? {} : { userId: parts.userId }),
    ...(parts.email === undefined ? {} : { email: parts.email }),
    ...(parts.planType === undefined ? {} : { planType: parts.planType }),
  };
}

function accountOfClaims(claims: Claims | undefined): Account {
  const auth = nestedClaims(claims, OPENAI_AUTH);
  return knownParts({
    accountId: textClaim(auth, "chatgpt_account_id"),
    userId:
      auth === undefined
        ? textClaim(claims, "sub")
        : (textClaim(auth, "chatgpt_user_id") ?? textClaim(auth, "user_id")),
    email: textClaim(claims, "email") ?? textClaim(nestedClaims(claims, OPENAI_PROFILE), "email"),
    planType: textClaim(auth, "chatgpt_plan_type"),
  });
}
