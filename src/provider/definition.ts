import type { HeadersOf } from "./headers.ts";
import type { OAuthClient, Provider, UsageEndpoint } from "./provider.ts";

/** The OAuth side of a built-in provider, where it differs from the defaults. */
export type OAuthDefinition = Pick<OAuthClient, "clientId" | "body" | "scopes"> &
  Partial<
    Pick<
      OAuthClient,
      | "tokenUrl"
      | "authorizeUrl"
      | "deviceUrl"
      | "revokeUrl"
      | "userinfoUrl"
      | "derivedTokenUrl"
      | "issuer"
      | "rotation"
      | "login"
    >
  > & {
    /** How a client secret is sent if the operator gives one. Default: `basic`. */
    readonly secretAuth?: "basic" | "post";
  };

/** A built-in provider as data. Everything in it can be overridden by the operator. */
export interface ProviderDefinition {
  /** Absent: API keys only. */
  readonly oauth?: OAuthDefinition;
  readonly usage?: UsageEndpoint;
  readonly policy: Provider["policy"];
  /** The day (YYYY-MM-DD) on which these data were last tried against the live service. Absent: never. */
  readonly verifiedAt?: string;
  /** Default: a bearer token. */
  readonly headers?: HeadersOf;
  /** Where the model API is, if a credential itself tells. */
  readonly baseUrlOf?: Provider["baseUrlOf"];
}

/** The days on which the terms named here were read. */
export const TERMS_READ_ON = "2026-11-22";
export const TERMS_READ_LATER_ON = "2026-11-26";

/** Keys are made for use by programs; switching between them is the owner's own affair. */
export const API_KEY_POLICY: Provider["policy"] = {
  failover: "auto",
  source: "API keys only",
  readOn: TERMS_READ_ON,
};

/** For subscription logins in whose terms we found nothing that binds them to one client. */
export const NO_TERM_FOUND: Provider["policy"] = {
  failover: "auto",
  source: "no term found that binds the login to the vendor's own client",
  readOn: TERMS_READ_ON,
};

/** For those whose terms could not be read. `what`: what was looked at instead, or in vain. */
export function unverified(what: string): Provider["policy"] {
  return { failover: "auto", source: `not verified: ${what}`, readOn: TERMS_READ_LATER_ON };
}
/** Google's quota calls want the project that the account was given, if one is known. */
export const PROJECT_BODY = ({ projectId }: Readonly<Record<string, string>>) =>
  projectId === undefined ? ({} as Readonly<Record<string, string>>) : { project: projectId };
