import { dateAt, instantOf, type Zone } from "./civil-time.ts";
import type { Token } from "./tokens.ts";
import { readZone } from "./zone-text.ts";

const MONTHS = "january february march april may june july august september october november december".split(
  " ",
);
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const DAY_MS = 86_400_000;
/** A clock time that passed this recently is stale, not tomorrow's. */
const JUST_PASSED_MS = 600_000;
/** Clock times without seconds are cut, so the moment is up to a minute later. */
const CUT_MS = 60_000;

interface Time {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly end: number;
}
interface Day {
  readonly year?: number;
  readonly month: number;
  readonly day: number;
  readonly end: number;
  /** Written by a machine (`2026-03-06`). */
  readonly iso?: true;
}

/**
 * The moment that a date, a time or both name at `tokens[at]`, or undefined if none stands there.
 * A missing year, day or zone is inferred: the next such moment after `nowMs`, on this machine's clock.
 */
export function readClock(tokens: readonly Token[], at: number, nowMs: number): number | undefined {
  const first = tokens[at];
  if (first?.kind === "number" && first.text.length >= 10 && first.value >= 1e9) {
    return first.value < 1e11 ? first.value * 1_000 : first.value;
  }
  const day = readIsoDay(tokens, at) ?? readMonthDay(tokens, at) ?? readDayMonth(tokens, at);
  if (day !== undefined) return datedMoment(tokens, day, nowMs);
  const weekday = first?.kind === "word" ? DAYS.indexOf(first.text.slice(0, 3)) : -1;
  const isWeekday = weekday >= 0 && (first?.text.length === 3 || first?.text.endsWith("day") === true);
  const start = isWeekday || first?.text === "tomorrow" ? skip(tokens, at + 1, ["at", ","]) : at;
  const time = readTime(tokens, start);
  if (time === undefined) return undefined;
  const zone = readZone(tokens, time.end);
  const next = nextMoment(time, zone ?? { kind: "local" }, nowMs);
  if (next === undefined) return undefined;
  if (first?.text === "tomorrow")
    return next + (next - nowMs < DAY_MS && sameDay(next, nowMs, zone) ? DAY_MS : 0);
  if (isWeekday) return next + ((weekday - new Date(next).getDay() + 7) % 7) * DAY_MS;
  return zone === undefined ? next + CUT_MS : next;
}

function datedMoment(tokens: readonly Token[], day: Day, nowMs: number): number | undefined {
  const time = readTime(tokens, skip(tokens, day.end, ["at", ",", "t"]));
  const zone = readZone(tokens, time?.end ?? day.end);
  const clock = { hour: time?.hour ?? 0, minute: time?.minute ?? 0, second: time?.second ?? 0 };
  const moment = (year: number, where: Zone) =>
    instantOf({ ...clock, year, month: day.month, day: day.day }, where);
  const where = zone ?? { kind: "local" };
  if (day.year !== undefined) {
    const local = moment(day.year, where);
    // A server's bare timestamp is as likely UTC as ours: the later reading never comes too early.
    const utc = day.iso && zone === undefined ? moment(day.year, { kind: "offset", minutes: 0 }) : local;
    return local === undefined || utc === undefined ? local : Math.max(local, utc);
  }
  const year = dateAt(nowMs, where)?.year;
  if (year === undefined) return undefined;
  const sameYear = moment(year, where);
  return sameYear !== undefined && sameYear < nowMs - DAY_MS ? moment(year + 1, where) : sameYear;
}

function nextMoment(time: Time, zone: Zone, nowMs: number): number | undefined {
  const today = dateAt(nowMs, zone);
  const moment =
    today && instantOf({ ...today, hour: time.hour, minute: time.minute, second: time.second }, zone);
  if (moment === undefined || moment > nowMs - JUST_PASSED_MS) return moment;
  const tomorrow = dateAt(nowMs + DAY_MS, zone);
  return (
    tomorrow && instantOf({ ...tomorrow, hour: time.hour, minute: time.minute, second: time.second }, zone)
  );
}

function sameDay(a: number, b: number, zone: Zone | undefined): boolean {
  const where = zone ?? { kind: "local" };
  return dateAt(a, where)?.day === dateAt(b, where)?.day;
}

/** `2026-03-06` */
function readIsoDay(tokens: readonly Token[], at: number): Day | undefined {
  const [year, dash, month, dash2, day] = tokens.slice(at, at + 5);
  if (year?.text.length !== 4 || dash?.text !== "-" || dash2?.text !== "-") return undefined;
  if (month?.kind !== "number" || day?.kind !== "number") return undefined;
  return { year: year.value, month: month.value, day: day.value, end: at + 5, iso: true };
}

/** `may 23`, `sep 28th, 2026` */
function readMonthDay(tokens: readonly Token[], at: number): Day | undefined {
  const month = monthOf(tokens[at]);
  const day = tokens[at + 1];
  if (month === undefined || day?.kind !== "number" || day.text.length > 2) return undefined;
  return withYear(tokens, month, day.value, skip(tokens, at + 2, ["st", "nd", "rd", "th"]));
}

/** `23 may`, `28th of sep 2026` */
function readDayMonth(tokens: readonly Token[], at: number): Day | undefined {
  const day = tokens[at];
  const monthAt = skip(tokens, at + 1, ["st", "nd", "rd", "th", "of"]);
  const month = monthOf(tokens[monthAt]);
  if (month === undefined || day?.kind !== "number" || day.text.length > 2) return undefined;
  return withYear(tokens, month, day.value, monthAt + 1);
}

function withYear(tokens: readonly Token[], month: number, day: number, at: number): Day {
  const yearAt = skip(tokens, at, [","]);
  const year = tokens[yearAt];
  return year?.kind === "number" && year.text.length === 4
    ? { month, day, year: year.value, end: yearAt + 1 }
    : { month, day, end: at };
}

/** `may`, `sep`, `sept`, `september`; no word that only begins alike. */
function monthOf(token: Token | undefined): number | undefined {
  if (token?.kind !== "word" || token.text.length < 3) return undefined;
  const at = MONTHS.findIndex((name) => name.startsWith(token.text));
  return at < 0 ? undefined : at + 1;
}

/** `7:58 pm`, `3pm`, `18:30:05`, `midnight`; a bare number is no time. */
function readTime(tokens: readonly Token[], at: number): Time | undefined {
  const hour = tokens[at];
  if (hour?.text === "midnight" || hour?.text === "noon") {
    return { hour: hour.text === "noon" ? 12 : 0, minute: 0, second: 0, end: at + 1 };
  }
  if (hour?.kind !== "number" || hour.text.length > 2) return undefined;
  const minute = partAfterColon(tokens, at + 1);
  const second = minute === undefined ? undefined : partAfterColon(tokens, at + 3);
  const end = at + 1 + (minute === undefined ? 0 : 2) + (second === undefined ? 0 : 2);
  const half = tokens[end]?.text;
  const isHalf = half === "am" || half === "pm";
  if (minute === undefined && !isHalf) return undefined;
  const base = isHalf ? (hour.value % 12) + (half === "pm" ? 12 : 0) : hour.value;
  return { hour: base, minute: minute ?? 0, second: Math.floor(second ?? 0), end: isHalf ? end + 1 : end };
}

function partAfterColon(tokens: readonly Token[], at: number): number | undefined {
  const number = tokens[at + 1];
  return tokens[at]?.text === ":" && number?.kind === "number" && number.text[1] !== undefined
    ? number.value
    : undefined;
}

/** The first position from `at` on that holds none of `words`. */
function skip(tokens: readonly Token[], at: number, words: readonly string[]): number {
  let end = at;
  while (words.includes(tokens[end]?.text ?? "")) end++;
  return end;
}
