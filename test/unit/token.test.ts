import { describe, expect, test } from "vitest";
import type { Intent, Profile } from "../../src/domain/profile.ts";
import { after } from "../../src/domain/time.ts";
import { isGoodFor, isLive, isRefreshDue, refreshDueAt, refreshPermission } from "../../src/domain/token.ts";
import { apiKeyGrantWith, FIXED_NOW as NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";

const HOUR = 3_600_000;
const ended = oauthGrantWith({ expires: after(NOW, 0) });
const { refreshToken: _r, ...withoutRefresh } = oauthGrantWith();
const { expires: _e, ...withoutEnd } = oauthGrantWith();
const { refreshDue: _d, ...withoutDue } = oauthGrantWith();

const lost: Intent = { generation: 1, rotation: "strict", setAtMs: NOW.wallMs, replay: 0, phase: "lost" };
const backoff = (ms: number) => ({ until: after(NOW, ms), setAtMs: NOW.wallMs, strikes: 1 });
const refused = { refusedGeneration: 1 };
const dead = (cause: "terminal" | "lost") => ({ refreshDead: { cause, code: "x", setAtMs: 0 } });
const login = { loginNeeded: { reason: "permanent", setAtMs: 0 } } as const;
const later = (ms: number, why: string) => ({ kind: "later", untilMs: NOW.wallMs + ms, why });

describe("an access token", () => {
  test.each([
    ["with hours left", {}, true],
    ["of another generation that was refused", { refusedGeneration: 7 }, true],
    ["that was refused", refused, false],
    ["that ends now", { grant: ended }, false],
    ["whose end nobody knows", { grant: withoutEnd }, true],
    ["that is a key", { grant: apiKeyGrantWith() }, true],
  ] as const)("%s", (_what, part: Partial<Profile>, isGood) => {
    expect(isLive(profileWith(part), NOW)).toBe(isGood);
    expect(isGoodFor(profileWith(part), 0, NOW)).toBe(isGood);
  });

  test("is good for as long as it lives and not a millisecond more; one without an end for ever", () => {
    expect(isGoodFor(profileWith(), 9 * HOUR, NOW)).toBe(true);
    expect(isGoodFor(profileWith(), 9 * HOUR + 1, NOW)).toBe(false);
    expect(isGoodFor(profileWith({ grant: withoutEnd }), 1e12, NOW)).toBe(true);
  });

  test.each([
    ["before its time", {}, false],
    ["at its time", { grant: oauthGrantWith({ refreshDue: after(NOW, 0) }) }, true],
    ["without a time of its own", { grant: withoutDue }, false],
    ["once refused", refused, true],
    ["once refused, without a refresh token", { ...refused, grant: withoutRefresh }, false],
    ["that is a key", { ...refused, grant: apiKeyGrantWith() }, false],
  ] as const)("is due for a refresh: %s", (_what, part: Partial<Profile>, isDue) => {
    expect(isRefreshDue(profileWith(part), NOW)).toBe(isDue);
  });
});

describe("a refresh token may be sent", () => {
  test.each([
    ["never, if there is none", { grant: withoutRefresh }, { kind: "never", lost: false }],
    ["never, of a key", { grant: apiKeyGrantWith() }, { kind: "never", lost: false }],
    ["never, once the server ended it", dead("terminal"), { kind: "never", lost: false }],
    ["never, once its one replay was lost", dead("lost"), { kind: "never", lost: true }],
    ["never, where only a login helps", login, { kind: "never", lost: false }],
    ["now", {}, { kind: "now", replay: 0 }],
    ["after a back-off", { backoff: backoff(50) }, later(50, "UPSTREAM_UNAVAILABLE")],
    ["now, after a back-off that is over", { backoff: backoff(0) }, { kind: "now", replay: 0 }],
    ["after the interval", { lastAttempt: after(NOW, 9) }, later(9, "REFRESHING")],
    ["now, after an interval that is over", { lastAttempt: after(NOW, 0) }, { kind: "now", replay: 0 }],
    [
      "now, while it is being sent",
      { intent: { ...lost, phase: "open", replay: 1 } },
      { kind: "now", replay: 1 },
    ],
    ["at the end, once an answer was lost", { intent: lost }, { kind: "at_end" }],
    ["once more, when the token has ended", { intent: lost, grant: ended }, { kind: "now", replay: 1 }],
    ["once more, when the token was refused", { intent: lost, ...refused }, { kind: "now", replay: 1 }],
    [
      "once more, free of the interval",
      { intent: lost, grant: ended, lastAttempt: after(NOW, 9) },
      { kind: "now", replay: 1 },
    ],
    [
      "once more, not before the back-off is over",
      { intent: lost, grant: ended, backoff: backoff(50) },
      later(50, "UPSTREAM_UNAVAILABLE"),
    ],
    ["by an operator, if another holds it", { intent: lost, ownership: "SHARED" }, { kind: "in_doubt" }],
    ["by an operator, if it was restored", { intent: lost, restored: true }, { kind: "in_doubt" }],
    [
      "at once within the grace, whoever holds it",
      { intent: { ...lost, graceUntil: after(NOW, 1) }, ownership: "SHARED" },
      { kind: "now", replay: 1 },
    ],
    ["at the end, after the grace", { intent: { ...lost, graceUntil: after(NOW, 0) } }, { kind: "at_end" }],
  ] as const)("%s", (_what, part, permission) => {
    expect(refreshPermission(profileWith(part as Partial<Profile>), NOW)).toEqual(permission);
  });
});

describe("without anybody asking, the next refresh comes", () => {
  const due = after(NOW, 7 * HOUR);
  test.each([
    ["at its time", {}, due],
    ["never, if no time was drawn", { grant: withoutDue }, undefined],
    ["never, while switched off", { enabled: false }, undefined],
    ["never, while blocked", { block: { outcome: "FORBIDDEN", ban: false, setAtMs: 0 } }, undefined],
    ["never, of a key", { grant: apiKeyGrantWith() }, undefined],
    ["never, once dead", dead("terminal"), undefined],
    ["never, in doubt", { intent: lost, restored: true }, undefined],
    ["at the end of the token, once an answer was lost", { intent: lost }, after(NOW, 9 * HOUR)],
    ["at once, if the token has ended, too", { intent: lost, grant: ended }, after(NOW, 0)],
    ["at once, if the token was refused", refused, after(NOW, 0)],
    ["at its time, if that is after the back-off", { backoff: backoff(HOUR) }, due],
    ["after the back-off, if that is later", { backoff: backoff(8 * HOUR) }, after(NOW, 8 * HOUR)],
    ["after the back-off, if refused", { ...refused, backoff: backoff(HOUR) }, after(NOW, HOUR)],
    [
      "after the back-off, never by a time that was not drawn",
      { grant: withoutDue, backoff: backoff(HOUR) },
      undefined,
    ],
  ] as const)("%s", (_what, part, deadline) => {
    expect(refreshDueAt(profileWith(part as Partial<Profile>), NOW)).toEqual(deadline);
  });
});
