import type { ProviderResponse } from "../client/index.ts";
import type { RolloutWindow, TurnEnd } from "./rollout.ts";

/** The status that Codex must have got, for the codes that come of an answer. */
const STATUS: Readonly<Record<string, number>> = {
  usage_limit_exceeded: 429,
  organization_usage_limit_exceeded: 429,
  rate_limit_exceeded: 429,
  unauthorized: 401,
  server_overloaded: 503,
  internal_server_error: 500,
};

/**
 * The provider's answer as far as a rollout tells it, for the broker to judge; windows go where the
 * provider had them, in headers. Undefined: nothing that the provider said.
 */
export function answerOf({ error, windows, isOver }: TurnEnd): ProviderResponse | undefined {
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

function headersOf(name: string, { usedPercent, windowMinutes, resetsAtSec }: RolloutWindow) {
  const header = (part: string) => `x-codex-${name}-${part}`;
  return {
    [header("used-percent")]: usedPercent,
    [header("window-minutes")]: windowMinutes,
    [header("reset-at")]: resetsAtSec,
  };
}
