import { expiryOf } from "./grant.ts";
import type { Profile } from "./profile.ts";
import type { Secret } from "./secret.ts";
import type { Deadline } from "./time.ts";

/**
 * What leaves the broker for one generation of a profile. There is no place in it for a refresh
 * token.
 */
export interface Credential {
  readonly secret:
    | {
        readonly kind: "oauth";
        readonly accessToken: Secret;
        readonly tokenType: string;
        readonly idToken?: Secret;
        readonly accountId: string;
        readonly planType: string;
      }
    | { readonly kind: "api_key"; readonly key: Secret };
  readonly expires?: Deadline;
  readonly baseUrl: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Takes out of a profile what a caller may have. `baseUrl`: where the provider's own is used if the profile has none. */
export function credentialOf(profile: Profile, baseUrl: string): Credential {
  const expires = expiryOf(profile.grant);
  const { email } = profile.account;
  return {
    secret: secretOf(profile),
    ...(expires === undefined ? {} : { expires }),
    baseUrl: profile.baseUrl === "" ? baseUrl : profile.baseUrl,
    attributes: email === undefined ? profile.attributes : { email, ...profile.attributes },
  };
}

function secretOf(profile: Profile): Credential["secret"] {
  const { grant, account } = profile;
  if (grant.kind === "api_key") return { kind: "api_key", key: grant.key };
  const known = { accountId: account.accountId ?? "", planType: account.planType ?? "" };
  if (grant.kind === "token")
    return { kind: "oauth", accessToken: grant.token, tokenType: "Bearer", ...known };
  return {
    kind: "oauth",
    accessToken: grant.accessToken,
    tokenType: grant.tokenType,
    ...(grant.idToken === undefined ? {} : { idToken: grant.idToken }),
    ...known,
  };
}
