import type { ProviderConfig } from "../config.ts";
import type { ProviderDefinition } from "./definition.ts";

/** A provider of the operator's own: what it is follows from its settings; without any, API keys only. */
export function ownProvider(settings: ProviderConfig): ProviderDefinition {
  const { type, tokenUrl, clientId } = settings;
  const isOAuth = type !== "api-key" && tokenUrl !== undefined && clientId !== undefined;
  return {
    ...(isOAuth ? { oauth: { tokenUrl, clientId, body: "form", scopes: [] } } : {}),
    policy: { failover: "auto", source: "the operator's own provider", readOn: "" },
  };
}
