import { countdown, lengthText, localTime, moment } from "../client/when.ts";
import { toTwin } from "../rpc/json.ts";
import type { Message } from "../rpc/schema.ts";
import { paint, plain, type Style, terminalWidth } from "./output.ts";
import { bare, stateText } from "./profile-view.ts";
import { layOut } from "./table.ts";

/** One account's usage as the broker tells it. */
export interface AccountView {
  readonly profile: string;
  readonly planType: string;
  readonly state: string;
  readonly stateReason: string;
  readonly readings: readonly ReadingView[];
  readonly nextReadTime?: Date;
  readonly failure?: { readonly code: string; readonly sinceTime?: Date; readonly retryTime?: Date };
  readonly history: readonly {
    readonly name: string;
    readonly observeTime: Date;
    readonly usedPercent: number;
  }[];
  readonly storedResets: number;
}

interface ReadingView {
  readonly window: {
    readonly name: string;
    readonly windowMinutes?: number;
    readonly usedPercent?: number;
    readonly resetTime?: Date;
    readonly observeTime?: Date;
  };
  readonly source: string;
  readonly partial: boolean;
}

const WIDTH = 20;
const NEAR_PERCENT = 90;
const DAYS = 30;
const DAY_MS = 86_400_000;
const STEPS = "▁▂▃▄▅▆▇█";

/** The accounts in an answer. */
export function accountViews(answer: Message): readonly AccountView[] {
  const accounts = answer.accounts as readonly Message[];
  return accounts.map((one) => toTwin("authbroker.v1.AccountUsage", one) as unknown as AccountView);
}

/** Bars for each account and window, aligned over all accounts. */
export function usageText(accounts: readonly AccountView[], nowMs: number): string {
  const rows = accounts.flatMap(({ readings }) => readings.map((reading) => rowOf(reading, nowMs)));
  const width = terminalWidth();
  const lines = layOut(rows, width === undefined ? undefined : width - 2);
  let next = 0;
  return accounts
    .map((account) => {
      const own = account.readings.map((reading) => {
        const bar = barOf(reading, nowMs);
        const line = (lines[next++] ?? "").replace(bar, paint(styleOf(reading, nowMs), bar));
        return [`  ${line}`, ...historyLines(account, reading, nowMs)].join("\n");
      });
      return [headOf(account), ...own, ...remarksOf(account, nowMs)].join("\n");
    })
    .join("\n\n");
}

function headOf({ profile, planType, state, stateReason }: AccountView): string {
  const what = stateText({ state, stateReason });
  return `${paint("bold", plain(profile))}  ${plain([planType, what].filter((part) => part !== "").join("  "))}`;
}

function rowOf(reading: ReadingView, nowMs: number): readonly string[] {
  const { name, windowMinutes } = reading.window;
  const length = windowMinutes === undefined ? "" : ` (${lengthText(windowMinutes * 60_000)})`;
  return [
    `${name}${length}${reading.partial ? " *" : ""}`,
    barOf(reading, nowMs),
    percentText(reading, nowMs).padStart(5),
    resetText(reading, nowMs),
    readText(reading, nowMs),
  ];
}

/** Undefined if not known, or if the window has started anew since. */
function percentOf({ window: { usedPercent, resetTime } }: ReadingView, nowMs: number): number | undefined {
  return resetTime !== undefined && resetTime.getTime() <= nowMs ? undefined : usedPercent;
}

function barOf(reading: ReadingView, nowMs: number): string {
  const share = Math.min(1, (percentOf(reading, nowMs) ?? 0) / 100);
  // Neither empty nor full unless it is.
  const whole = Math.round(share * WIDTH);
  const filled = share > 0 && share < 1 ? Math.min(WIDTH - 1, Math.max(1, whole)) : whole;
  return "█".repeat(filled) + "░".repeat(WIDTH - filled);
}

function styleOf(reading: ReadingView, nowMs: number): Style {
  const percent = percentOf(reading, nowMs);
  if (percent === undefined) return "dim";
  return percent >= 100 ? "red" : percent >= NEAR_PERCENT ? "yellow" : "green";
}

function percentText(reading: ReadingView, nowMs: number): string {
  const percent = percentOf(reading, nowMs);
  if (percent === undefined) return "?";
  // 99.6 % is not used up.
  return `${percent >= 100 ? Math.round(percent) : Math.min(99, Math.round(percent))} %`;
}

function resetText({ window: { resetTime } }: ReadingView, nowMs: number): string {
  if (resetTime === undefined) return "";
  return `${resetTime.getTime() > nowMs ? "resets" : "started anew"} ${moment(resetTime, nowMs)}`;
}

function readText({ window: { observeTime }, source }: ReadingView, nowMs: number): string {
  if (observeTime === undefined) return "";
  return `read ${countdown(observeTime.getTime(), nowMs)}${SOURCES[bare(source)] ?? ""}`;
}

const SOURCES: Readonly<Record<string, string>> = {
  RESPONSE_SOURCE_MODEL_API: " from an answer of the model API",
  RESPONSE_SOURCE_STREAM_EVENT: " from a stream",
  RESPONSE_SOURCE_USAGE_API: " at the provider",
  RESPONSE_SOURCE_UNSPECIFIED: " by an agent",
};

function remarksOf(
  { readings, failure, nextReadTime, storedResets }: AccountView,
  nowMs: number,
): readonly string[] {
  const remarks: string[] = [];
  if (storedResets > 0) {
    const what = storedResets === 1 ? "1 stored reset" : `${storedResets} stored resets`;
    remarks.push(`${what}: yours to redeem at the provider, the broker never does`);
  }
  if (readings.some((reading) => reading.partial)) remarks.push("* limits some models or one feature only");
  if (failure !== undefined) {
    const { code, sinceTime, retryTime } = failure;
    const since = sinceTime === undefined ? "" : ` since ${localTime(sinceTime.getTime(), nowMs)}`;
    const again = retryTime === undefined ? "" : `; again ${moment(retryTime, nowMs)} at the earliest`;
    remarks.push(`cannot be read at the provider${since} (${plain(code)})${again}`);
  } else if (readings.length === 0) {
    const next = nextReadTime === undefined ? "" : `; looked at ${moment(nextReadTime, nowMs)}`;
    remarks.push(`nothing read yet${next}`);
  }
  return remarks.map((remark) => `  ${remark}`);
}

/** The highest reading of each of the last 30 days. */
function historyLines({ history }: AccountView, { window: { name } }: ReadingView, nowMs: number) {
  const own = history.filter((sample) => sample.name === name);
  if (own.length === 0) return [];
  const days = Array.from({ length: DAYS }, (_, i) => {
    const age = DAYS - 1 - i;
    const day = own.filter((s) => Math.floor((nowMs - s.observeTime.getTime()) / DAY_MS) === age);
    if (day.length === 0) return "·";
    const share = Math.min(1, Math.max(...day.map((s) => s.usedPercent)) / 100);
    return STEPS[Math.min(STEPS.length - 1, Math.floor(share * STEPS.length))];
  });
  return [`    ${days.join("")}  ${DAYS} days, the highest of each`];
}
