import { z } from "zod";
import { duration } from "../config/duration.ts";
import { canonicalProvider } from "../domain/alias.ts";
import { defaultScope, OUTCOMES, type Reading, SCOPES } from "../domain/outcome.ts";
import { type Evidence, fold, readEvidence } from "./dialect/evidence.ts";
import { isPlausibleReset, statedReset } from "./dialect/reset-moment.ts";
import { type Classify, type ProviderResponse, RESPONSE_SOURCES } from "./provider.ts";

const match = z
  .strictObject({
    provider: z.string().min(1).exactOptional().describe("Absent: every provider"),
    source: z.enum(RESPONSE_SOURCES).exactOptional().describe("Absent: MODEL_API and STREAM_EVENT"),
    status: z.int().min(100).max(599).exactOptional(),
    code: z.string().min(1).max(80).exactOptional().describe("An error code or type, in any case"),
    text: z
      .string()
      .min(3)
      .max(200)
      .exactOptional()
      .describe("Stands somewhere in the first 4 KiB of the body, in any case; no pattern"),
  })
  .refine(
    ({ status, code, text }) => status !== undefined || code !== undefined || text !== undefined,
    "needs at least one of status, code and text",
  );

/** One rule of an operator: what an answer looks like, and what it then means. */
export const operatorRule = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,39}$/, "small letters, digits, - and _")
      .describe("Shown by explain and the log"),
    match,
    outcome: z.enum(OUTCOMES),
    scope: z.enum(SCOPES).exactOptional().describe("Absent: the scope that the outcome has by itself"),
    reset: z
      .union([z.enum(["stated", "none"]), duration])
      .exactOptional()
      .describe("The moment in the answer (default), no moment, or this long after the answer"),
  })
  .refine(
    ({ outcome, scope }) => !outcome.startsWith("AUTH_") || scope === undefined || scope === "PROFILE",
    "an AUTH_ outcome is always about the profile",
  );
export type OperatorRule = z.output<typeof operatorRule>;

/**
 * Puts an operator's rules in front of a provider's classifier; the first that fits decides. Usage
 * windows are kept; a rule never makes a ban. An answer that was read as good is judged only by rules
 * that name a status or a code: its body is content, and content may say anything.
 */
export function withRules(classify: Classify, rules: readonly OperatorRule[], providerId: string): Classify {
  const mine = rules.filter(
    ({ match: { provider } }) => provider === undefined || canonicalProvider(provider) === providerId,
  );
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

function applied({ name, outcome, scope, reset }: OperatorRule, evidence: Evidence, old: Reading): Reading {
  const { receivedAtMs, longestWindowMs, model } = evidence;
  const stated = old.retryAtMs ?? statedReset(evidence, {});
  const fixed = typeof reset === "number" ? receivedAtMs + reset : undefined;
  const retryAtMs = reset === "none" ? undefined : (fixed ?? stated);
  const place = scope ?? defaultScope(outcome, model);
  return {
    outcome,
    scope: place === "PROFILE_MODEL" && model === "" ? "PROFILE" : place,
    ...(isPlausibleReset(retryAtMs, receivedAtMs, longestWindowMs) ? { retryAtMs } : {}),
    windows: old.windows,
    rule: `operator.${name}`,
  };
}
