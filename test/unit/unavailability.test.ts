import { describe, expect, test } from "vitest";
import { judge, type Request } from "../../src/domain/candidate.ts";
import type { Unavailability } from "../../src/domain/failure.ts";
import { arrange, type ProviderRules } from "../../src/domain/pool.ts";
import type { Intent } from "../../src/domain/profile.ts";
import type { Scene } from "../../src/domain/selection.ts";
import { after } from "../../src/domain/time.ts";
import { refreshPending, unavailable } from "../../src/domain/unavailability.ts";
import { FIXED_NOW as NOW } from "../support/arbitrary.ts";
import { cooling, corrupt, key, login, situation, stale } from "../support/situation.ts";

type Listed = Parameters<typeof arrange>[1][number];
interface Asked {
  readonly request?: Partial<Request>;
  readonly scene?: Partial<Scene>;
  readonly rules?: Partial<ProviderRules>;
  readonly order?: readonly string[];
  readonly bannedId?: string;
  readonly stayed?: string;
}

function failure(profiles: readonly Listed[], { stayed, bannedId, ...asked }: Asked = {}) {
  const [{ rules }, request, scene] = situation({ profiles, ...asked });
  const pool = arrange(rules, profiles, asked.order, bannedId);
  const ranked = pool.seats.map((seat) => ({ seat, verdict: judge(seat, pool, request, scene, NOW) }));
  return unavailable(pool, request, ranked, stayed);
}
function told(profiles: readonly Listed[], asked?: Asked): Unavailability {
  const found = failure(profiles, asked);
  if (found.kind !== "unavailable") throw new Error(found.kind);
  return found.unavailability;
}

const needed = (label: string) => login(label, { loginNeeded: { reason: "refused", setAtMs: 0 } });
const blocked = (label: string) => login(label, { block: { outcome: "FORBIDDEN", ban: false, setAtMs: 0 } });
const lost: Intent = { generation: 1, rotation: "strict", setAtMs: 0, replay: 0, phase: "lost" };
const doubtful = (label: string) => stale(label, { intent: lost, restored: true });
const short = (label: string) => login(label, { intent: lost });
const LONG = { request: { minValidForMs: 99 * 3_600_000 } };
const waiting = (label: string, ms: number) =>
  stale(label, { backoff: { until: after(NOW, ms), setAtMs: 0, strikes: 1 } });

describe("who comes back by itself gives the time", () => {
  test.each<[string, Listed[], string, number]>([
    [
      "of two limits the sooner end",
      [cooling("a", 9), cooling("b", 5), cooling("c", 7)],
      "ALL_COOLING_DOWN",
      5,
    ],
    ["a limit before a login", [needed("a"), cooling("b", 5)], "ALL_COOLING_DOWN", 5],
    ["the token endpoint, if it is sooner", [cooling("a", 9), waiting("b", 5)], "UPSTREAM_UNAVAILABLE", 5],
    ["the limit, if it is sooner", [cooling("a", 5), waiting("b", 9)], "ALL_COOLING_DOWN", 5],
    ["a refresh a moment ago", [stale("a", { lastAttempt: after(NOW, 5) })], "UPSTREAM_UNAVAILABLE", 5],
  ])("%s", (_what, profiles, reason, ms) => {
    const { message, retryAtMs, help, ...rest } = told(profiles);
    expect([rest.reason, (retryAtMs ?? 0) - NOW.wallMs, help]).toEqual([reason, ms, undefined]);
    expect(message).toMatch(reason === "ALL_COOLING_DOWN" ? /^x: .*cooling down$/ : /^x: .*token endpoint/);
  });
});

describe("where somebody must act, the answer names the command", () => {
  test.each<[string, Listed[], Asked, string, RegExp, string]>([
    [
      "a login before a doubt",
      [doubtful("b"), needed("a")],
      {},
      "LOGIN_REQUIRED",
      /new login/,
      "auth-broker login x --label a",
    ],
    [
      "a doubt before a block",
      [blocked("a"), doubtful("b")],
      {},
      "REFRESH_IN_DOUBT",
      /was lost/,
      "auth-broker profiles refresh x:b",
    ],
    [
      "a block before a validity",
      [short("a"), blocked("b")],
      LONG,
      "PROFILE_BLOCKED",
      /blocked/,
      "auth-broker profiles enable x:b",
    ],
    [
      "a validity before a price",
      [key("k"), short("a")],
      LONG,
      "VALIDITY_UNREACHABLE",
      /stays valid/,
      "auth-broker acquire x --min-valid-for 0s",
    ],
    [
      "a price",
      [key("k"), login("a", { enabled: false })],
      {},
      "METERED_NOT_ALLOWED",
      /metered/,
      "auth-broker acquire x --profile x:k",
    ],
    [
      "another's ban",
      [login("a"), login("b")],
      { bannedId: "x:b", request: { excludeProfiles: ["x:b"] } },
      "PROFILE_BLOCKED",
      /blocked/,
      "auth-broker profiles acknowledge x",
    ],
    [
      "a broken record beside a profile",
      [login("a", { block: { outcome: "FORBIDDEN", ban: true, setAtMs: 0 } }), corrupt("0")],
      { order: ["x:0", "x:a"] },
      "PROFILE_BLOCKED",
      /blocked/,
      "auth-broker profiles add x:0",
    ],
  ])("%s", (_what, profiles, asked, reason, message, help) => {
    const answer = told(profiles, asked);
    expect([answer.reason, answer.help, answer.retryAtMs]).toEqual([reason, help, undefined]);
    expect(answer.message).toMatch(message);
  });
});

test("broken records alone are told as such, with file and mend", () => {
  expect(failure([corrupt("a"), corrupt("b")])).toMatchObject({
    kind: "store_corrupt",
    path: "/s/a",
    mend: expect.stringMatching(/repair the file/),
  });
  const left = { request: { excludeProfiles: ["x:b"] } };
  expect(failure([corrupt("a"), login("b")], left).kind).toBe("store_corrupt");
  expect(failure([corrupt("a"), cooling("b", 5)]).kind).toBe("unavailable");
});

describe("where nobody comes into question, the answer says why if one fact does", () => {
  const p = { request: { pool: "p" } };
  const off = (label: string) => login(label, { enabled: false });
  test.each<[string, Listed[], Asked, string, string]>([
    ["there is none", [], {}, "there is no profile; log in, or import one", "auth-broker login x"],
    [
      "there is none, and none can log in",
      [],
      { rules: { isKeysOnly: true } },
      "there is no profile; add a key",
      "auth-broker profiles add x:LABEL --api-key",
    ],
    [
      "there is none that may be known",
      [login("a")],
      { scene: { allows: () => false } },
      "there is no profile; log in, or import one",
      "auth-broker login x",
    ],
    ["all are off", [off("a"), off("b")], {}, "every profile is disabled", "auth-broker profiles enable x:a"],
    [
      "none is in any pool",
      [login("a")],
      p,
      'no profile is in the pool "p"; none is in any pool',
      "auth-broker explain x",
    ],
    [
      "there are other pools",
      [login("a", { pools: ["w", "q"] }), login("b", { pools: ["q"] }), corrupt("c")],
      { request: { pool: "p", excludeProfiles: ["x:c"] } },
      'no profile is in the pool "p"; there are: q, w',
      "auth-broker explain x",
    ],
    [
      "several facts",
      [off("a"), login("b")],
      { request: { excludeProfiles: ["x:b"] } },
      "no profile matches this request",
      "auth-broker explain x",
    ],
    [
      "in the pool, but off",
      [login("a", { pools: ["p"], enabled: false }), login("b")],
      p,
      "no profile matches this request",
      "auth-broker explain x",
    ],
  ])("%s", (_what, profiles, asked, message, help) => {
    const { reason, ...rest } = told(profiles, asked);
    expect([reason, rest.message, rest.help]).toEqual(["NO_PROFILE", `x: ${message}`, help]);
  });
});

test("every profile that may be known has its reason, and its time if it has one", () => {
  const profiles = [
    cooling("a", 5),
    needed("b"),
    login("c", { enabled: false }),
    login("d"),
    stale("e"),
    login("f"),
  ];
  const scene = { allows: (id: string) => id !== "x:d" };
  expect(told(profiles, { scene }).profiles).toEqual([
    { profile: "x:a", reason: "COOLING_DOWN", untilMs: NOW.wallMs + 5 },
    { profile: "x:b", reason: "LOGIN_REQUIRED" },
    { profile: "x:c", reason: "DISABLED" },
    { profile: "x:e", reason: "REFRESHING" },
  ]);
});

describe("work that may not move by itself", () => {
  test("is told to whom it is bound, and the command that moves it", () => {
    const { message, help } = told([cooling("a", 5)], { stayed: "x:a" });
    expect(help).toBe("auth-broker acquire x --profile P --session s");
    expect(message).toMatch(/^x: every profile .* cooling down; work stays on "x:a" because .* terms bind/);
    expect(message).toContain(`another: ${help}`);
  });

  test("without a session needs none", () => {
    const asked = { stayed: "x:a", request: { sessionId: "" } };
    expect(told([cooling("a", 5)], asked).help).toBe("auth-broker acquire x --profile P");
  });
});

test("what there is not has no field", () => {
  expect(Object.keys(told([cooling("a", 5)]))).toEqual(["reason", "message", "retryAtMs", "profiles"]);
  expect(Object.keys(told([needed("a")]))).toEqual(["reason", "message", "help", "profiles"]);
});

test("a refresh that takes too long goes on, and the caller is told when to come back", () => {
  expect(refreshPending("x", "x:a", 7).unavailability).toEqual({
    reason: "UPSTREAM_UNAVAILABLE",
    message: 'the login of "x:a" (x) is being refreshed; try again in a moment',
    retryAtMs: 7,
    profiles: [{ profile: "x:a", reason: "REFRESHING", untilMs: 7 }],
  });
});
