import type { ProviderConfig } from "../config.ts";
import type { ProviderDefinition } from "./definition.ts";

/** A provider of the operator's own: what it is follows from its settings; without any, API keys only. */
export function ownProvider(settings: ProviderConfig): ProviderDefinition {
  const { type, tokenUrl, issuer, clientId, scopes = [] } = settings;
  const isReachable = tokenUrl !== undefined || issuer !== undefined;
  const isOAuth = type !== "api-key" && isReachable && clientId !== undefined;
  // OpenID Connect Core section 11: without a new consent the scope is ignored.
  const login = scopes.includes("offline_access") ? { authorizeParameters: { prompt: "consent" } } : {};
  return {
    ...(isOAuth ? { oauth: { clientId, body: "form", scopes: [], login } } : {}),
    policy: { failover: "auto", source: "the operator's own provider", readOn: "" },
  };
}
