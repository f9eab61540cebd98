/** Providers that are known without any configuration. */
export const BUILT_IN_PROVIDERS = [
  "openai-codex",
  "openai-api",
  "anthropic",
  "google-gemini-cli",
  "google-antigravity",
  "github-copilot",
  "qwen",
  "kimi",
  "xai",
  "minimax",
  "openrouter",
] as const;
export type BuiltInProvider = (typeof BUILT_IN_PROVIDERS)[number];

export function isBuiltIn(id: string): id is BuiltInProvider {
  return (BUILT_IN_PROVIDERS as readonly string[]).includes(id);
}
