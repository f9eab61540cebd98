/** Environment variables through which programs take a provider's credential. */
export interface EnvNames {
  /** Carries an access token (kinds oauth and token). */
  readonly token: string;
  readonly apiKey: string;
  /** Absent: no program is known to read one. */
  readonly baseUrl?: string;
  /**
   * Takes the values of the header `anthropic-beta` that a login needs, beside those of the program: Claude Code
   * sends none for the token of ANTHROPIC_AUTH_TOKEN by itself (measured with 2.1.197).
   */
  readonly betas?: string;
  /** Set beside an access token, for programs that take a login's token under another name than a key. */
  readonly login?: { readonly token: string; readonly flag: string };
}

/** The names in use for a provider; for one not known here `<ID>_API_KEY`. */
export function envNamesOf(providerId: string): EnvNames {
  switch (providerId) {
    case "openai-codex":
    case "openai-api":
      return { token: "OPENAI_API_KEY", apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL" };
    case "anthropic":
      return { token: "ANTHROPIC_AUTH_TOKEN", apiKey: "ANTHROPIC_API_KEY", betas: "ANTHROPIC_BETAS" };
    case "google-gemini-cli":
      // Gemini CLI takes GEMINI_API_KEY for a key, and a login's token only so (measured with 0.61.0).
      return {
        token: "GEMINI_API_KEY",
        apiKey: "GEMINI_API_KEY",
        login: { token: "GOOGLE_CLOUD_ACCESS_TOKEN", flag: "GOOGLE_GENAI_USE_GCA" },
      };
    case "google-antigravity":
      return { token: "GEMINI_API_KEY", apiKey: "GEMINI_API_KEY" };
    default: {
      const name = `${providerId.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}_API_KEY`;
      return { token: name, apiKey: name };
    }
  }
}
