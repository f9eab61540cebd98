import { describe, expect, test } from "vitest";
import { ConfigError, configSchema, defaultConfig, envNamesFor, parseConfig } from "../../src/config.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";

const FILE = "/etc/broker/config.json";
const parse = (text: string) => parseConfig(text, FILE);

/** The problems of a configuration, as `line path: message`. */
function problemsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.file).toBe(FILE);
    expect(error.exitCode).toBe(78);
    expect(error.message).toContain(FILE);
    return error.problems.map((p) => `${p.line ?? "-"} ${p.path}: ${p.message}`);
  }
  return [];
}

const problemsIn = (content: object) => problemsOf(JSON.stringify(content));

describe("an empty object", () => {
  test("is the same as no file", () => {
    expect(parse("{}")).toEqual(defaultConfig());
  });

  test("has every default filled in", () => {
    expect(defaultConfig()).toEqual({
      providers: new Map(),
      settings: DEFAULT_SETTINGS,
      endpoints: [],
      hardening: "standard",
      audit: { fileBytes: 8 * 1024 * 1024, files: 8 },
      rules: [],
      key: { source: "file" },
      network: {},
      notify: { desktop: true },
      log: { level: "info" },
    });
  });
});

describe("the form of the file", () => {
  test("comments, trailing commas, a byte order mark and CRLF are accepted", () => {
    const text = '\uFEFF// ours\r\n{\r\n  /* all */ "log": { "level": "debug", },\r\n}\r\n';
    expect(parse(text).log.level).toBe("debug");
  });

  test("a syntax error is shown with its line", () => {
    expect(problemsOf('{\n  "log": {\n    "level" "debug"\n  }\n}')).toEqual([
      "3 : not valid JSON: Colon expected",
    ]);
  });

  test.each(["", "  \n", "// nothing but words\n"])("an empty file is an error: %j", (text) => {
    expect(problemsOf(text)).toEqual(["- : the file is empty; write {} or remove it"]);
  });

  test.each(["[]", '"x"', "null"])("%s is no configuration", (text) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^1 : expected object/)]);
  });

  test("every problem is listed, each at its line", () => {
    const text = `{
  "providers": {
    "openai-codex": { "stategy": "ordered", "refreshAt": 2 },
  },
  "refresh": {
    "lanes": 0,
    "minInterval": "soon"
  }
}`;
    expect(problemsOf(text)).toEqual([
      "3 providers.openai-codex.refreshAt: must be between 0 and 1",
      '3 providers.openai-codex.stategy: unknown key; the nearest known one is "strategy"',
      expect.stringMatching(/^6 refresh\.lanes: Too small/),
      expect.stringMatching(/^7 refresh\.minInterval: must be a duration such as/),
    ]);
  });

  test("a value that may be secret is not repeated in the error", () => {
    const content = {
      providers: { x: { type: "api-key", clientSecret: { comand: ["cs-FAKE"] }, baseUrl: "cs-FAKE" } },
    };
    expect(problemsIn(content)).toHaveLength(2);
    expect(problemsIn(content).join()).not.toContain("cs-FAKE");
  });
});

describe("an unknown key names the nearest known one", () => {
  test.each([
    [{ provider: {} }, "providers"],
    [{ log: { levl: "info" } }, "level"],
    [{ cooldown: { RATELIMIT: {} } }, "RATE_LIMIT"],
    [{ cooldown: { BILLING: { Base: "1m" } } }, "base"],
    [{ endpoints: [{ name: "a", path: "/a", provider: [] }] }, "providers"],
    [{ endpoints: [{ name: "a", path: "/a", allow: { uid: [1] } }] }, "uids"],
    [{ providers: { anthropic: { refresh_at: 0.5 } } }, "refreshAt"],
    [{ providers: { anthropic: { policy: { failover: "auto", failOvr: "x" } } } }, "failover"],
  ])("%j", (content, known) => {
    expect(problemsIn(content)).toContainEqual(
      expect.stringContaining(`unknown key; the nearest known one is "${known}"`),
    );
  });
});

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["1.5m", 90_000],
    ["6h", 21_600_000],
    ["8d", 691_200_000],
    ["0s", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(parse(JSON.stringify({ refresh: { minInterval: text } })).settings.refresh.minIntervalMs).toBe(ms);
  });

  test.each([
    ["-5s", "a duration cannot be negative"],
    ["4000d", "a duration cannot be longer than ten years"],
    ["999999999999d", "a duration cannot be longer than ten years"],
    ["30", "must be a duration such as"],
    ["30 seconds", "must be a duration such as"],
    ["1h30m", "must be a duration such as"],
    ["", "must be a duration such as"],
    ["NaNs", "must be a duration such as"],
    [30, "expected string"],
  ])("%j is refused", (value, message) => {
    expect(problemsIn({ refresh: { minInterval: value } })).toEqual([
      expect.stringContaining(`refresh.minInterval: ${message}`),
    ]);
  });

  test("a deadline of zero is refused", () => {
    expect(problemsIn({ refresh: { totalTimeout: "0s" } })).toEqual([
      "1 refresh.totalTimeout: must be longer than zero",
    ]);
  });
});

describe("cooldowns", () => {
  test("base and cap are set one by one, the rest keeps its defaults", () => {
    const { steps, ...rest } = parse(
      '{"cooldown": {"RATE_LIMIT": {"base": "10s"}, "BILLING": {"cap": "1h"}, "longestWindow": "31d", "banBrake": false}}',
    ).settings.cooldown;
    expect(steps).toEqual({
      ...DEFAULT_SETTINGS.cooldown.steps,
      RATE_LIMIT: { baseMs: 10_000, capMs: 900_000 },
      BILLING: { baseMs: 600_000, capMs: 3_600_000 },
    });
    expect(rest).toEqual({ longestWindowMs: 31 * 86_400_000, banBrake: false });
  });

  test("a base above the default cap raises the cap", () => {
    const { steps } = parse('{"cooldown": {"TIMEOUT": {"base": "10m"}}}').settings.cooldown;
    expect(steps.TIMEOUT).toEqual({ baseMs: 600_000, capMs: 600_000 });
  });

  test("a stated cap below the base is refused", () => {
    expect(problemsIn({ cooldown: { BILLING: { cap: "1m" } } })).toEqual([
      '1 cooldown.BILLING.cap: "cap" is shorter than "base"',
    ]);
  });
});

describe("providers", () => {
  test("the old name openai is rewritten, in orders too", () => {
    const { providers } = parse(
      '{"providers": {"openai": {"order": ["openai:work", "openai-codex:home", "openai-codex:work"]}}}',
    );
    expect([...providers.keys()]).toEqual(["openai-codex"]);
    expect(providers.get("openai-codex")?.order).toEqual(["openai-codex:work", "openai-codex:home"]);
  });

  test("in the order of openai-api it stands for keys", () => {
    const { providers } = parse('{"providers": {"openai-api": {"order": ["openai:work"]}}}');
    expect(providers.get("openai-api")?.order).toEqual(["openai-api:work"]);
  });

  test("the old and the new name together are refused", () => {
    expect(problemsOf('{"providers": {\n"openai": {},\n"openai-codex": {}}}')).toEqual([
      '3 providers.openai-codex: "openai" and "openai-codex" are the same provider',
    ]);
  });

  test("a name that looks like a slip is refused with the nearest built-in one", () => {
    expect(problemsIn({ providers: { antropic: {} } })).toEqual([
      expect.stringContaining('the nearest one is "anthropic"'),
    ]);
    expect(problemsIn({ providers: { antropic: { type: "api-key" } } })).toEqual([]);
    expect(problemsIn({ providers: { "my-company": {} } })).toEqual([]);
  });

  test("a provider of one's own needs what OAuth needs", () => {
    expect(problemsIn({ providers: { mine: { type: "generic-oauth2" } } })).toEqual([
      '1 providers.mine.tokenUrl: is needed for generic-oauth2, or an "issuer" whose metadata name it',
      "1 providers.mine.clientId: is needed for generic-oauth2",
    ]);
  });

  test.each([
    [{ clientAuth: "basic" }, '"basic" needs "clientSecret"'],
    [{ grantType: "client_credentials" }, '"client_credentials" needs "clientSecret"'],
    [{ derivedTokenUrl: "http://a.test/t" }, "must be an https URL"],
    [{ clientAuth: "none", clientSecret: "cs-FAKE" }, '"none" would leave "clientSecret" unused'],
    [{ order: ["work"] }, "must be a profile id"],
    [{ headers: { "x y": "1" } }, "must be the name of an HTTP header"],
    [{ headers: { "x-y": "1\n2" } }, "must be one line of plain text"],
    [{ env: { apiKey: "MY-KEY" } }, "must be the name of an environment variable"],
    [{ clientSecret: { command: [] } }, "must"],
    [{ refreshAt: 1 }, "must be between 0 and 1"],
    [{ strategy: "random" }, "expected one of"],
  ])("%j is refused", (settings, message) => {
    expect(problemsIn({ providers: { anthropic: settings } })).toEqual([expect.stringContaining(message)]);
  });

  test.each(["a:b", "x y", "", "__proto__:"])("%j is no id", (id) => {
    expect(problemsOf(`{"providers": {${JSON.stringify(id)}: {"type": "api-key"}}}`)).toEqual([
      expect.stringContaining("a provider id has letters"),
    ]);
  });

  test("a client secret in the file does not show when the configuration is printed", () => {
    const config = parse('{"providers": {"google-gemini-cli": {"clientSecret": "cs-FAKE"}}}');
    expect(JSON.stringify(config.providers.get("google-gemini-cli"))).not.toContain("cs-FAKE");
  });

  test("names of environment variables can be replaced one by one", () => {
    const config = parse('{"providers": {"openai-codex": {"env": {"token": "CODEX_TOKEN"}}}}');
    expect(envNamesFor(config, "openai-codex")).toEqual({
      token: "CODEX_TOKEN",
      apiKey: "OPENAI_API_KEY",
      baseUrl: "OPENAI_BASE_URL",
    });
    expect(envNamesFor(config, "my-company")).toEqual({
      token: "MY_COMPANY_API_KEY",
      apiKey: "MY_COMPANY_API_KEY",
    });
  });
});

describe("URLs", () => {
  const keys = ["tokenUrl", "baseUrl", "issuer", "authorizeUrl", "deviceUrl", "revokeUrl", "usageUrl"];

  test.each(keys)("%s may be plain http on loopback only", (key) => {
    const problems = (url: string) => problemsIn({ providers: { anthropic: { [key]: url } } });
    expect(problems("http://127.0.0.1:9999/token")).toEqual([]);
    expect(problems("http://[::1]:9999/token")).toEqual([]);
    expect(problems("http://localhost/token")).toEqual([]);
    expect(problems("https://login.example.test/token")).toEqual([]);
    expect(problems("http://login.example.test/token")).toEqual([
      `1 providers.anthropic.${key}: must be an https URL; plain http is allowed on loopback only`,
    ]);
  });

  test.each([
    ["http://127.0.0.1.example.test/"],
    ["http://localhost.example.test/"],
    ["http://0.0.0.0/"],
    ["ftp://127.0.0.1/"],
    ["file:///etc/passwd"],
    ["//127.0.0.1/"],
    ["https://user:pw-FAKE@login.example.test/"],
  ])("%s is refused", (url) => {
    expect(problemsIn({ providers: { anthropic: { tokenUrl: url } } })).toHaveLength(1);
  });

  test("a proxy may be plain http, since what goes through it is encrypted", () => {
    expect(parse('{"network": {"proxy": "http://proxy.example.test:3128"}}').network).toEqual({
      proxy: "http://proxy.example.test:3128",
    });
    expect(problemsIn({ network: { proxy: "proxy:3128" } })).toHaveLength(1);
    expect(parse('{"network": {"proxy": "", "caFile": ""}}').network).toEqual({});
  });

  test("the file of certificates is named by an absolute path", () => {
    expect(problemsIn({ network: { caFile: "ca.pem" } })).toEqual([
      "1 network.caFile: must be an absolute path",
    ]);
  });
});

describe("endpoints", () => {
  test("are read with their policy", () => {
    const endpoint = {
      name: "ci",
      path: "unix:///run/ci.sock",
      providers: ["openai"],
      profiles: ["openai:work"],
      allow: { uids: [1001], executables: ["/usr/bin/codex"], units: ["user@1001.service/ci.service"] },
      rate: 60,
      mostLeases: 8,
      confirm: { command: ["ask"], timeout: "10s", remember: "15m" },
      token: false,
    };
    expect(parse(JSON.stringify({ endpoints: [endpoint] })).endpoints).toEqual([
      {
        name: "ci",
        address: { kind: "unix", path: "/run/ci.sock" },
        providers: ["openai-codex"],
        profiles: ["openai-codex:work"],
        allow: { uids: [1001], executables: ["/usr/bin/codex"], units: ["user@1001.service/ci.service"] },
        rate: 60,
        mostLeases: 8,
        confirm: { command: ["ask"], timeoutMs: 10_000, rememberMs: 900_000 },
        token: false,
      },
    ]);
  });

  test("allow everything of the broker's own user by default", () => {
    expect(parse('{"endpoints": [{"name": "a", "path": "/run/a.sock"}]}').endpoints).toEqual([
      {
        name: "a",
        address: { kind: "unix", path: "/run/a.sock" },
        providers: [],
        profiles: [],
        allow: { uids: [], executables: [], units: [] },
      },
    ]);
  });

  test.each([
    [[{ name: "admin", path: "/a" }], '[0].name: "admin" is taken'],
    [
      [
        { name: "a", path: "/a" },
        { name: "a", path: "/b" },
      ],
      '[1].name: "a" is taken',
    ],
    [[{ name: "a", path: "a.sock" }], "[0].path: "],
    [[{ path: "/a" }], "[0].name: expected string"],
    [[{ name: "a", path: "/a", allow: { uids: [-1] } }], "[0].allow.uids[0]: Too small"],
    [[{ name: "a", path: "/a", rate: 0 }], "[0].rate: Too small"],
    [[{ name: "a", path: "/a", mostLeases: 0 }], "[0].mostLeases: Too small"],
    [[{ name: "a", path: "/a", confirm: { command: [] } }], "[0].confirm.command: must name a program"],
    [[{ name: "a", path: "/a", allow: { executables: ["codex"] } }], "[0].allow.executables[0]: must be an"],
    [[{ name: "a", path: "/a", allow: { units: ["codex"] } }], "[0].allow.units[0]: is a systemd unit"],
  ])("%j is refused", (endpoints, message) => {
    expect(problemsIn({ endpoints })).toEqual([expect.stringContaining(`endpoints${message}`)]);
  });
});

test("the JSON Schema knows every key of a full file and allows no other", () => {
  const schema = configSchema() as { properties: object; additionalProperties: unknown };
  expect(Object.keys(schema.properties)).toEqual([
    "$schema",
    "providers",
    "cooldown",
    "session",
    "refresh",
    "usage",
    "notify",
    "endpoints",
    "rules",
    "key",
    "network",
    "hardening",
    "audit",
    "log",
  ]);
  expect(schema.additionalProperties).toBe(false);
  expect(JSON.stringify(schema)).toContain('"refreshAt"');
});

describe("rules", () => {
  const rule = { name: "mine", match: { code: "e_1" }, outcome: "BILLING" };
  const rulesOf = (...rules: object[]) => parse(JSON.stringify({ rules })).rules;

  test("are kept in their order, with durations in milliseconds and today's names of providers", () => {
    expect(
      rulesOf(rule, { ...rule, name: "other", match: { provider: "openai", status: 429 }, reset: "6h" }),
    ).toEqual([
      rule,
      {
        name: "other",
        match: { provider: "openai-codex", status: 429 },
        outcome: "BILLING",
        reset: 6 * 3_600_000,
      },
    ]);
  });

  test.each([
    [{ ...rule, match: {} }, "1 rules[0].match: needs at least one of status, code and text"],
    [{ ...rule, match: { status: 42 } }, /^1 rules\[0\]\.match\.status: /],
    [{ ...rule, match: { pattern: "x" } }, /^1 rules\[0\]\.match\.pattern: unknown key/],
    [{ ...rule, scop: "NONE" }, '1 rules[0].scop: unknown key; the nearest known one is "scope"'],
    [{ ...rule, outcome: "BILING" }, /^1 rules\[0\]\.outcome: /],
    [{ ...rule, reset: "soon" }, '1 rules[0].reset: must be "stated", "none" or a duration such as "6h"'],
    [{ ...rule, name: "My Rule" }, "1 rules[0].name: has small letters, digits, '-' and '_' only"],
    [
      { ...rule, outcome: "AUTH_PERMANENT", scope: "PROVIDER" },
      "1 rules[0].scope: an AUTH_ outcome is always about the profile",
    ],
    [{ ...rule, match: { provider: "a:b", status: 429 } }, /^1 rules\[0\]\.match\.provider: a provider id/],
    [
      { ...rule, match: { provider: "anthropc", status: 429 } },
      /^1 rules\[0\]\.match\.provider: .*"anthropic"/,
    ],
  ])("%j is refused, and the path says where", (wrong, problem) => {
    const [first] = problemsIn({ rules: [wrong] });
    if (typeof problem === "string") expect(first).toBe(problem);
    else expect(first).toMatch(problem);
  });

  test("two of one name are refused", () => {
    expect(problemsIn({ rules: [rule, rule] })).toEqual(['1 rules[1].name: "mine" is taken']);
  });

  test("may name a provider of the operator's own, configured or not", () => {
    const match = { provider: "antropic", status: 429 };
    expect(problemsIn({ providers: { antropic: { type: "api-key" } }, rules: [{ ...rule, match }] })).toEqual(
      [],
    );
    expect(problemsIn({ rules: [{ ...rule, match: { provider: "my-company", status: 429 } }] })).toEqual([]);
  });

  test("stand in the JSON Schema", () => {
    expect(configSchema()).toMatchObject({
      properties: { rules: { type: "array", items: { required: ["name", "match", "outcome"] } } },
    });
  });
});
