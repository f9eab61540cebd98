import { type ProviderDefinition, TERMS_READ_ON } from "./definition.ts";
import { bearer, type HeadersOf, handedOut } from "./headers.ts";

const headers: HeadersOf = (grant, account) =>
  grant.kind === "api_key"
    ? { "x-api-key": handedOut(grant).reveal() }
    : { ...bearer(grant, account), "anthropic-beta": "oauth-2025-04-20" };

/** Claude subscriptions (login or setup token) and Anthropic's API keys. */
export const anthropic: ProviderDefinition = {
  oauth: {
    tokenUrl: "https://platform.claude.com/v1/oauth/token",
    authorizeUrl: "https://claude.ai/oauth/authorize",
    userinfoUrl: "https://api.anthropic.com/api/oauth/profile",
    clientId: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
    body: "json",
    scopes: [
      "org:create_api_key",
      "user:profile",
      "user:inference",
      "user:sessions:claude_code",
      "user:mcp_servers",
      "user:file_upload",
    ],
    rotation: "strict",
    login: {
      redirect: { host: "localhost", ports: [54545, 53692], path: "/callback" },
      pasteRedirect: "https://platform.claude.com/oauth/code/callback",
      authorizeParameters: { code: "true" },
      stateInExchange: true,
    },
  },
  usage: { url: "https://api.anthropic.com/api/oauth/usage" },
  policy: {
    failover: "manual",
    source: "https://code.claude.com/docs/en/legal-and-compliance",
    readOn: TERMS_READ_ON,
  },
  headers,
};
