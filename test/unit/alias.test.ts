import { expect, test } from "vitest";
import { canonicalProfileId, canonicalProvider } from "../../src/domain/alias.ts";

test("openai is an old name of openai-codex; other ids stay", () => {
  expect(["openai", "openai-codex", "openai-api", "anthropic"].map(canonicalProvider)).toEqual([
    "openai-codex",
    "openai-codex",
    "openai-api",
    "anthropic",
  ]);
});

test("a profile of openai belongs to openai-codex, or to openai-api if it is an API key", () => {
  expect(canonicalProfileId("openai:work")).toBe("openai-codex:work");
  expect(canonicalProfileId("openai:work", "oauth")).toBe("openai-codex:work");
  expect(canonicalProfileId("openai:work", "token")).toBe("openai-codex:work");
  expect(canonicalProfileId("openai:work", "api_key")).toBe("openai-api:work");
});

test.each(["openai-codex:work", "openai", "openai:", ":x", "", "openai-x:a:b"])("%j stays as it is", (id) => {
  expect(canonicalProfileId(id, "api_key")).toBe(id);
});

test("a label may contain colons", () => {
  expect(canonicalProfileId("openai:a:b")).toBe("openai-codex:a:b");
});
