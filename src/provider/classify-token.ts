import type { Outcome, Scope } from "../domain/outcome.ts";
import { type Evidence, readEvidence } from "./dialect/evidence.ts";
import { statedReset } from "./dialect/reset-moment.ts";
import { TOKEN_RULES, TOKEN_UNRECOGNIZED, type TokenRule } from "./dialect/token-rules.ts";
import type { ProviderResponse } from "./provider.ts";

/** A token endpoint that names a moment further away than this is not believed. */
const LONGEST_WAIT_MS = 8 * 86_400_000;

/** A complete HTTP answer of a token endpoint that brought no grant. Names of headers in lower case. */
export interface TokenFailure {
  readonly providerId: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly receivedAtMs: number;
}

/** What it means for the refresh token. `code` is a word of ours, never the server's text. */
export type TokenError =
  | { readonly kind: "terminal"; readonly code: string }
  | { readonly kind: "not_now"; readonly code: string; readonly retryAtMs?: number };

/**
 * Reads a refusal of the token endpoint. Only codes and sentences that end the grant itself are
 * terminal, under any status; everything else leaves the refresh token unspent. Never throws.
 */
export function readTokenError({
  providerId,
  status,
  headers,
  body,
  receivedAtMs,
}: TokenFailure): TokenError {
  const { rule, retryAtMs } = readToken(providerId, {
    source: "MODEL_API",
    httpStatus: status,
    headers,
    body,
    transportError: "",
    receivedAtMs,
    model: "",
  });
  if (rule.kind === "terminal") return { kind: "terminal", code: rule.code };
  return { kind: "not_now", code: rule.code, ...(retryAtMs === undefined ? {} : { retryAtMs }) };
}

/** The class of a token endpoint's answer, for callers that refresh by themselves and only report. */
export function classifyTokenEndpoint(
  providerId: string,
  response: ProviderResponse,
): { readonly outcome: Outcome; readonly scope: Scope; readonly retryAtMs?: number } {
  const { rule, retryAtMs } = readToken(providerId, response);
  return { outcome: rule.outcome, scope: rule.scope, ...(retryAtMs === undefined ? {} : { retryAtMs }) };
}

function readToken(
  providerId: string,
  response: ProviderResponse,
): { readonly rule: TokenRule; readonly retryAtMs?: number } {
  try {
    const evidence = readEvidence(withoutForm(response), LONGEST_WAIT_MS, "TOKEN_ENDPOINT");
    const rule = TOKEN_RULES.find(({ when }) => when(evidence, providerId)) ?? TOKEN_UNRECOGNIZED;
    const retryAtMs = retryOf(rule, evidence);
    return { rule, ...(retryAtMs === undefined ? {} : { retryAtMs }) };
  } catch {
    return { rule: TOKEN_UNRECOGNIZED };
  }
}

function retryOf(rule: TokenRule, evidence: Evidence): number | undefined {
  if (rule.kind === "terminal") return undefined;
  const fixed = rule.waitMs === undefined ? undefined : evidence.receivedAtMs + rule.waitMs;
  return statedReset(evidence, {}) ?? fixed;
}

/** GitHub answers `error=…&error_description=…` unless asked for JSON. */
function withoutForm(response: ProviderResponse): ProviderResponse {
  if (!response.body.startsWith("error=")) return response;
  const fields = new URLSearchParams(response.body.slice(0, 4_096));
  return { ...response, body: JSON.stringify(Object.fromEntries(fields)) };
}
