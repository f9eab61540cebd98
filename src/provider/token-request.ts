import type { OAuthClient } from "./provider.ts";

/** Headers and body of a request to the token endpoint. Both carry secrets. */
export interface TokenRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Builds a token request in the form that the client's server wants: form or JSON, and the client
 * named in the body or by HTTP Basic (RFC 6749 section 2.3.1). Rejects if the client secret is not
 * to be had.
 */
export async function buildTokenRequest(
  client: OAuthClient,
  parameters: Readonly<Record<string, string>>,
): Promise<TokenRequest> {
  const secret = client.clientAuth === "none" ? undefined : await client.clientSecret?.();
  const isBasic = client.clientAuth === "basic" && secret !== undefined;
  const fields: Record<string, string> = {
    ...parameters,
    ...(isBasic ? {} : { client_id: client.clientId }),
    ...(secret === undefined || isBasic ? {} : { client_secret: secret.reveal() }),
  };
  const isJson = client.body === "json";
  return {
    headers: {
      accept: "application/json",
      "content-type": isJson ? "application/json" : "application/x-www-form-urlencoded",
      "user-agent": "auth-broker",
      ...(isBasic ? { authorization: basic(client.clientId, secret.reveal()) } : {}),
    },
    body: isJson ? JSON.stringify(fields) : new URLSearchParams(fields).toString(),
  };
}

/** Both parts are form-encoded before they are joined. */
function basic(clientId: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams({ "": text }).toString().slice(1);
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString("base64")}`;
}
