import { expect, test } from "vitest";
import type { Cooldown, Intent, Profile } from "../../src/domain/profile.ts";
import { type Surroundings, stateOf } from "../../src/domain/state.ts";
import { after } from "../../src/domain/time.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

const ended = oauthGrantWith({ expires: after(NOW, 0) });
const { refreshToken: _, ...endedAndAlone } = ended;
const limit = (ms: number, part: Partial<Cooldown> = {}): Cooldown => ({
  model: "",
  outcome: "USAGE_LIMIT",
  source: "GUESS",
  setAtMs: NOW.wallMs - 1,
  until: after(NOW, ms),
  halfOpen: true,
  ...part,
});
const block = (ban: boolean) => ({ outcome: "FORBIDDEN", ban, setAtMs: 0 }) as const;
const dead = (cause: "terminal" | "lost") => ({ refreshDead: { cause, code: "x", setAtMs: 0 } });
const login = { loginNeeded: { reason: "lost_in_flight", setAtMs: 0 } } as const;
const lost: Intent = { generation: 1, rotation: "strict", setAtMs: 0, replay: 0, phase: "lost" };
const doubt = { intent: lost, restored: true };
const waiting = (ms: number) => ({ backoff: { until: after(NOW, ms), setAtMs: 0, strikes: 1 } });
const HELD = { held: true, trialRunning: false };
const TRIED = { held: false, trialRunning: true };

test.each([
  ["nothing is wrong", {}, {}, "READY", ""],
  ["the refresh token is dead and the access token lives", dead("terminal"), {}, "READY", "LOGIN_REQUIRED"],
  ["in doubt, while the access token lives", doubt, {}, "READY", ""],
  ["the token endpoint says not now, while the access token lives", waiting(5), {}, "READY", ""],
  ["only one model cools down", { cooldowns: [limit(5, { model: "m" })] }, {}, "READY", ""],
  ["a limit is over", { cooldowns: [limit(0, { halfOpen: false })] }, TRIED, "READY", ""],
  ["a limit is over and nobody tries it yet", { cooldowns: [limit(0)] }, {}, "READY", ""],
  [
    "a limit is over and somebody tries it",
    { cooldowns: [limit(0)] },
    TRIED,
    "COOLING_DOWN",
    "TRIAL_IN_PROGRESS",
  ],
  ["a limit runs", { cooldowns: [limit(5)] }, {}, "COOLING_DOWN", "USAGE_LIMIT"],
  [
    "a key's limit runs",
    { grant: apiKeyGrantWith(), cooldowns: [limit(5)] },
    {},
    "COOLING_DOWN",
    "USAGE_LIMIT",
  ],
  [
    "not now, and the token has ended",
    { ...waiting(5), grant: ended },
    {},
    "COOLING_DOWN",
    "UPSTREAM_UNAVAILABLE",
  ],
  ["not now is over, and the token has ended", { ...waiting(0), grant: ended }, {}, "READY", ""],
  [
    "a restored copy, and the token has ended",
    { ...doubt, grant: ended },
    {},
    "REFRESH_IN_DOUBT",
    "RESTORED",
  ],
  [
    "in doubt, and the token has ended",
    { ...doubt, restored: false, ownership: "SHARED", grant: ended },
    {},
    "REFRESH_IN_DOUBT",
    "LOST_IN_FLIGHT",
  ],
  [
    "in doubt, and a limit runs",
    { ...doubt, grant: ended, cooldowns: [limit(5)] },
    {},
    "REFRESH_IN_DOUBT",
    "RESTORED",
  ],
  ["a login is needed", login, {}, "NEEDS_LOGIN", "LOST_IN_FLIGHT"],
  [
    "a login is needed and a limit runs",
    { ...login, cooldowns: [limit(5)] },
    {},
    "NEEDS_LOGIN",
    "LOST_IN_FLIGHT",
  ],
  ["the token has ended and cannot be refreshed", { grant: endedAndAlone }, {}, "NEEDS_LOGIN", "EXPIRED"],
  [
    "the token has ended, its refresh was refused",
    { ...dead("terminal"), grant: ended },
    {},
    "NEEDS_LOGIN",
    "REFRESH_REFUSED",
  ],
  [
    "the token has ended, its refresh was lost",
    { ...dead("lost"), grant: ended },
    {},
    "NEEDS_LOGIN",
    "LOST_IN_FLIGHT",
  ],
  ["a ban elsewhere holds it", login, HELD, "BLOCKED", "HELD_AFTER_BAN"],
  ["it is blocked", { ...login, block: block(false) }, HELD, "BLOCKED", "FORBIDDEN"],
  ["it is banned", { block: block(true) }, {}, "BLOCKED", "BANNED"],
  ["it is switched off", { enabled: false, block: block(true) }, HELD, "DISABLED", ""],
] as const)("%s", (_what, part, around, state, reason) => {
  const surroundings: Surroundings = { held: false, trialRunning: false, ...around };
  expect(stateOf(profileWith(part as Partial<Profile>), surroundings, NOW)).toEqual({ state, reason });
});
