import { expect, test } from "vitest";
import { byNearness, editDistance, nearest } from "../../src/domain/nearest.ts";

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
  ["qwe", PROVIDERS, "qwen"],
  ["xai", ["ai", "kimi"], "ai"],
  ["", PROVIDERS, undefined],
  ["x", [], undefined],
])("%j among %j may mean %j", (given, known, meant) => {
  expect(nearest(given, known)).toBe(meant);
});

test("a list begins with the nearest", () => {
  expect(byNearness("version", ["log", "session", "refresh"])[0]).toBe("session");
});

test.each([
  ["", "", 0],
  ["", "abc", 3],
  ["abc", "", 3],
  ["abc", "ABC", 0],
  ["abc", "abd", 1],
  ["abc", "ac", 1],
  ["ab", "ba", 1],
  ["abcd", "acbd", 1],
  ["abcd", "badc", 2],
  ["ca", "abc", 3],
  ["aab", "aba", 1],
  ["xab", "yba", 2],
  ["abx", "bay", 2],
  ["abab", "baba", 2],
  ["ab", "bc", 2],
  ["ab", "cb", 1],
  ["ba", "cab", 2],
  ["kitten", "sitting", 3],
])("from %j to %j it is %d changes, and as many back", (a, b, changes) => {
  expect([editDistance(a, b), editDistance(b, a)]).toEqual([changes, changes]);
});
