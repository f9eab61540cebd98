import { BrokerError } from "../client/index.ts";
import { localTime } from "../client/when.ts";
import type { Model, StreamEvent } from "./host.ts";

/** An error in OpenClaw's terms. */
export interface Trouble {
  readonly reason: "aborted" | "error";
  readonly message: string;
}

/** A wait that OpenClaw may do within a turn; it would wait for days if told so. */
const SHORT_WAIT_MS = 60_000;
const NO_TOKENS = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0 };
const NO_USAGE = { ...NO_TOKENS, cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 } };

/** Why a request was not sent, in words that OpenClaw's fail-over understands. */
export function troubleOf(error: unknown, signal: AbortSignal | undefined): Trouble {
  if (signal?.aborted || (error instanceof Error && error.name === "AbortError"))
    return { reason: "aborted", message: "Request was aborted" };
  if (!(error instanceof BrokerError)) return { reason: "error", message: String(error) };
  return { reason: "error", message: textOf(error, Date.now()) };
}

/**
 * OpenClaw shows the text of nothing but a 429, and goes on with its next model after it. `Retry-After` makes
 * it wait and ask again first; the words "usage limit" and "subscription" make it do so at once, and "resets" or "plan" make it show the text. It reads
 * "try again in" as the former.
 */
function textOf({ message, help, retryTime, reason }: BrokerError, nowMs: number): string {
  const then = help === undefined ? "" : `; ${help}`;
  if (retryTime !== undefined) {
    const waitMs = Math.max(0, retryTime.getTime() - nowMs);
    if (waitMs > SHORT_WAIT_MS)
      return `429 auth-broker: usage limit: ${message}; the first resets at ${localTime(retryTime.getTime(), nowMs)}`;
    return `429 auth-broker: rate limit: ${message}; Retry-After: ${Math.ceil(waitMs / 1_000)} seconds`;
  }
  const start = reason === "" ? "; start the broker with `auth-broker serve`" : then;
  return `429 auth-broker: no plan or subscription can serve: ${message}${start}`;
}

/** What is said of an account that the provider refused, in the same words. */
export function refusedText(status: number): string {
  return `429 auth-broker: no plan or subscription can serve: the provider refused the account (${status}); see \`auth-broker status\``;
}

/** An error as the one event of a stream. */
export function errorEvent({ api, provider, id }: Model, { reason, message }: Trouble): StreamEvent {
  const error = {
    role: "assistant" as const,
    content: [],
    api,
    provider,
    model: id,
    usage: NO_USAGE,
    stopReason: reason,
    timestamp: Date.now(),
    errorMessage: message,
  };
  return { type: "error", reason, error };
}
