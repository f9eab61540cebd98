import type { ProviderResponse } from "../client/index.ts";
import type { TurnError, Window, Windows } from "./turn.ts";

/** The status that Codex must have got, for the codes that come of an answer. */
const STATUS: Readonly<Record<string, number>> = {
  usage_limit_exceeded: 429,
  organization_usage_limit_exceeded: 429,
  rate_limit_exceeded: 429,
  unauthorized: 401,
  server_overloaded: 503,
  internal_server_error: 500,
};

/** What is known of a turn. */
interface Turn {
  readonly windows: Windows;
  /** False: it has not ended. */
  readonly isOver: boolean;
  readonly error?: TurnError | undefined;
}

/**
 * The provider's answer as far as Codex tells it, for the broker to judge; windows go where the
 * provider had them, in headers. Undefined: nothing that the provider said.
 */
export function answerOf({ error, windows, isOver }: Turn): ProviderResponse | undefined {
  const headers = Object.assign(
    {},
    ...Object.entries(windows).map(([name, window]) => headersOf(name, window)),
  );
  if (error === undefined) return isOver ? { httpStatus: 200, headers } : undefined;
  const httpStatus = error.httpStatus ?? STATUS[error.code];
  if (httpStatus === undefined) return undefined;
  return {
    httpStatus,
    headers,
    body: JSON.stringify({ error: { code: error.code, message: error.message } }),
  };
}

function headersOf(name: string, { usedPercent, windowMinutes, resetsAtSec }: Window) {
  const header = (part: string) => `x-codex-${name}-${part}`;
  return {
    [header("used-percent")]: usedPercent,
    [header("window-minutes")]: windowMinutes,
    [header("reset-at")]: resetsAtSec,
  };
}
