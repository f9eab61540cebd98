import { expect, test } from "vitest";
import { noticesOf } from "../../src/domain/notice.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { stateOf } from "../../src/domain/state.ts";
import { after } from "../../src/domain/time.ts";
import { FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

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

test("what is outside the order, and so never used, is nobody's concern", () => {
  const profile = profileWith({ ...dead("refresh_token_reused"), grant: over });
  const state = stateOf(profile, { held: false, trialRunning: false }, NOW);
  expect(noticesOf("openai-codex", [{ profile, state, counts: false }], undefined, NOW).size).toBe(0);
});
