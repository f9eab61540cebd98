import type { OperatorRule } from "../config.ts";
import { defaultScope, type Reading } from "../domain/outcome.ts";
import { endsByItself } from "./classify-response.ts";
import { type Evidence, fold, readEvidence } from "./dialect/evidence.ts";
import { isPlausibleReset, statedReset } from "./dialect/reset-moment.ts";
import type { Classify, ProviderResponse } from "./provider.ts";

/**
 * Puts an operator's rules in front of a provider's classifier; the first that fits decides. Usage
 * windows are kept; a rule never makes a ban. An answer that was read as good is judged only by rules
 * that name a status or a code: its body is content, and content may say anything.
 */
export function withRules(classify: Classify, rules: readonly OperatorRule[], providerId: string): Classify {
  const mine = rules.filter(({ match: { provider } }) => provider === undefined || provider === providerId);
  if (mine.length === 0) return classify;
  return (response, limits) => {
    const reading = classify(response, limits);
    try {
      const evidence = readEvidence(response, limits.longestWindowMs);
      const found = mine.find((rule) => fits(rule, response, evidence, reading));
      return found === undefined ? reading : applied(found, evidence, reading);
    } catch {
      return reading;
    }
  };
}

function fits(
  { match: { source, status, code, text } }: OperatorRule,
  response: ProviderResponse,
  evidence: Evidence,
  { outcome }: Reading,
): boolean {
  if (source === undefined ? response.source === "USAGE_API" : response.source !== source) return false;
  if (status !== undefined && status !== response.httpStatus && status !== evidence.status) return false;
  if (code !== undefined && !evidence.codes.has(code.toLowerCase())) return false;
  if (text === undefined) return true;
  if (outcome === "OK" && status === undefined && code === undefined) return false;
  const words = fold(text);
  return evidence.text.includes(words) || fold(response.body).includes(words);
}

function applied(rule: OperatorRule, evidence: Evidence, old: Reading): Reading {
  const { name, outcome, scope, reset = endsByItself(outcome) ? "stated" : "none" } = rule;
  const { receivedAtMs, longestWindowMs, model } = evidence;
  const stated = old.retryAtMs ?? statedReset(evidence, {});
  const retryAtMs = typeof reset === "number" ? receivedAtMs + reset : reset === "none" ? undefined : stated;
  const place = scope ?? defaultScope(outcome, model);
  return {
    outcome,
    scope: place === "PROFILE_MODEL" && model === "" ? "PROFILE" : place,
    ...(isPlausibleReset(retryAtMs, receivedAtMs, longestWindowMs) ? { retryAtMs } : {}),
    windows: old.windows,
    rule: `operator.${name}`,
  };
}
