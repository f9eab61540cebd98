import type { Intent, Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/settings.ts";
import { after } from "../../src/domain/time.ts";
import { type Event, transition } from "../../src/domain/transition.ts";
import { FIXED_NOW as NOW, oauthGrantWith, profileWith } from "./arbitrary.ts";
import { limit } from "./situation.ts";

export const HOUR = 3_600_000;
export const happens = (profile: Profile, event: Event) => transition(profile, event, NOW, DEFAULT_SETTINGS);
export const fresh = oauthGrantWith({
  accessToken: new Secret("at-FAKE-2"),
  refreshToken: new Secret("rt-FAKE-2"),
});
export const intent: Intent = { generation: 3, rotation: "strict", setAtMs: 0, replay: 0, phase: "open" };
export const windows = [{ name: "primary", usedPercent: 40, observedAtMs: NOW.wallMs }];
export const strikes = [{ model: "", outcome: "USAGE_LIMIT", count: 2, lastAtMs: NOW.wallMs }] as const;

/** A profile with everything about it that can be wrong, and everything that an operator can set. */
export const troubled = profileWith({
  generation: 3,
  aliases: ["old:a"],
  attributes: { project: "p", team: "t" },
  baseUrl: "https://mine",
  pools: ["work"],
  sourcePath: "/home/fake/auth.json",
  title: "mine",
  proven: true,
  restored: true,
  block: { outcome: "FORBIDDEN", ban: true, setAtMs: 0 },
  loginNeeded: { reason: "refused", setAtMs: 0 },
  refreshDead: { cause: "lost", code: "x", setAtMs: 0 },
  intent,
  backoff: { until: after(NOW, 5), setAtMs: 0, strikes: 2 },
  lastAttempt: after(NOW, 5),
  cooldowns: [limit(HOUR)],
  strikes,
  usageWindows: windows,
  storedResets: 2,
});
