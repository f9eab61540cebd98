import { PROJECT_BODY, type ProviderDefinition, TERMS_READ_ON } from "./definition.ts";

/**
 * Gemini subscriptions through the OAuth client of the Gemini CLI. The client secret is the
 * operator's to configure. An answer to a refresh brings no refresh token: the old one stays good.
 */
export const googleGeminiCli: ProviderDefinition = {
  oauth: {
    issuer: "https://accounts.google.com",
    tokenUrl: "https://oauth2.googleapis.com/token",
    authorizeUrl: "https://accounts.google.com/o/oauth2/v2/auth",
    revokeUrl: "https://oauth2.googleapis.com/revoke",
    userinfoUrl: "https://openidconnect.googleapis.com/v1/userinfo",
    clientId: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
    secretAuth: "post",
    body: "form",
    scopes: [
      "https://www.googleapis.com/auth/cloud-platform",
      "https://www.googleapis.com/auth/userinfo.email",
      "https://www.googleapis.com/auth/userinfo.profile",
    ],
    rotation: "none",
    login: {
      redirect: { host: "localhost", ports: [8085], path: "/oauth2callback" },
      authorizeParameters: { access_type: "offline", prompt: "consent" },
    },
  },
  usage: { url: "https://cloudcode-pa.googleapis.com/v1internal:retrieveUserQuota", body: PROJECT_BODY },
  policy: {
    failover: "manual",
    source: "https://geminicli.com/docs/resources/faq/",
    readOn: TERMS_READ_ON,
  },
};
