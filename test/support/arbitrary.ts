import fc from "fast-check";
import type { Account, ApiKeyGrant, Grant, OAuthGrant, TokenGrant } from "../../src/domain/grant.ts";
import { ROTATIONS } from "../../src/domain/grant.ts";
import type { UsageWindow } from "../../src/domain/outcome.ts";
import { OUTCOMES } from "../../src/domain/outcome.ts";
import type {
  Block,
  Cooldown,
  Intent,
  LoginNeeded,
  Profile,
  RefreshBackoff,
  RefreshDead,
  Strikes,
} from "../../src/domain/profile.ts";
import { COOLDOWN_SOURCES, COST_CLASSES, OWNERSHIPS } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Deadline, Now } from "../../src/domain/time.ts";
import { after, at } from "../../src/domain/time.ts";

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;

/** The moment around which all fixtures here are built: 15 January 2027, one million ms after the start. */
export const FIXED_NOW: Now = { wallMs: 1_800_000_000_000, monoMs: 1_000_000 };

/** An OAuth grant of which 9 of 10 hours are left; a refresh is due in 7 hours. */
export function oauthGrantWith(overrides: Partial<OAuthGrant> = {}, now: Now = FIXED_NOW): OAuthGrant {
  return {
    kind: "oauth",
    accessToken: new Secret("at-FAKE-1"),
    refreshToken: new Secret("rt-FAKE-1"),
    tokenType: "Bearer",
    expires: after(now, 9 * HOUR_MS),
    lifetimeMs: 10 * HOUR_MS,
    refreshDue: after(now, 7 * HOUR_MS),
    issuedAtMs: now.wallMs - HOUR_MS,
    scopes: [],
    ...overrides,
  };
}

export function apiKeyGrantWith(overrides: Partial<ApiKeyGrant> = {}): ApiKeyGrant {
  return { kind: "api_key", key: new Secret("sk-FAKE-key"), ...overrides };
}

/**
 * A plain READY profile with an OAuth grant. `id` alone is enough to give another provider and label:
 * `profileWith({ id: "anthropic:home" })`. Deadlines are relative to `now`.
 */
export function profileWith(overrides: Partial<Profile> = {}, now: Now = FIXED_NOW): Profile {
  const id = overrides.id ?? `${overrides.provider ?? "openai-codex"}:${overrides.label ?? "work"}`;
  const colon = id.indexOf(":");
  return {
    provider: id.slice(0, colon),
    label: id.slice(colon + 1),
    aliases: [],
    grant: oauthGrantWith({}, now),
    generation: 1,
    origin: "put",
    obtainedAtMs: now.wallMs - HOUR_MS,
    proven: false,
    accountEpoch: "epoch-1",
    account: { accountId: "acct-a" },
    attributes: {},
    enabled: true,
    baseUrl: "",
    pools: [],
    ownership: "SOLE",
    restored: false,
    sourcePath: "",
    costClass: overrides.grant?.kind === "api_key" ? "METERED" : "SUBSCRIPTION",
    cooldowns: [],
    strikes: [],
    usageWindows: [],
    ...overrides,
    id,
  };
}

/**
 * Any profile that can exist at `now`: every optional part there or not, deadlines before and after
 * `now`, both clocks in step. Texts hold any characters; ids are `<provider>:<label>`.
 */
export function arbitraryProfile(now: Now = FIXED_NOW): fc.Arbitrary<Profile> {
  return fc
    .record({
      provider: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
      label: fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
      grant: arbitraryGrant(now),
      required: arbitraryRequired(now),
      optional: arbitraryOptional(now),
    })
    .map(({ provider, label, grant, required, optional }) => {
      const { intent, ...rest } = optional;
      const refreshable = grant.kind === "oauth" && grant.refreshToken !== undefined;
      return {
        id: `${provider}:${label}`,
        provider,
        label,
        grant,
        ...required,
        ...rest,
        ...(intent !== undefined && refreshable
          ? { intent: { ...intent, generation: required.generation } }
          : {}),
      };
    });
}

/** Any grant of any kind, expired or not at `now`. */
function arbitraryGrant(now: Now = FIXED_NOW): fc.Arbitrary<Grant> {
  const expires = deadline(now, -DAY_MS, 30 * DAY_MS);
  const oauth: fc.Arbitrary<OAuthGrant> = fc.record(
    {
      kind: fc.constant("oauth" as const),
      accessToken: secret("at-FAKE-"),
      refreshToken: secret("rt-FAKE-"),
      idToken: secret("id-FAKE-"),
      tokenType: fc.constantFrom("Bearer", "DPoP"),
      expires,
      lifetimeMs: fc.integer({ min: 0, max: 30 * DAY_MS }),
      refreshDue: deadline(now, -DAY_MS, 30 * DAY_MS),
      issuedAtMs: past(now),
      scopes: fc.array(text(12), { maxLength: 3 }),
    },
    { requiredKeys: ["kind", "accessToken", "tokenType", "scopes"] },
  );
  const token: fc.Arbitrary<TokenGrant> = fc.record(
    {
      kind: fc.constant("token" as const),
      token: secret("sk-ant-FAKE-"),
      expires,
      issuedAtMs: past(now),
    },
    { requiredKeys: ["kind", "token"] },
  );
  const apiKey: fc.Arbitrary<ApiKeyGrant> = fc.record({
    kind: fc.constant("api_key" as const),
    key: secret("sk-FAKE-"),
  });
  return fc.oneof({ weight: 4, arbitrary: oauth }, token, apiKey);
}

/** Any cooldown set at or before `now`, over or not. */
function arbitraryCooldown(now: Now = FIXED_NOW): fc.Arbitrary<Cooldown> {
  return fc.record(
    {
      model: fc.constantFrom("", "gpt-5.4", "claude-x"),
      outcome: fc.constantFrom(...OUTCOMES),
      source: fc.constantFrom(...COOLDOWN_SOURCES),
      setAtMs: past(now),
      until: deadline(now, -DAY_MS, 8 * DAY_MS),
      halfOpen: fc.boolean(),
      leaseTag: fc.stringMatching(/^[0-9a-f]{8}$/),
    },
    { requiredKeys: ["model", "outcome", "source", "setAtMs", "until", "halfOpen"] },
  );
}

function arbitraryRequired(now: Now) {
  return fc.record({
    aliases: fc.array(text(20), { maxLength: 2 }),
    generation: fc.integer({ min: 1, max: 1_000_000 }),
    origin: fc.constantFrom("put", "login", "refresh", "forced", "adopted"),
    obtainedAtMs: past(now),
    proven: fc.boolean(),
    accountEpoch: fc.uuid(),
    account: arbitraryAccount(),
    attributes: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,11}$/), text(20), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
    enabled: fc.boolean(),
    baseUrl: fc.constantFrom("", "http://127.0.0.1:9999/v1"),
    pools: fc.uniqueArray(text(8), { maxLength: 2 }),
    ownership: fc.constantFrom(...OWNERSHIPS),
    restored: fc.boolean(),
    sourcePath: fc.constantFrom("", "/home/fake/.codex/auth.json"),
    costClass: fc.constantFrom(...COST_CLASSES),
    cooldowns: fc.array(arbitraryCooldown(now), { maxLength: 3 }),
    strikes: fc.array(arbitraryStrikes(now), { maxLength: 3 }),
    usageWindows: fc.array(arbitraryUsageWindow(now), { maxLength: 3 }),
  });
}

function arbitraryOptional(now: Now) {
  return fc.record(
    {
      title: text(20),
      storedResets: fc.integer({ min: 1, max: 9 }),
      lastRefreshAtMs: past(now),
      block: arbitraryBlock(now),
      loginNeeded: arbitraryLoginNeeded(now),
      refusedGeneration: fc.integer({ min: 1, max: 1_000_000 }),
      refreshDead: arbitraryRefreshDead(now),
      intent: arbitraryIntent(now),
      backoff: arbitraryBackoff(now),
      lastAttempt: deadline(now, -DAY_MS, 60 * SECOND_MS),
    },
    { requiredKeys: [] },
  );
}

function arbitraryAccount(): fc.Arbitrary<Account> {
  return fc.record(
    {
      accountId: text(12),
      userId: text(12),
      email: fc.constantFrom("ann@example.test", "bob@example.test"),
      planType: fc.constantFrom("plus", "pro", "team"),
    },
    { requiredKeys: [] },
  );
}

function arbitraryStrikes(now: Now): fc.Arbitrary<Strikes> {
  return fc.record({
    model: fc.constantFrom("", "gpt-5.4"),
    outcome: fc.constantFrom(...OUTCOMES),
    count: fc.integer({ min: 1, max: 50 }),
    lastAtMs: past(now),
  });
}

function arbitraryUsageWindow(now: Now): fc.Arbitrary<UsageWindow> {
  return fc.record(
    {
      name: fc.constantFrom("primary", "secondary", "7d_opus"),
      windowMinutes: fc.integer({ min: 1, max: 10_080 }),
      usedPercent: fc.double({ min: 0, max: 200, noNaN: true }),
      resetAtMs: fc.integer({ min: now.wallMs - DAY_MS, max: now.wallMs + 8 * DAY_MS }),
      observedAtMs: past(now),
    },
    { requiredKeys: ["name", "observedAtMs"] },
  );
}

function arbitraryBlock(now: Now): fc.Arbitrary<Block> {
  return fc.record({ outcome: fc.constantFrom(...OUTCOMES), ban: fc.boolean(), setAtMs: past(now) });
}

function arbitraryLoginNeeded(now: Now): fc.Arbitrary<LoginNeeded> {
  return fc.record({
    reason: fc.constantFrom("refused", "permanent", "lost_in_flight"),
    setAtMs: past(now),
  });
}

function arbitraryRefreshDead(now: Now): fc.Arbitrary<RefreshDead> {
  return fc.record({
    cause: fc.constantFrom("terminal", "lost"),
    code: fc.constantFrom("invalid_grant", "refresh_token_reused"),
    setAtMs: past(now),
  });
}

function arbitraryIntent(now: Now): fc.Arbitrary<Omit<Intent, "generation">> {
  return fc.record(
    {
      rotation: fc.constantFrom(...ROTATIONS),
      setAtMs: past(now),
      replay: fc.constantFrom(0, 1),
      phase: fc.constantFrom("open", "lost"),
      graceUntil: deadline(now, -HOUR_MS, HOUR_MS),
    },
    { requiredKeys: ["rotation", "setAtMs", "replay", "phase"] },
  );
}

function arbitraryBackoff(now: Now): fc.Arbitrary<RefreshBackoff> {
  return fc.record({
    until: deadline(now, -HOUR_MS, HOUR_MS),
    setAtMs: past(now),
    strikes: fc.integer({ min: 1, max: 20 }),
  });
}

function deadline(now: Now, minMs: number, maxMs: number): fc.Arbitrary<Deadline> {
  return fc.integer({ min: minMs, max: maxMs }).map((ms) => at(now, now.wallMs + ms));
}

function past(now: Now): fc.Arbitrary<number> {
  return fc.integer({ min: now.wallMs - 30 * DAY_MS, max: now.wallMs });
}

function text(maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: "binary", minLength: 1, maxLength });
}

function secret(prefix: string): fc.Arbitrary<Secret> {
  return fc.string({ unit: "grapheme-ascii", maxLength: 60 }).map((tail) => new Secret(prefix + tail));
}
