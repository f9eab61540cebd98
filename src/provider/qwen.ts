import { NO_TERM_FOUND, type ProviderDefinition } from "./definition.ts";

/** Qwen's device login. */
export const qwen: ProviderDefinition = {
  oauth: {
    tokenUrl: "https://chat.qwen.ai/api/v1/oauth2/token",
    deviceUrl: "https://chat.qwen.ai/api/v1/oauth2/device/code",
    clientId: "f0304373b74a44d2b584a3fb70ca9e56",
    body: "form",
    scopes: ["openid", "profile", "email", "model.completion"],
    login: { devicePkce: true },
  },
  policy: NO_TERM_FOUND,
};
