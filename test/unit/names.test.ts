import { expect, test } from "vitest";
import { PROFILE_KINDS, ROTATIONS } from "../../src/domain/grant.ts";
import { LOGIN_FLOWS, LOGIN_STATES } from "../../src/domain/login.ts";
import { NOTICE_KINDS } from "../../src/domain/notice.ts";
import { defaultScope, OUTCOMES, type Outcome, RESPONSE_SOURCES, SCOPES } from "../../src/domain/outcome.ts";
import { STRATEGIES } from "../../src/domain/pool.ts";
import { COOLDOWN_SOURCES, COST_CLASSES, OWNERSHIPS, splitProfileId } from "../../src/domain/profile.ts";
import { BUILT_IN_PROVIDERS, isBuiltIn } from "../../src/domain/provider-ids.ts";
import { PROFILE_STATES } from "../../src/domain/state.ts";

// What other programs and stored records know by name: a change of one of these is a change of the contract.

const words = (text: string) => text.trim().split(/\s+/);

test.each([
  ["kinds, in the order in which they are preferred", PROFILE_KINDS, "oauth token api_key"],
  ["rotations", ROTATIONS, "none grace strict"],
  ["ownerships", OWNERSHIPS, "SOLE SHARED UNKNOWN"],
  ["cost classes", COST_CLASSES, "SUBSCRIPTION METERED"],
  ["sources of a cooldown", COOLDOWN_SOURCES, "PROVIDER GUESS"],
  ["scopes", SCOPES, "PROFILE PROFILE_MODEL PROVIDER NONE"],
  ["sources of an answer", RESPONSE_SOURCES, "MODEL_API STREAM_EVENT USAGE_API"],
  ["strategies", STRATEGIES, "ordered round_robin least_loaded earliest_reset"],
  ["ways of a login", LOGIN_FLOWS, "LOOPBACK DEVICE PASTE CLIENT"],
  ["states of a login", LOGIN_STATES, "WAITING EXCHANGING VERIFYING DONE FAILED CANCELLED"],
  ["notices", NOTICE_KINDS, "LOGIN_REQUIRED ALL_COOLING_DOWN LIMIT_NEAR ROTATED_ELSEWHERE"],
  ["states of a profile", PROFILE_STATES, "READY COOLING_DOWN NEEDS_LOGIN REFRESH_IN_DOUBT BLOCKED DISABLED"],
  [
    "outcomes",
    OUTCOMES,
    `OK RATE_LIMIT USAGE_LIMIT OVERLOADED AUTH_INVALID_TOKEN AUTH_PERMANENT BILLING FORBIDDEN MODEL_NOT_FOUND
     BAD_REQUEST TIMEOUT SERVER_ERROR NETWORK UNRECOGNIZED`,
  ],
  [
    "providers that need no configuration",
    BUILT_IN_PROVIDERS,
    `openai-codex openai-api anthropic google-gemini-cli google-antigravity github-copilot qwen kimi xai minimax
     openrouter`,
  ],
])("%s", (_what, list, text) => {
  expect(list).toEqual(words(text));
});

test("a provider that nobody built in is none", () => {
  expect([isBuiltIn("openai-codex"), isBuiltIn("openai"), isBuiltIn("")]).toEqual([true, false, false]);
});

test.each([
  ["a:b", { provider: "a", label: "b" }],
  ["a:b:c", { provider: "a", label: "b:c" }],
  ["a", undefined],
  [":b", undefined],
  ["a:", undefined],
  [":", undefined],
  ["", undefined],
])("the id %j is split into %j", (id, parts) => {
  expect(splitProfileId(id)).toEqual(parts);
});

// From the contract's table of outcomes: scope with a known model, and without.
test.each<[Outcome, string, string]>([
  ["OK", "NONE", "NONE"],
  ["RATE_LIMIT", "PROFILE_MODEL", "PROFILE"],
  ["USAGE_LIMIT", "PROFILE", "PROFILE"],
  ["OVERLOADED", "PROVIDER", "PROVIDER"],
  ["AUTH_INVALID_TOKEN", "PROFILE", "PROFILE"],
  ["AUTH_PERMANENT", "PROFILE", "PROFILE"],
  ["BILLING", "PROFILE", "PROFILE"],
  ["FORBIDDEN", "PROFILE", "PROFILE"],
  ["MODEL_NOT_FOUND", "PROFILE_MODEL", "NONE"],
  ["BAD_REQUEST", "NONE", "NONE"],
  ["TIMEOUT", "NONE", "NONE"],
  ["SERVER_ERROR", "PROVIDER", "PROVIDER"],
  ["NETWORK", "NONE", "NONE"],
  ["UNRECOGNIZED", "NONE", "NONE"],
])("%s, reported bare, touches %s with a model and %s without", (outcome, withModel, without) => {
  expect([defaultScope(outcome, "m"), defaultScope(outcome, "")]).toEqual([withModel, without]);
});
