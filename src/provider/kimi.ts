import { type ProviderDefinition, TERMS_READ_LATER_ON } from "./definition.ts";

/** Kimi's device login. */
export const kimi: ProviderDefinition = {
  oauth: {
    tokenUrl: "https://auth.kimi.com/api/oauth/token",
    deviceUrl: "https://auth.kimi.com/api/oauth/device_authorization",
    clientId: "17e5f671-d194-4dfb-9706-5516cb48c098",
    body: "form",
    scopes: [],
  },
  // That page offers the login to Kimi's own clients, and API keys of the membership to all others.
  policy: { failover: "manual", source: "https://www.kimi.com/code/docs/", readOn: TERMS_READ_LATER_ON },
};
