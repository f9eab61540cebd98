import { expect, test } from "vitest";
import { stripped } from "../../src/import/strip.ts";

const NOW = { wallMs: 1_800_000_000_000, monoMs: 0 };
const PATH = "agents/main/agent/openclaw-agent.sqlite";
const entry = {
  type: "oauth",
  provider: "openai",
  access: "at-FAKE",
  refresh: "rt-FAKE",
  email: "a@example.test",
};

test("of OpenClaw's logins those that are ours lose their refresh token, and nothing else", () => {
  const strip = stripped("openclaw", ({ account }) => account.email === "a@example.test", PATH, NOW);
  const other = { ...entry, email: "b@example.test" };
  const { refresh: _, ...left } = entry;
  expect(strip({ version: 1, profiles: { "openai:a": entry, "openai:b": other } })).toEqual({
    version: 1,
    profiles: { "openai:a": left, "openai:b": other },
  });
});

test("an agent that has used OpenClaw and has no logins of its own is left as it is", () => {
  expect(stripped("openclaw", () => true, PATH, NOW)(undefined)).toBeUndefined();
});
