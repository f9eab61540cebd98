import { PROJECT_BODY, type ProviderDefinition, TERMS_READ_ON } from "./definition.ts";

/** Google's Antigravity logins. The client secret is the operator's to configure. */
export const googleAntigravity: ProviderDefinition = {
  oauth: {
    issuer: "https://accounts.google.com",
    tokenUrl: "https://oauth2.googleapis.com/token",
    authorizeUrl: "https://accounts.google.com/o/oauth2/v2/auth",
    revokeUrl: "https://oauth2.googleapis.com/revoke",
    userinfoUrl: "https://openidconnect.googleapis.com/v1/userinfo",
    clientId: "1071006060591-tmhssin2h21lcre235vtolojh4g403ep.apps.googleusercontent.com",
    secretAuth: "post",
    body: "form",
    scopes: [
      "https://www.googleapis.com/auth/cloud-platform",
      "https://www.googleapis.com/auth/userinfo.email",
      "https://www.googleapis.com/auth/userinfo.profile",
      "https://www.googleapis.com/auth/cclog",
      "https://www.googleapis.com/auth/experimentsandconfigs",
    ],
    rotation: "none",
    login: {
      redirect: { host: "localhost", ports: [51121], path: "/oauth-callback" },
      authorizeParameters: { access_type: "offline", prompt: "consent" },
    },
  },
  usage: { url: "https://cloudcode-pa.googleapis.com/v1internal:fetchAvailableModels", body: PROJECT_BODY },
  policy: { failover: "manual", source: "https://antigravity.google/terms", readOn: TERMS_READ_ON },
};
