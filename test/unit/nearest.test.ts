import { expect, test } from "vitest";
import { byNearness, nearest } from "../../src/domain/nearest.ts";

const PROVIDERS = ["openai-codex", "anthropic", "qwen", "google-gemini-cli"];

test.each([
  ["openai-codx", PROVIDERS, "openai-codex"],
  ["Anthropci", PROVIDERS, "anthropic"],
  ["qwne", PROVIDERS, "qwen"],
  ["gemini", PROVIDERS, "google-gemini-cli"],
  ["lsit", ["list", "show"], "list"],
  ["sesion", ["session", "refresh"], "session"],
  ["version", ["session", "refresh"], undefined],
  ["whatever", PROVIDERS, undefined],
  ["", PROVIDERS, undefined],
  ["x", [], undefined],
])("%j among %j may mean %j", (given, known, meant) => {
  expect(nearest(given, known)).toBe(meant);
});

test("a list begins with the nearest", () => {
  expect(byNearness("version", ["log", "session", "refresh"])[0]).toBe("session");
});
