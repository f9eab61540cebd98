import { describe, expect, test, vi } from "vitest";
import { defaultConfig, parseConfig } from "../../src/config.ts";
import type { Grant } from "../../src/domain/grant.ts";
import { BUILT_IN_PROVIDERS } from "../../src/domain/provider-ids.ts";
import { Secret } from "../../src/domain/secret.ts";
import { loadLate } from "../../src/provider/late.ts";
import { buildProviders } from "../../src/provider/registry.ts";
import { fakeJwt } from "../support/jwt.ts";

const builtIn = buildProviders(defaultConfig());
const configured = (providers: object) =>
  buildProviders(parseConfig(JSON.stringify({ providers }), "config.json"));

const oauth = (accessToken: string, idToken?: string): Grant => ({
  kind: "oauth",
  accessToken: new Secret(accessToken),
  ...(idToken === undefined ? {} : { idToken: new Secret(idToken) }),
  tokenType: "Bearer",
  scopes: [],
});
const token: Grant = { kind: "token", token: new Secret("st-FAKE") };
const apiKey: Grant = { kind: "api_key", key: new Secret("sk-FAKE") };

describe("which providers there are", () => {
  test("the built-in ones and those of the configuration", () => {
    expect(builtIn.ids).toEqual(BUILT_IN_PROVIDERS);
    expect(configured({ mine: { type: "api-key" } }).ids).toEqual([...BUILT_IN_PROVIDERS, "mine"]);
    expect(builtIn.get("mine")).toBeUndefined();
  });

  test("openai is an alias of openai-codex", () => {
    expect(builtIn.get("openai")).toBe(builtIn.get("openai-codex"));
    expect(configured({ openai: { baseUrl: "https://a.test" } }).get("openai-codex")?.baseUrl).toBe(
      "https://a.test",
    );
  });

  test("any other id is served all the same, by bearer tokens and without OAuth", () => {
    const provider = builtIn.providerFor("somebody");
    expect(provider).toMatchObject({
      id: "somebody",
      baseUrl: "",
      strategy: "ordered",
      apiKeyCostClass: "METERED",
    });
    expect(provider.oauth).toBeUndefined();
    expect(provider.headers(apiKey, {})).toEqual({ authorization: "Bearer sk-FAKE" });
    expect(builtIn.providerFor("anthropic")).toBe(builtIn.get("anthropic"));
  });

  test("names that every object has are no providers", () => {
    expect(builtIn.get("constructor")).toBeUndefined();
    expect(builtIn.providerFor("__proto__").id).toBe("__proto__");
  });
});

describe("headers ready to send", () => {
  const account = { accountId: "acct-a" };
  const headers = (id: string, grant: Grant) => builtIn.providerFor(id).headers(grant, account);

  test("openai-codex names the account", () => {
    expect(headers("openai-codex", oauth("at-FAKE"))).toEqual({
      authorization: "Bearer at-FAKE",
      "chatgpt-account-id": "acct-a",
    });
    expect(builtIn.providerFor("openai-codex").headers(oauth("at-FAKE"), {})).toEqual({
      authorization: "Bearer at-FAKE",
    });
  });

  test("anthropic marks logins and setup tokens, and sends keys in a header of their own", () => {
    const beta = { "anthropic-beta": "oauth-2025-04-20" };
    expect(headers("anthropic", oauth("at-FAKE"))).toEqual({ authorization: "Bearer at-FAKE", ...beta });
    expect(headers("anthropic", token)).toEqual({ authorization: "Bearer st-FAKE", ...beta });
    expect(headers("anthropic", apiKey)).toEqual({ "x-api-key": "sk-FAKE" });
  });

  test.each(["google-gemini-cli", "google-antigravity", "openai-api", "openrouter", "kimi", "unknown"])(
    "%s sends a bearer token",
    (id) => {
      expect(headers(id, oauth("at-FAKE"))).toEqual({ authorization: "Bearer at-FAKE" });
      expect(headers(id, apiKey)).toEqual({ authorization: "Bearer sk-FAKE" });
    },
  );

  test("the operator's headers are laid over them, {token} standing for the secret", () => {
    const provider = configured({
      mine: { type: "api-key", headers: { "X-Key": "k {token}", "x-tenant": "t1", Authorization: "" } },
    }).providerFor("mine");
    expect(provider.headers({ kind: "api_key", key: new Secret("sk-$&-FAKE") }, {})).toEqual({
      "x-key": "k sk-$&-FAKE",
      "x-tenant": "t1",
    });
  });
});

describe("what may happen by itself", () => {
  test.each(["anthropic", "google-gemini-cli", "google-antigravity", "github-copilot", "kimi"])(
    "%s leaves a change of account to a person, and says where that stands",
    (id) => {
      expect(builtIn.get(id)?.policy).toEqual({
        failover: "manual",
        source: expect.stringMatching(/^https:/),
        readOn: expect.stringMatching(/^2026-11-\d\d$/),
      });
    },
  );

  test.each(["qwen", "xai", "minimax"])("%s: that its terms are not verified is said", (id) => {
    expect(builtIn.get(id)?.policy.source).toMatch(/^not verified: .*https:/);
  });

  test.each(["openai-codex", "openai-api", "openrouter", "unknown"])(
    "%s changes accounts by itself",
    (id) => {
      expect(builtIn.providerFor(id).policy.failover).toBe("auto");
    },
  );

  test("the operator decides otherwise", () => {
    const { policy } = configured({ anthropic: { policy: { failover: "auto" } } }).providerFor("anthropic");
    expect(policy).toEqual({ failover: "auto", source: "configuration", readOn: "" });
  });
});

describe("the OAuth client", () => {
  test.each([
    ["openai-codex", "strict"],
    ["anthropic", "strict"],
    ["google-gemini-cli", "none"],
    ["google-antigravity", "none"],
    ["kimi", "strict"],
  ])("%s rotates refresh tokens: %s", (id, rotation) => {
    expect(builtIn.get(id)?.oauth).toMatchObject({
      providerId: id,
      rotation,
      refreshAt: 0.8,
      clientAuth: "none",
    });
  });

  test.each(["openai-api", "openrouter"])("%s has none", (id) => {
    expect(builtIn.get(id)?.oauth).toBeUndefined();
  });

  test("every setting of it can be overridden, for a built-in provider too", () => {
    const usageUrl = "http://127.0.0.1:9/usage";
    const settings = {
      tokenUrl: "http://127.0.0.1:9/token",
      authorizeUrl: "http://127.0.0.1:9/authorize",
      deviceUrl: "http://127.0.0.1:9/device",
      revokeUrl: "http://127.0.0.1:9/revoke",
      userinfoUrl: "http://127.0.0.1:9/userinfo",
      derivedTokenUrl: "http://127.0.0.1:9/derived",
      grantType: "client_credentials",
      issuer: "http://127.0.0.1:9",
      clientId: "client-FAKE",
      body: "json",
      scopes: ["a"],
      rotation: "grace",
      refreshAt: 0.5,
    };
    const { oauth: client, usage } = configured({
      "openai-codex": {
        ...settings,
        usageUrl,
        clientSecret: "cs-FAKE",
        pasteRedirectUrl: "http://127.0.0.1:9/code",
        rotationGrace: "10s",
      },
    }).providerFor("openai");
    expect(usage).toEqual({ url: usageUrl });
    expect(client).toEqual({
      ...settings,
      providerId: "openai-codex",
      login: {
        redirect: { host: "localhost", ports: [1455, 1457], path: "/auth/callback" },
        pasteRedirect: "http://127.0.0.1:9/code",
        authorizeParameters: expect.objectContaining({ originator: "auth-broker" }),
      },
      clientAuth: "basic",
      clientSecret: expect.any(Function),
      rotationGraceMs: 10_000,
    });
  });

  test.each([
    ["openai-codex", "revokeUrl"],
    ["google-gemini-cli", "userinfoUrl"],
    ["github-copilot", "derivedTokenUrl"],
  ] as const)("%s: a token URL of the operator's own takes away the built-in %s", (id, name) => {
    expect(builtIn.get(id)?.oauth?.[name]).toBeDefined();
    const { oauth: client } = configured({ [id]: { tokenUrl: "https://a.test/t" } }).providerFor(id);
    expect(client).not.toHaveProperty(name);
  });

  test("an issuer is enough of an address for a provider of the operator's own", () => {
    const mine = { type: "generic-oauth2", issuer: "https://a.test", clientId: "c" };
    const { oauth: client } = configured({ mine }).providerFor("mine");
    expect(client).toMatchObject({ issuer: "https://a.test", clientId: "c" });
    expect(client).not.toHaveProperty("tokenUrl");
  });

  test("usage is read where the vendor shows it, but only with logins of the vendor's own servers", () => {
    const usageOf = (id: string, settings: object) => configured({ [id]: settings }).providerFor(id).usage;
    expect(usageOf("anthropic", {})?.url).toBe("https://api.anthropic.com/api/oauth/usage");
    for (const elsewhere of [{ tokenUrl: "https://a.test/t" }, { baseUrl: "https://a.test" }]) {
      expect(usageOf("anthropic", elsewhere)).toBeUndefined();
      expect(usageOf("anthropic", { ...elsewhere, usageUrl: "https://a.test/u" })?.url).toBe(
        "https://a.test/u",
      );
    }
    expect(usageOf("anthropic", { usagePolling: false })).toBeUndefined();
    expect(usageOf("xai", {})).toBeUndefined();
    const google = usageOf("google-gemini-cli", {});
    expect(google?.body?.({ projectId: "p-1", other: "x" })).toEqual({ project: "p-1" });
    expect(google?.body?.({})).toEqual({});
  });

  test("a provider of the operator's own gets one from its settings", () => {
    const { oauth: client } = configured({
      mine: { type: "generic-oauth2", tokenUrl: "https://a.test/t", clientId: "c", clientSecret: "cs-FAKE" },
    }).providerFor("mine");
    expect(client).toMatchObject({
      providerId: "mine",
      tokenUrl: "https://a.test/t",
      clientId: "c",
      clientAuth: "basic",
      body: "form",
      scopes: [],
      rotation: "strict",
    });
  });

  test("a secret in the configuration is given as it is, and Google's is sent in the body", async () => {
    const { oauth: client } = configured({ "google-gemini-cli": { clientSecret: "cs-FAKE" } }).providerFor(
      "google-gemini-cli",
    );
    expect(client?.clientAuth).toBe("post");
    expect((await client?.clientSecret?.())?.reveal()).toBe("cs-FAKE");
  });

  test("a provider declared as one of API keys has none, whatever else is set", () => {
    expect(configured({ xai: { type: "api-key" } }).providerFor("xai").oauth).toBeUndefined();
  });
});

test("the cost class of logins is a subscription, that of keys metered, unless the operator says so", () => {
  expect(builtIn.get("anthropic")).toMatchObject({ costClass: "SUBSCRIPTION", apiKeyCostClass: "METERED" });
  expect(configured({ anthropic: { costClass: "subscription" } }).get("anthropic")).toMatchObject({
    costClass: "SUBSCRIPTION",
    apiKeyCostClass: "SUBSCRIPTION",
  });
  expect(configured({ mine: { type: "api-key", costClass: "metered" } }).get("mine")).toMatchObject({
    costClass: "METERED",
    apiKeyCostClass: "METERED",
  });
});

test("an empty order is none", () => {
  expect(configured({ anthropic: { order: [] } }).get("anthropic")).not.toHaveProperty("order");
  expect(configured({ anthropic: { order: ["anthropic:a"] } }).get("anthropic")?.order).toEqual([
    "anthropic:a",
  ]);
});

describe("whose a grant is", () => {
  const auth = (claims: object) => ({ "https://api.openai.com/auth": claims });
  const accountOf = (grant: Grant) => builtIn.providerFor("openai-codex").accountOf(grant);

  test("is told by OpenAI's own claims", () => {
    const access = fakeJwt({
      sub: "auth0|x",
      ...auth({ chatgpt_account_id: "acct-a", chatgpt_user_id: "user-a", chatgpt_plan_type: "plus" }),
    });
    expect(accountOf(oauth(access, fakeJwt({ email: "a@example.test" })))).toEqual({
      accountId: "acct-a",
      userId: "user-a",
      planType: "plus",
      email: "a@example.test",
    });
  });

  test("is told by subject and e-mail elsewhere", () => {
    expect(accountOf(oauth("opaque-FAKE", fakeJwt({ sub: "s1", email: "a@example.test" })))).toEqual({
      userId: "s1",
      email: "a@example.test",
    });
  });

  test("is told by the access token where the id token says something else", () => {
    const idToken = fakeJwt(auth({ chatgpt_account_id: "acct-old" }));
    expect(accountOf(oauth(fakeJwt(auth({ chatgpt_account_id: "acct-new" })), idToken)).accountId).toBe(
      "acct-new",
    );
  });

  test.each(["opaque-FAKE", "a.b.c", "a..c", fakeJwt([] as never), fakeJwt({ sub: 5, email: "" })])(
    "is unknown from %s",
    (text) => {
      expect(accountOf(oauth(text, text))).toEqual({});
    },
  );

  test("is unknown from an API key", () => {
    expect(accountOf(apiKey)).toEqual({});
  });
});

test("data about zones is loaded before the first answer that names one: it takes 15 ms", async () => {
  await loadLate();
  const format = vi.spyOn(Intl, "DateTimeFormat");
  const body = JSON.stringify({
    error: { message: "Quota exceeded: limit per day", status: "RESOURCE_EXHAUSTED" },
  });
  const answer = {
    source: "MODEL_API",
    httpStatus: 429,
    headers: {},
    body,
    transportError: "",
    model: "",
  } as const;
  const receivedAtMs = Date.UTC(2026, 4, 19, 12);
  const limits = { longestWindowMs: 8 * 86_400_000 };
  const reading = await builtIn
    .providerFor("google-gemini-cli")
    .classify({ ...answer, receivedAtMs }, limits);
  expect(reading.retryAtMs).toBe(Date.UTC(2026, 4, 20, 7));
  expect(format).not.toHaveBeenCalled();
  format.mockRestore();
});
