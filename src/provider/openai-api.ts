import { API_KEY_POLICY, type ProviderDefinition } from "./definition.ts";

/** OpenAI's API, paid by use. */
export const openaiApi: ProviderDefinition = { policy: API_KEY_POLICY };
