import { type ProviderDefinition, unverified } from "./definition.ts";

/** xAI's device login and API keys. */
export const xai: ProviderDefinition = {
  oauth: {
    issuer: "https://auth.x.ai",
    tokenUrl: "https://auth.x.ai/oauth2/token",
    deviceUrl: "https://auth.x.ai/oauth2/device/code",
    clientId: "b1a00492-073a-47ea-816f-4c329264a828",
    body: "form",
    scopes: ["openid", "profile", "email", "offline_access", "grok-cli:access", "api:access"],
    login: { redirect: { host: "127.0.0.1", ports: [56121], path: "/callback" } },
  },
  policy: unverified("https://x.ai/legal/terms-of-service could not be read"),
};
