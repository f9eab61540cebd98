import type { Account, Grant } from "../domain/grant.ts";
import type { Secret } from "../domain/secret.ts";

/** Names in lower case, values ready to send. They carry the secret: only the wire encoder asks for them. */
export type Headers = Readonly<Record<string, string>>;
export type HeadersOf = (grant: Grant, account: Account) => Headers;

/** What of a grant is handed out. */
export function handedOut(grant: Grant): Secret {
  switch (grant.kind) {
    case "oauth":
      return grant.accessToken;
    case "token":
      return grant.token;
    case "api_key":
      return grant.key;
  }
}

/** `authorization: Bearer …`, for whatever kind of grant. */
export const bearer: HeadersOf = (grant) => ({ authorization: `Bearer ${handedOut(grant).reveal()}` });

/**
 * Lays the operator's headers over the built-in ones. `{token}` in a value stands for the secret; an
 * empty value takes a header away.
 */
export function withTemplates(headersOf: HeadersOf, templates: Headers): HeadersOf {
  return (grant, account) => {
    const headers = { ...headersOf(grant, account) };
    for (const [name, template] of Object.entries(templates)) {
      if (template === "") delete headers[name.toLowerCase()];
      else headers[name.toLowerCase()] = template.replaceAll("{token}", () => handedOut(grant).reveal());
    }
    return headers;
  };
}
