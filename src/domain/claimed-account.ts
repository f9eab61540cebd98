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

/**
 * An account of the parts that are known and are names; the others are left out, so that merging
 * keeps what is known elsewhere.
 */
export function knownParts({
  accountId,
  userId,
  email,
  planType,
}: { readonly [K in keyof Account]?: Account[K] | undefined }): Account {
  return {
    ...(isName(accountId) ? { accountId } : {}),
    ...(isName(userId) ? { userId } : {}),
    ...(isName(email) ? { email } : {}),
    ...(isName(planType) ? { planType } : {}),
  };
}

/**
 * True for what can be a name: not too long, and without characters that nobody sees or that are none
 * (controls, marks of direction, halves of a surrogate pair). An email address may become a profile's id.
 */
export function isName(text: string | undefined): text is string {
  return text !== undefined && text.length <= 256 && !/[\p{Cc}\p{Cf}\p{Cs}]/u.test(text);
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
