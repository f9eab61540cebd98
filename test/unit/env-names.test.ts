import { expect, test } from "vitest";
import { envNamesOf } from "../../src/domain/env-names.ts";

test.each([
  ["openai-codex", "OPENAI_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"],
  ["openai-api", "OPENAI_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"],
  ["google-antigravity", "GEMINI_API_KEY", "GEMINI_API_KEY", undefined],
  ["my-own.llm--2", "MY_OWN_LLM_2_API_KEY", "MY_OWN_LLM_2_API_KEY", undefined],
])("programs take %s's credential from %s or %s", (provider, token, apiKey, baseUrl) => {
  expect(envNamesOf(provider)).toEqual({ token, apiKey, ...(baseUrl === undefined ? {} : { baseUrl }) });
});

test("Gemini CLI takes a login's token under a name of its own", () => {
  expect(envNamesOf("google-gemini-cli")).toEqual({
    token: "GEMINI_API_KEY",
    apiKey: "GEMINI_API_KEY",
    login: { token: "GOOGLE_CLOUD_ACCESS_TOKEN", flag: "GOOGLE_GENAI_USE_GCA" },
  });
});

test("programs take anthropic's credential, and what a login's requests need beside it", () => {
  expect(envNamesOf("anthropic")).toEqual({
    token: "ANTHROPIC_AUTH_TOKEN",
    apiKey: "ANTHROPIC_API_KEY",
    betas: "ANTHROPIC_BETAS",
  });
});
