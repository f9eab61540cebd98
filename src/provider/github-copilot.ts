import { type ProviderDefinition, TERMS_READ_LATER_ON } from "./definition.ts";
import { handedOut } from "./headers.ts";

/** In a Copilot token, `proxy-ep=proxy.HOST` names the plan's own address. */
const PROXY = /(?:^|;)proxy-ep=(?:https:\/\/)?proxy\.([a-z0-9.-]{1,200})(?:;|$)/i;

/**
 * GitHub's device login as used for Copilot. It gives a long-lived GitHub token, which stays here in the
 * place of a refresh token, and Copilot tokens of about half an hour are derived from it. Nothing but the
 * GitHub token is sent to get one: what Copilot's own clients say of themselves is not repeated.
 */
export const githubCopilot: ProviderDefinition = {
  oauth: {
    tokenUrl: "https://github.com/login/oauth/access_token",
    deviceUrl: "https://github.com/login/device/code",
    userinfoUrl: "https://api.github.com/user",
    derivedTokenUrl: "https://api.github.com/copilot_internal/v2/token",
    clientId: "Iv1.b507a08c87ecfe98",
    body: "form",
    scopes: ["read:user"],
    rotation: "none",
    login: { longLived: true },
  },
  // "To use GitHub Copilot in your code editor, you need to install the GitHub Copilot extension": the
  // section on Copilot, version of 2024-12-18.
  policy: {
    failover: "manual",
    source:
      "https://docs.github.com/en/site-policy/github-terms/github-terms-for-additional-products-and-features",
    readOn: TERMS_READ_LATER_ON,
  },
  baseUrlOf: (grant) => {
    if (grant.kind !== "oauth") return undefined;
    const host = PROXY.exec(handedOut(grant).reveal())?.[1] ?? "individual.githubcopilot.com";
    return `https://api.${host}`;
  },
};
