import { describe, expect, test } from "vitest";
import { gathered, type Notice, noticesOf } from "../../src/domain/notice.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { stateOf } from "../../src/domain/state.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

function told(...profiles: readonly Partial<Profile>[]) {
  const standings = profiles.map((part) => {
    const profile = profileWith(part);
    return { profile, state: stateOf(profile, { held: false, trialRunning: false }, NOW), counts: true };
  });
  return [...noticesOf("openai-codex", standings, undefined, NOW).values()];
}
const over = oauthGrantWith({ expires: after(NOW, -1) });
const dead = (code: string): Partial<Profile> => ({
  refreshDead: { cause: "terminal", code, setAtMs: NOW.wallMs },
});
const doubt: Partial<Profile> = {
  grant: over,
  ownership: "SHARED",
  intent: { generation: 1, rotation: "strict", setAtMs: NOW.wallMs, replay: 0, phase: "lost" },
};
const cooling: Partial<Profile> = {
  cooldowns: [
    {
      model: "",
      outcome: "USAGE_LIMIT",
      source: "GUESS",
      setAtMs: NOW.wallMs,
      until: after(NOW, 60_000),
      halfOpen: true,
    },
  ],
};

test.each([
  ["a login that works", [{}], []],
  ["a dead refresh token, while the access token lives", [dead("invalid_grant")], ["LOGIN_REQUIRED"]],
  ["and when that is over", [{ ...dead("invalid_grant"), grant: over }], ["LOGIN_REQUIRED"]],
  ["a refresh in doubt", [doubt], ["LOGIN_REQUIRED"]],
  [
    "a refresh token that was used elsewhere",
    [dead("refresh_token_reused")],
    ["LOGIN_REQUIRED", "ROTATED_ELSEWHERE"],
  ],
  ["a login renewed by who shares it", [{ origin: "adopted" as const }], ["ROTATED_ELSEWHERE"]],
  ["one of two cooling", [cooling, { id: "openai-codex:b" }], []],
  ["all cooling", [cooling], ["ALL_COOLING_DOWN"]],
  ["cooling or logged out", [cooling, { id: "openai-codex:b", enabled: false }], ["ALL_COOLING_DOWN"]],
  ["switched off", [{ enabled: false }], []],
] as const)("%s", (_what, profiles, kinds) => {
  expect(told(...(profiles as readonly Partial<Profile>[])).map(({ kind }) => kind)).toEqual(kinds);
});

test("a provider that refuses the fresh tokens of all its logins is told of once, as the provider's end", () => {
  const refused: Partial<Profile> = {
    origin: "forced",
    loginNeeded: { reason: "refused", setAtMs: NOW.wallMs },
  };
  const [one, two] = [
    { ...refused, id: "openai-codex:a" },
    { ...refused, id: "openai-codex:b" },
  ];
  const other = { ...refused, origin: "put" as const, grant: apiKeyGrantWith(), id: "openai-codex:key" };
  const profiles = (...parts: Partial<Profile>[]) => told(...parts).map((n) => n.profile);
  expect(told(one, two)).toMatchObject([
    {
      kind: "LOGIN_REQUIRED",
      profile: "",
      message: expect.stringContaining("openai-codex refuses the tokens of all"),
    },
  ]);
  expect(profiles(one, two, { ...one, enabled: false }, other)).toEqual(["", other.id]);
  expect(profiles(one)).toEqual([one.id]);
  const permanent = { reason: "permanent", setAtMs: 0 } as const;
  for (const living of [
    {},
    { origin: "forced" as const },
    { ...refused, loginNeeded: permanent },
    { ...refused, origin: "login" as const },
    { ...refused, origin: "put" as const },
  ])
    expect(profiles(one, two, living)).not.toContain("");
});

test("what is outside the order, and so never used, is nobody's concern", () => {
  const profile = profileWith({ ...dead("refresh_token_reused"), grant: over });
  const state = stateOf(profile, { held: false, trialRunning: false }, NOW);
  expect(noticesOf("openai-codex", [{ profile, state, counts: false }], undefined, NOW).size).toBe(0);
});

describe("a notice says what happened, and what helps", () => {
  const A = "openai-codex:work";
  const find = (kind: string, ...profiles: Partial<Profile>[]) =>
    told(...profiles).find((n) => n.kind === kind);
  const LOGIN = "auth-broker login openai-codex --label work";

  test.each<[string, string, Partial<Profile>, string, string]>([
    [
      "a token that still serves",
      "LOGIN_REQUIRED",
      dead("invalid_grant"),
      `${A} serves until its token ends, then it needs a new login`,
      LOGIN,
    ],
    [
      "one that does not",
      "LOGIN_REQUIRED",
      { ...dead("invalid_grant"), grant: over },
      `${A} needs a new login`,
      LOGIN,
    ],
    [
      "a doubt",
      "LOGIN_REQUIRED",
      doubt,
      `a refresh of ${A} was lost in flight; log in again or refresh it by hand`,
      LOGIN,
    ],
    [
      "somebody was first",
      "ROTATED_ELSEWHERE",
      dead("refresh_token_reused"),
      `another program used the refresh token of ${A} before the broker did`,
      "auth-broker doctor",
    ],
    [
      "somebody renewed it",
      "ROTATED_ELSEWHERE",
      { origin: "adopted" },
      `another program renewed the login that it shares with ${A}; it was taken over`,
      "auth-broker doctor",
    ],
  ])("%s", (_what, kind, part, message, help) => {
    expect(find(kind, part)).toEqual({ kind, provider: "openai-codex", profile: A, message, help });
  });

  test("all out, with the time if one comes back", () => {
    const standing = {
      profile: profileWith(cooling),
      state: { state: "COOLING_DOWN", reason: "" },
      counts: true,
    } as const;
    const at = (ms: number | undefined) => [...noticesOf("x", [standing], ms, NOW).values()];
    const notice = {
      kind: "ALL_COOLING_DOWN",
      provider: "x",
      profile: "",
      message: "no profile of x can serve now: all are limited or out",
      help: "auth-broker usage",
    };
    expect(at(undefined).map((n) => Object.entries(n))).toEqual([Object.entries(notice)]);
    expect(at(7)).toEqual([{ ...notice, untilMs: 7 }]);
  });

  const plan = {
    name: "5h",
    windowMinutes: 300,
    usedPercent: 93.7,
    resetAtMs: NOW.wallMs + 9,
    observedAtMs: NOW.wallMs,
  };
  test("a limit that is near, with its reset if that is known", () => {
    const near = (part: object) => find("LIMIT_NEAR", { usageWindows: [{ ...plan, ...part }] });
    const notice = { kind: "LIMIT_NEAR", provider: "openai-codex", profile: A, help: "auth-broker usage" };
    expect(near({})).toEqual({
      ...notice,
      message: `${A} has used 93 % of its window 5h`,
      untilMs: NOW.wallMs + 9,
    });
    expect(near({ usedPercent: 90 })?.message).toBe(`${A} has used 90 % of its window 5h`);
    expect(near({ resetAtMs: undefined })).not.toHaveProperty("untilMs");
  });

  test.each<[string, object, Partial<Profile>]>([
    ["there is room", { usedPercent: 89.9 }, {}],
    ["nobody knows how much was used", { usedPercent: undefined }, {}],
    ["the window started anew", { resetAtMs: NOW.wallMs }, {}],
    ["it is a throttle", { windowMinutes: 1 }, {}],
    ["the profile is off", {}, { enabled: false }],
  ])("no limit is near, if %s", (_what, window, part) => {
    expect(find("LIMIT_NEAR", { usageWindows: [{ ...plan, ...window }], ...part })).toBeUndefined();
  });

  test("two windows near are two notices", () => {
    const usageWindows = [plan, { ...plan, name: "7d" }];
    expect(told({ usageWindows }).map((n) => n.message.split(" ").at(-1))).toEqual(["5h", "7d"]);
  });
});

test("a token endpoint that refuses every account is told of once, as the provider's trouble", () => {
  const refused: Partial<Profile> = {
    grant: over,
    backoff: { until: after(NOW, 60_000), setAtMs: NOW.wallMs, strikes: 3 },
  };
  const [notice, ...others] = told(refused, { ...refused, id: "openai-codex:b" });
  expect(others).toEqual([]);
  expect(notice).toMatchObject({
    profile: "",
    message: "no profile of openai-codex can serve now: its token endpoint does not answer usefully",
    help: "auth-broker status",
  });
  expect(told(refused, { ...cooling, id: "openai-codex:b" })[0]?.message).toMatch(/all are limited or out$/);
});

describe("many of one kind and provider", () => {
  const notice = (n: number, kind: Notice["kind"] = "LOGIN_REQUIRED", provider = "x"): Notice => ({
    kind,
    provider,
    profile: `${provider}:${n}`,
    message: `${provider}:${n} needs a new login`,
    help: "h",
  });
  const [one, two, three, four] = [notice(1), notice(2), notice(3), notice(4)];

  test("are told one by one up to three, from four on as one", () => {
    expect(gathered([])).toEqual([]);
    expect(gathered([one, two, three])).toEqual([one, two, three]);
    expect(gathered([one, two, three, four])).toEqual([
      {
        kind: "LOGIN_REQUIRED",
        provider: "x",
        profile: "",
        message: "x:1 needs a new login, and 3 more of x",
        help: "auth-broker status",
      },
    ]);
  });

  test("are many of their own kind and provider only", () => {
    const mixed = [one, two, notice(1, "LIMIT_NEAR"), notice(1, "LOGIN_REQUIRED", "y")];
    expect(gathered(mixed)).toEqual(mixed);
  });
});
