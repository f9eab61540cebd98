import type { ProfileKind } from "./grant.ts";
import { splitProfileId } from "./profile.ts";

/** The id under which a provider is known here: `openai` is an old name of `openai-codex`. */
export function canonicalProvider(id: string): string {
  return id === "openai" ? "openai-codex" : id;
}

/**
 * The id under which a profile is known here: `openai:x` becomes `openai-codex:x`, or `openai-api:x`
 * when what it holds is an API key. Everything else stays as it is.
 */
export function canonicalProfileId(id: string, kind?: ProfileKind): string {
  const parts = splitProfileId(id);
  if (parts?.provider !== "openai") return id;
  return `${kind === "api_key" ? "openai-api" : canonicalProvider(parts.provider)}:${parts.label}`;
}
