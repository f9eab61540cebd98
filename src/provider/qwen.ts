import { type ProviderDefinition, unverified } from "./definition.ts";

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
  policy: unverified(
    "the terms could not be read; https://github.com/QwenLM/qwen-code/blob/main/docs/users/configuration/auth.md names a quota and no such term",
  ),
};
