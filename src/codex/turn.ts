import { type Fields, fieldsOf, numberOf, textOf } from "./fields.ts";

/** One usage window as Codex knows it. */
export interface Window {
  readonly usedPercent: number;
  readonly windowMinutes?: number;
  readonly resetsAtSec?: number;
}

/** By name: `primary` and `secondary` are the account's own, others such as `bengalfox-primary` some models'. */
export type Windows = Readonly<Record<string, Window>>;

/** Why a turn failed. `code` such as `usage_limit_exceeded`; empty if Codex names none. */
export interface TurnError {
  readonly code: string;
  readonly message: string;
  readonly httpStatus?: number;
}

/** Reads a snapshot of rate limits, as it stands in rollouts and, in camel case, in app-server messages. */
export function windowsOf(limits: Fields): Windows {
  const limit = textOf(limits.limit_id ?? limits.limitId).replace(/^codex_?/, "");
  const prefix = limit === "" ? "" : `${limit.replaceAll("_", "-")}-`;
  const windows: Record<string, Window> = {};
  for (const name of ["primary", "secondary"]) {
    const window = fieldsOf(limits[name]);
    const usedPercent = numberOf(window.used_percent ?? window.usedPercent);
    const windowMinutes = numberOf(window.window_minutes ?? window.windowDurationMins);
    const resetsAtSec = numberOf(window.resets_at ?? window.resetsAt);
    if (usedPercent === undefined) continue;
    windows[`${prefix}${name}`] = {
      usedPercent,
      ...(windowMinutes !== undefined && { windowMinutes }),
      ...(resetsAtSec !== undefined && { resetsAtSec }),
    };
  }
  return windows;
}

/** Reads a failure, with its code in either spelling: alone, or as the only key of an object with more. */
export function turnErrorOf(message: string, info: unknown): TurnError {
  const [code = "", more] = typeof info === "string" ? [info] : (Object.entries(fieldsOf(info))[0] ?? []);
  const { http_status_code, httpStatusCode } = fieldsOf(more);
  const httpStatus = numberOf(http_status_code ?? httpStatusCode);
  return {
    code: code.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    message,
    ...(httpStatus !== undefined && { httpStatus }),
  };
}
