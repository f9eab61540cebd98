import { generic } from "./generic.ts";
import type { Dialect } from "./rule.ts";

/** OpenAI's API and Azure's copy of it: limits are per model. */
export const openai: Dialect = { ...generic, name: "openai", throttleScope: () => "PROFILE_MODEL" };
