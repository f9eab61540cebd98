import { claimedAccount } from "../domain/claimed-account.ts";
import type { Account, Grant } from "../domain/grant.ts";
import { jwtClaims } from "../domain/jwt.ts";

/** Who a grant belongs to, as far as its JWTs tell. */
export function accountOf(grant: Grant): Account {
  switch (grant.kind) {
    case "api_key":
      return {};
    case "token":
      return claimedAccount(jwtClaims(grant.token.reveal()), undefined);
    case "oauth":
      return claimedAccount(
        jwtClaims(grant.accessToken.reveal()),
        grant.idToken && jwtClaims(grant.idToken.reveal()),
      );
  }
}
