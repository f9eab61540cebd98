import { readClock } from "./clock-text.ts";
import { type Token, tokensOf } from "./tokens.ts";

/** Words after which a message says when to come back. "Retrying" is a client's own plan and no such word. */
const CUES = new Set([
  "again",
  "reset",
  "resets",
  "retry",
  "wait",
  "until",
  "access",
  "available",
  "refresh",
  "refreshes",
  "renews",
  "restored",
  "back",
]);
/** What may stand between a cue and its moment. */
const FILLERS = new Set(
  "in after at on for about approximately around by the to your is will be it next least another reset resets limit quota usage retry again access refresh or - : , ~ ( ·".split(
    " ",
  ),
);
const MOST_CUES = 12;
const REACH = 9;
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
};

/** What a message says about the end of a limit. */
export interface StatedInText {
  /** Wall-clock moment, not yet checked for plausibility. */
  readonly atMs?: number;
  /** Length of the wait. */
  readonly waitMs?: number;
}

/** Reads "try again in 2 days 3 hours", "resets 4:50am (Europe/Rome)", "reached|1755615600" and the like. */
export function readResetText(text: string, nowMs: number): StatedInText {
  const tokens = tokensOf(text);
  let atMs: number | undefined;
  let waitMs: number | undefined;
  let cues = 0;
  for (let at = 0; at < tokens.length && cues < MOST_CUES && atMs === undefined; at++) {
    if (!isCue(tokens, at)) continue;
    cues++;
    const stated = readAfterCue(tokens, at, nowMs);
    atMs = stated.atMs;
    waitMs ??= stated.waitMs;
  }
  return { ...(atMs === undefined ? {} : { atMs }), ...(waitMs === undefined ? {} : { waitMs }) };
}

function isCue(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  return token?.kind === "word" ? CUES.has(token.text) : token?.text === "|";
}

function readAfterCue(tokens: readonly Token[], cue: number, nowMs: number): StatedInText {
  let waitMs: number | undefined;
  for (let at = cue + 1; at <= cue + REACH; at++) {
    const atMs = readClock(tokens, at, nowMs);
    if (atMs !== undefined) return { atMs, ...(waitMs === undefined ? {} : { waitMs }) };
    const wait = waitMs === undefined ? readWait(tokens, at) : undefined;
    if (wait !== undefined) {
      waitMs = wait.ms;
      at = wait.end - 1;
    } else if (!FILLERS.has(tokens[at]?.text ?? "")) break;
  }
  return waitMs === undefined ? {} : { waitMs };
}

interface Wait {
  readonly ms: number;
  readonly end: number;
}

/** `4 days 20 hours 9 minutes`, `2h24m55s`, `14.036s`, `an hour`, and a bare number after `retry-after`. */
function readWait(tokens: readonly Token[], from: number): Wait | undefined {
  let ms = 0;
  let at = from;
  for (;;) {
    const count = countOf(tokens[at]);
    const unitMs = UNITS[singular(tokens[at + 1]?.text ?? "")];
    if (count === undefined || unitMs === undefined) break;
    ms += count * unitMs;
    at += 2;
    const joint = tokens[at]?.text;
    if ((joint === "," || joint === "and") && countOf(tokens[at + 1]) !== undefined) at++;
  }
  if (at > from) return { ms, end: at };
  const bare = tokens[from];
  const isBare = bare?.kind === "number" && tokens.slice(Math.max(0, from - 4), from).some(isAfter);
  return isBare && isRetryAfter(tokens, from) ? { ms: bare.value * 1_000, end: from + 1 } : undefined;
}

function isAfter(token: Token): boolean {
  return token.text === "after";
}

/** `retry-after: ` stands before. */
function isRetryAfter(tokens: readonly Token[], at: number): boolean {
  const before = tokens.slice(Math.max(0, at - 4), at).map((token) => token.text);
  const words = before.join("");
  return words.endsWith("retry-after:") || words.endsWith("retry-after");
}

function countOf(token: Token | undefined): number | undefined {
  if (token?.kind === "number") return token.value;
  return token?.text === "a" || token?.text === "an" || token?.text === "one" ? 1 : undefined;
}

function singular(unit: string): string {
  return unit.length > 2 && unit.endsWith("s") ? unit.slice(0, -1) : unit;
}
