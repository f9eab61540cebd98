import { type ProviderDefinition, unverified } from "./definition.ts";

/** MiniMax's login (a user code of its own make, not RFC 8628) and API keys. */
export const minimax: ProviderDefinition = {
  oauth: {
    tokenUrl: "https://api.minimax.io/oauth/token",
    deviceUrl: "https://api.minimax.io/oauth/code",
    clientId: "78257093-7e40-4613-99e0-527b14b39113",
    body: "form",
    scopes: ["group_id", "profile", "model.completion"],
    login: { device: "user_code" },
  },
  policy: unverified(
    "https://www.minimax.io/terms-of-service-v2.html leaves it to terms of its products, which could not be read",
  ),
};
