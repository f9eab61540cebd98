/** Environment variables through which programs take a provider's credential. */
export interface EnvNames {
  /** Carries an access token (kinds oauth and token). */
  readonly token: string;
  readonly apiKey: string;
  /** Absent: no program is known to read one. */
  readonly baseUrl?: string;
}

/** The names in use for a provider; for one not known here `<ID>_API_KEY`. */
export function envNamesOf(providerId: string): EnvNames {
  switch (providerId) {
    case "openai-codex":
    case "openai-api":
      return { token: "OPENAI_API_KEY", apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL" };
    case "anthropic":
      return { token: "ANTHROPIC_AUTH_TOKEN", apiKey: "ANTHROPIC_API_KEY" };
    case "google-gemini-cli":
    case "google-antigravity":
      return { token: "GEMINI_API_KEY", apiKey: "GEMINI_API_KEY" };
    default: {
      const name = `${providerId.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}_API_KEY`;
      return { token: name, apiKey: name };
    }
  }
}
