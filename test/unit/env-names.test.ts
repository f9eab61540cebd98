import { expect, test } from "vitest";
import { envNamesOf } from "../../src/domain/env-names.ts";

test.each([
  ["openai-codex", "OPENAI_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"],
  ["openai-api", "OPENAI_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"],
  ["anthropic", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", undefined],
  ["google-gemini-cli", "GEMINI_API_KEY", "GEMINI_API_KEY", undefined],
  ["google-antigravity", "GEMINI_API_KEY", "GEMINI_API_KEY", undefined],
  ["my-own.llm--2", "MY_OWN_LLM_2_API_KEY", "MY_OWN_LLM_2_API_KEY", undefined],
])("programs take %s's credential from %s or %s", (provider, token, apiKey, baseUrl) => {
  expect(envNamesOf(provider)).toEqual({ token, apiKey, ...(baseUrl === undefined ? {} : { baseUrl }) });
});
