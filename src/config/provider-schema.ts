import { z } from "zod";
import { ROTATIONS } from "../domain/grant.ts";
import { splitProfileId } from "../domain/profile.ts";
import { Secret } from "../domain/secret.ts";
import { STRATEGIES } from "../provider/provider.ts";
import { duration } from "./duration.ts";
import { secretUrl } from "./url.ts";

const text = z.string().min(1, "must not be empty");

/** `<provider>:<label>`. */
export const profileId = z
  .string()
  .refine((id) => splitProfileId(id) !== undefined, 'must be a profile id, "<provider>:<label>"');

/** A provider's id: letters, digits, dot, dash and underscore. */
export const providerId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "a provider id has letters, digits, '.', '-' and '_' only");

const envName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable");

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of an HTTP header");
const headerValue = z.string().regex(/^[\t\x20-\x7e]*$/, "must be one line of plain text");

const clientSecret = z.union(
  [
    text.transform((value) => new Secret(value)),
    z.strictObject({ command: z.array(z.string()).min(1, "must name a program") }),
  ],
  { error: 'must be a text or {"command": ["program", "argument"]}' },
);

const loopbackUrl = z
  .string()
  .regex(
    /^http:\/\/(localhost|127\.0\.0\.1)(:[1-9]\d{0,4})?\/[\w./-]*$/,
    'must be such as "http://localhost:8085/callback"',
  );

const policy = z.strictObject({
  failover: z.enum(["auto", "manual"]).describe("May a session be moved to another account by itself?"),
  source: text.exactOptional().describe("Where the rule stands"),
  readOn: text.exactOptional().describe("When it was read there, as YYYY-MM-DD"),
});

const env = z
  .strictObject({
    token: envName.exactOptional(),
    apiKey: envName.exactOptional(),
    baseUrl: envName.exactOptional(),
  })
  .describe("Names of the variables that `run` sets");

/** Everything that can be said of a provider, built in or the operator's own. Durations in milliseconds. */
export const providerSchema = z.strictObject({
  type: z.enum(["generic-oauth2", "api-key"]).exactOptional().describe("Of a provider that is not built in"),
  strategy: z.enum(STRATEGIES).exactOptional().describe("How a profile is chosen. Default: ordered"),
  order: z.array(profileId).exactOptional().describe("Only these profiles serve, in this order"),
  meteredFallback: z
    .boolean()
    .exactOptional()
    .describe("May metered profiles serve where others exist? Default: false"),
  costClass: z.enum(["subscription", "metered"]).exactOptional().describe("Of all its profiles"),
  baseUrl: secretUrl.exactOptional().describe("Where the model API is; handed out with the credential"),
  headers: z
    .record(headerName, headerValue)
    .exactOptional()
    .describe('Added to or in place of the built-in ones; "{token}" stands for the secret, "" removes one'),
  env: env.exactOptional(),
  policy: policy.exactOptional(),
  issuer: secretUrl.exactOptional().describe("Of its OAuth server, compared at login"),
  tokenUrl: secretUrl.exactOptional().describe("Default: looked up with the issuer"),
  authorizeUrl: secretUrl.exactOptional(),
  deviceUrl: secretUrl.exactOptional(),
  revokeUrl: secretUrl.exactOptional(),
  usageUrl: secretUrl.exactOptional().describe("Where an account's usage is read"),
  usagePolling: z
    .boolean()
    .exactOptional()
    .describe("May usage be read there when somebody needs it? Default: true"),
  userinfoUrl: secretUrl.exactOptional().describe("Tells whose a token is, where the token itself does not"),
  derivedTokenUrl: secretUrl
    .exactOptional()
    .describe("Where short-lived tokens are derived from the long-lived one that a login gives"),
  grantType: z
    .enum(["client_credentials"])
    .exactOptional()
    .describe("client_credentials: the client logs itself in. Default: a person does"),
  redirectUrl: loopbackUrl
    .exactOptional()
    .describe("Where a login's browser is sent; on this machine. Without a port: any that is free"),
  pasteRedirectUrl: secretUrl
    .exactOptional()
    .describe("A page of the vendor that shows the code, for logins whose answer is pasted"),
  clientId: text.exactOptional(),
  clientSecret: clientSecret.exactOptional(),
  clientAuth: z.enum(["none", "basic", "post"]).exactOptional(),
  body: z.enum(["form", "json"]).exactOptional().describe("Of the token request"),
  scopes: z.array(text).exactOptional().describe("Asked for at login"),
  rotation: z
    .enum(ROTATIONS)
    .exactOptional()
    .describe("How a used refresh token is treated. Default: strict"),
  rotationGrace: duration.exactOptional().describe("How long a used one is still taken, with grace"),
  refreshAt: z
    .number()
    .gt(0, "must be between 0 and 1")
    .lt(1, "must be between 0 and 1")
    .exactOptional()
    .describe("Fraction of a token's life after which it is refreshed. Default: 0.8"),
});

/** What the operator set for one provider; a key that is absent leaves the default. */
export type ProviderConfig = z.output<typeof providerSchema>;
