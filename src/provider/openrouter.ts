import { API_KEY_POLICY, type ProviderDefinition } from "./definition.ts";

/** OpenRouter's API, paid by use. */
export const openrouter: ProviderDefinition = { policy: API_KEY_POLICY };
