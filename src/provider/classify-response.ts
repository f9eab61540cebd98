import type { Outcome, Reading, Scope, UsageWindow } from "../domain/outcome.ts";
import { BANNED } from "./dialect/ban.ts";
import { GENERAL_CODES, TELLING_CODES } from "./dialect/codes.ts";
import { type Evidence, isCredible, readEvidence } from "./dialect/evidence.ts";
import { EDGE, STATUS, TRANSPORT, UNRECOGNIZED } from "./dialect/fallback.ts";
import { PHRASES, REQUEST_PHRASES } from "./dialect/phrases.ts";
import { statedReset } from "./dialect/reset-moment.ts";
import type { Dialect, Rule, Verdict } from "./dialect/rule.ts";
import { waitsLong } from "./dialect/throttle.ts";
import type { Classify, ProviderResponse } from "./provider.ts";

const TIMED: ReadonlySet<Outcome> = new Set([
  "RATE_LIMIT",
  "USAGE_LIMIT",
  "BILLING",
  "OVERLOADED",
  "SERVER_ERROR",
]);

/** True for outcomes of which an answer may state the end. */
export function endsByItself(outcome: Outcome): boolean {
  return TIMED.has(outcome);
}

/** Makes the classifier of one dialect. It reads in this order: request, gateway, dialect, codes, words, status. */
export function classifyIn(dialect: Dialect): Classify {
  const rules: readonly Rule[] = [
    ...REQUEST_PHRASES,
    BANNED,
    ...EDGE,
    ...dialect.rules.map((rule) => ({ ...rule, name: `${dialect.name}.${rule.name}` })),
    ...TELLING_CODES,
    ...PHRASES,
    ...GENERAL_CODES,
    ...TRANSPORT,
    ...STATUS,
    UNRECOGNIZED,
  ];
  return (response, limits) => {
    try {
      return read(dialect, rules, response, limits.longestWindowMs);
    } catch {
      return { outcome: "UNRECOGNIZED", scope: "NONE", windows: [], rule: "unreadable" };
    }
  };
}

function read(
  dialect: Dialect,
  rules: readonly Rule[],
  response: ProviderResponse,
  longestWindowMs: number,
): Reading {
  const evidence = readEvidence(response, longestWindowMs);
  const windows = dialect.windows(evidence);
  if (!evidence.failed) {
    const facts = evidence.source === "USAGE_API" ? dialect.facts?.(evidence) : undefined;
    return {
      outcome: "OK",
      scope: "NONE",
      windows,
      ...(facts === undefined ? {} : { facts }),
      rule: "ok",
    };
  }
  return evidence.source === "USAGE_API"
    ? readUsageFailure(evidence, windows)
    : readFailure(dialect, rules, evidence, windows);
}

function readFailure(
  dialect: Dialect,
  rules: readonly Rule[],
  evidence: Evidence,
  windows: readonly UsageWindow[],
): Reading {
  const asked = isCredible(evidence) ? rules : evidence.transportError === "" ? [] : TRANSPORT;
  const { name, verdict: decided } = firstFit(asked, evidence);
  const verdict = throttled(decided, evidence, dialect);
  const { outcome, ban } = verdict;
  const retryAtMs =
    endsByItself(outcome) && !verdict.isTimeless ? resetOf(dialect, verdict, evidence) : undefined;
  return {
    outcome,
    scope: placed(verdict.scope, evidence.model),
    ...(retryAtMs === undefined ? {} : { retryAtMs }),
    ...(ban === undefined ? {} : { ban }),
    windows,
    rule: name,
  };
}

function firstFit(rules: readonly Rule[], evidence: Evidence): { name: string; verdict: Verdict } {
  const { name, verdict } = rules.find((rule) => rule.when(evidence)) ?? UNRECOGNIZED;
  return { name, verdict: typeof verdict === "function" ? verdict(evidence) : verdict };
}

/** Places a throttle that does not say what it touches, and calls a very long one a spent plan. */
function throttled(verdict: Verdict, evidence: Evidence, dialect: Dialect): Verdict {
  if (verdict.outcome !== "RATE_LIMIT" || verdict.scope === "PROVIDER") return verdict;
  const scope = dialect.throttleScope(evidence);
  return waitsLong(evidence) ? { ...verdict, scope, outcome: "USAGE_LIMIT" } : { ...verdict, scope };
}

function resetOf(dialect: Dialect, verdict: Verdict, evidence: Evidence): number | undefined {
  return statedReset(evidence, dialect.headerResets(evidence)) ?? verdict.documentedReset?.(evidence);
}

/** Without a model there is only the profile to hold; "not found" then holds nothing. */
function placed(scope: Scope, model: string): Scope {
  return scope === "PROFILE_MODEL" && model === "" ? "PROFILE" : scope;
}

/**
 * A usage read-out that failed says nothing about model calls, whatever its words: it may be
 * throttled, out of scope or blocked by itself. Only a refused token is a fact about the token.
 */
function readUsageFailure(evidence: Evidence, windows: readonly UsageWindow[]): Reading {
  const { name, verdict } = firstFit([...TRANSPORT, ...STATUS, UNRECOGNIZED], evidence);
  const isToken = verdict.outcome === "AUTH_INVALID_TOKEN";
  const retryAtMs = endsByItself(verdict.outcome) ? statedReset(evidence, {}) : undefined;
  return {
    outcome: verdict.outcome,
    scope: isToken ? "PROFILE" : "NONE",
    ...(retryAtMs === undefined ? {} : { retryAtMs }),
    windows,
    rule: `usage.${name}`,
  };
}
