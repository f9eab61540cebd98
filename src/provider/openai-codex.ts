import { NO_TERM_FOUND, type ProviderDefinition } from "./definition.ts";
import { bearer, type HeadersOf } from "./headers.ts";

const headers: HeadersOf = (grant, account) => ({
  ...bearer(grant, account),
  ...(grant.kind === "api_key" || account.accountId === undefined
    ? {}
    : { "chatgpt-account-id": account.accountId }),
});

/**
 * ChatGPT subscriptions through the OAuth client of the Codex CLI. Using a refresh token twice
 * revokes the whole family. A refresh sends no scopes, as the Codex CLI does not either (measured).
 */
export const openaiCodex: ProviderDefinition = {
  oauth: {
    issuer: "https://auth.openai.com",
    tokenUrl: "https://auth.openai.com/oauth/token",
    authorizeUrl: "https://auth.openai.com/oauth/authorize",
    deviceUrl: "https://auth.openai.com/api/accounts/deviceauth/usercode",
    revokeUrl: "https://auth.openai.com/oauth/revoke",
    clientId: "app_EMoamEEZ73f0CkXaXp7hrann",
    body: "form",
    scopes: ["openid", "profile", "email", "offline_access"],
    rotation: "strict",
    login: {
      redirect: { host: "localhost", ports: [1455, 1457], path: "/auth/callback" },
      authorizeParameters: {
        id_token_add_organizations: "true",
        codex_cli_simplified_flow: "true",
        originator: "auth-broker",
      },
      device: "codex",
    },
  },
  usage: { url: "https://chatgpt.com/backend-api/wham/usage" },
  policy: NO_TERM_FOUND,
  headers,
};
