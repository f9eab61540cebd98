/** How OpenClaw talks to the model API of a provider of the broker. */
export interface Route {
  /** Provider id of the broker. */
  readonly provider: string;
  readonly label: string;
  /** OpenClaw's name of the wire format. */
  readonly api: Api;
  readonly baseUrl: string;
  /** Suggested model id. */
  readonly model: string;
  /** Where the API differs from what OpenClaw expects of a provider that it does not know. */
  readonly compat?: Readonly<Record<string, boolean>>;
}

export type Api = "openai-responses" | "openai-completions" | "anthropic-messages";

/** The model APIs that are known; any other is asked for. */
export const ROUTES: readonly Route[] = [
  {
    provider: "openai-codex",
    label: "ChatGPT accounts",
    api: "openai-responses",
    baseUrl: "https://chatgpt.com/backend-api/codex",
    model: "gpt-5.6-terra",
    // It takes the system prompt as `instructions` and keeps no conversation.
    compat: { supportsInstructions: true, supportsStore: true },
  },
  {
    provider: "openai-api",
    label: "OpenAI API keys",
    api: "openai-responses",
    baseUrl: "https://api.openai.com/v1",
    model: "gpt-5.6-terra",
  },
  {
    provider: "anthropic",
    label: "Anthropic API keys",
    api: "anthropic-messages",
    baseUrl: "https://api.anthropic.com",
    model: "claude-sonnet-5",
  },
  {
    provider: "openrouter",
    label: "OpenRouter keys",
    api: "openai-completions",
    baseUrl: "https://openrouter.ai/api/v1",
    model: "openrouter/auto",
  },
];
