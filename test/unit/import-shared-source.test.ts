import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Account } from "../../src/domain/grant.ts";
import { readSharedSource } from "../../src/import/shared-source.ts";
import type { ReadSharedSource } from "../../src/provider/provider.ts";
import { importHome, NOW_MS } from "../support/import-home.ts";
import { chatgpt, HOUR_MS, opaque } from "../support/openclaw-agents.ts";
import { chatgptTokens, writeJson, writeText } from "../support/openclaw-home.ts";

/** The daemon takes it as this port. */
const read: ReadSharedSource = readSharedSource;
const now = { wallMs: NOW_MS, monoMs: 0 };
const A: Account = { accountId: "acct-a", userId: "user-a", email: "a@example.test" };

/** The refresh token found for the account in a file with this content. */
async function found(
  content: unknown,
  account: Account,
  provider = "openai-codex",
): Promise<string | undefined> {
  const path = join((await importHome()).home, "any-name");
  await writeJson(path, content);
  return (await read(path, provider, account, now))?.grant.refreshToken?.reveal();
}

function codexFile(name: string, tokens: Record<string, unknown> = {}) {
  const { access, refresh, idToken } = chatgptTokens(name, NOW_MS);
  const own = { access_token: access, refresh_token: refresh, id_token: idToken, account_id: `acct-${name}` };
  return { auth_mode: "chatgpt", tokens: { ...own, ...tokens } };
}

const refreshOf = (name: string, issuedAtMs = NOW_MS) => chatgptTokens(name, issuedAtMs).refresh;

describe("a file shared with another program, read again", () => {
  test("gives Codex's grant of the same account, with the account", async () => {
    const path = join((await importHome()).home, "auth.json");
    await writeJson(path, codexFile("a"));
    expect(await read(path, "openai-codex", A, now)).toMatchObject({
      grant: { kind: "oauth", issuedAtMs: NOW_MS },
      account: A,
    });
  });

  test("gives the newest of several logins of the same account", async () => {
    const profiles = {
      "openai-codex:1": chatgpt("a", NOW_MS - 2 * HOUR_MS),
      "openai:2": { ...chatgpt("a", NOW_MS - HOUR_MS), provider: "openai" },
      "openai-codex:3": chatgpt("a", NOW_MS - 3 * HOUR_MS),
      "openai-codex:4": chatgpt("b", NOW_MS),
    };
    expect(await found({ version: 1, profiles }, A)).toBe(refreshOf("a", NOW_MS - HOUR_MS));
  });

  test("gives Claude's and Gemini's where there is one login and no account is known", async () => {
    const claude = { claudeAiOauth: { accessToken: "at-FAKE", refreshToken: "rt-FAKE-c" } };
    const gemini = { access_token: "at-FAKE", refresh_token: "rt-FAKE-g" };
    expect(await found(claude, { planType: "max" }, "anthropic")).toBe("rt-FAKE-c");
    expect(await found(gemini, {}, "google-gemini-cli")).toBe("rt-FAKE-g");
  });

  test("gives none of several where no account is known", async () => {
    const profiles = { "anthropic:1": opaque("rt-FAKE-1"), "anthropic:2": opaque("rt-FAKE-2") };
    expect(await found({ version: 1, profiles }, {}, "anthropic")).toBeUndefined();
  });

  test.each<[string, Account, Record<string, unknown>]>([
    ["another account", { ...A, accountId: "acct-x" }, {}],
    ["another user of the same team", { ...A, userId: "user-x" }, {}],
    ["another e-mail where no user is known", { accountId: "acct-a", email: "x@example.test" }, {}],
    ["a login that tells nothing", A, { access_token: "at-FAKE", id_token: "", account_id: "" }],
  ])("gives nothing of %s", async (_, account, tokens) => {
    expect(await found(codexFile("a", tokens), account)).toBeUndefined();
  });

  test("asks of the account only what both sides know", async () => {
    expect(await found(codexFile("a"), { accountId: "acct-a" })).toBe(refreshOf("a"));
    expect(await found(codexFile("a"), { email: "A@example.test" })).toBe(refreshOf("a"));
    expect(await found(codexFile("a"), { ...A, email: "renamed@example.test" })).toBe(refreshOf("a"));
  });

  test("gives nothing of another provider, and nothing that cannot be refreshed into another kind", async () => {
    expect(await found(codexFile("a"), A, "anthropic")).toBeUndefined();
    const key = { type: "api_key", provider: "anthropic", key: "sk-FAKE" };
    expect(await found({ profiles: { "anthropic:a": key } }, {}, "anthropic")).toBeUndefined();
  });

  test.each(["", "{", "[]", "5", '{"auth_mode":"chatgpt","tokens":5}', '{"profiles":[]}', '{"x":{"y":1}}'])(
    "gives nothing when it holds %j",
    async (content) => {
      const path = join((await importHome()).home, "file");
      await writeText(path, content);
      expect(await read(path, "openai-codex", A, now)).toBeUndefined();
    },
  );

  test("gives nothing when it is gone or a directory", async () => {
    const { home } = await importHome();
    await mkdir(join(home, "dir"));
    expect(await read(join(home, "none"), "openai-codex", A, now)).toBeUndefined();
    expect(await read(join(home, "dir"), "openai-codex", A, now)).toBeUndefined();
    expect(await read("", "openai-codex", A, now)).toBeUndefined();
  });
});
