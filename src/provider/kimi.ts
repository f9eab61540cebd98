import { NO_TERM_FOUND, type ProviderDefinition } from "./definition.ts";

/** Kimi's device login. */
export const kimi: ProviderDefinition = {
  oauth: {
    tokenUrl: "https://auth.kimi.com/api/oauth/token",
    deviceUrl: "https://auth.kimi.com/api/oauth/device_authorization",
    clientId: "17e5f671-d194-4dfb-9706-5516cb48c098",
    body: "form",
    scopes: [],
  },
  policy: NO_TERM_FOUND,
};
