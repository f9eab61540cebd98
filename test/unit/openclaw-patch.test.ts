import { expect, test } from "vitest";
import { inverse } from "../../src/openclaw/patch.ts";
import { pluginPatch, secretsPatch } from "../../src/openclaw/routes.ts";

const COMMAND = { plugins: { entries: { codex: { config: { appServer: { command: "/x" } } } } } };

test("what was not there goes as a whole, what was there comes back", () => {
  expect(inverse(COMMAND, {}, COMMAND)).toEqual({ patch: { plugins: null }, kept: [] });
  const before = { plugins: { entries: { codex: { config: { appServer: { command: "/old" } } } } } };
  expect(inverse(COMMAND, before, COMMAND)).toEqual({ patch: before, kept: [] });
});

test("what stands beside it is left alone", () => {
  const before = { plugins: { entries: { codex: { enabled: true } } } };
  const now = {
    plugins: { entries: { codex: { enabled: true, config: { appServer: { command: "/x" } } }, other: {} } },
  };
  expect(inverse(COMMAND, before, now)).toEqual({
    patch: { plugins: { entries: { codex: { config: null } } } },
    kept: [],
  });
});

test("what somebody has changed since stays, and is named", () => {
  const now = { plugins: { entries: { codex: { config: { appServer: { command: "/theirs" } } } } } };
  const { patch, kept } = inverse(COMMAND, {}, now);
  expect(JSON.stringify(patch)).not.toContain("command");
  expect(kept).toEqual(["plugins.entries.codex.config.appServer.command"]);
});

test("what somebody has taken out already needs no undoing", () => {
  expect(inverse(COMMAND, {}, {})).toMatchObject({ kept: [] });
});

test("the plugin's path comes after those that are there, once", () => {
  const before = { plugins: { load: { paths: ["/a", "/here"] } } };
  expect(pluginPatch("/here", before)).toMatchObject({ plugins: { load: { paths: ["/a", "/here"] } } });
});

test("a secret is referred to by OpenClaw's provider, under the broker's id", () => {
  expect(secretsPatch("/bin/helper", { anthropic: "anthropic:work" })).toMatchObject({
    secrets: { providers: { authbroker: { source: "exec", command: "/bin/helper" } } },
    models: {
      providers: { anthropic: { apiKey: { source: "exec", provider: "authbroker", id: "anthropic:work" } } },
    },
  });
});
