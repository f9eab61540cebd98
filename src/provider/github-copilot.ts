import { type ProviderDefinition, TERMS_READ_ON } from "./definition.ts";

/**
 * GitHub's device login as used for Copilot. What it gives is the long-lived GitHub token; the
 * short-lived Copilot token that clients derive from it is their own affair.
 */
export const githubCopilot: ProviderDefinition = {
  oauth: {
    tokenUrl: "https://github.com/login/oauth/access_token",
    deviceUrl: "https://github.com/login/device/code",
    clientId: "Iv1.b507a08c87ecfe98",
    body: "form",
    scopes: ["read:user"],
    rotation: "none",
    login: { longLived: true },
  },
  policy: {
    failover: "manual",
    source:
      "https://docs.github.com/en/site-policy/github-terms/github-terms-for-additional-products-and-features",
    readOn: TERMS_READ_ON,
  },
};
