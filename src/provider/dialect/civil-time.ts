/** Where a wall clock hangs. `local` is the zone of this machine. */
export type Zone =
  | { readonly kind: "offset"; readonly minutes: number }
  | { readonly kind: "named"; readonly name: string }
  | { readonly kind: "local" };

/** A reading of a wall clock; months count from 1. */
export interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const DAY_MS = 86_400_000;

/** The instant at which a clock in the zone shows `civil`; undefined if there is no such reading or zone. */
export function instantOf(civil: Civil, zone: Zone): number | undefined {
  const { year, month, day, hour, minute, second } = civil;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
    return undefined;
  if (zone.kind === "local") return finite(new Date(year, month - 1, day, hour, minute, second).getTime());
  const asUtc = Date.UTC(year, month - 1, day, hour, minute, second);
  const first = offsetMs(zone, asUtc);
  if (first === undefined) return undefined;
  // The offset belongs to the instant, not to the reading: the second look settles clock changes.
  const settled = offsetMs(zone, asUtc - first);
  return settled === undefined ? undefined : finite(asUtc - settled);
}

/** The date that a clock in the zone shows at an instant; undefined if there is no such zone. */
export function dateAt(instantMs: number, zone: Zone): Pick<Civil, "year" | "month" | "day"> | undefined {
  if (zone.kind === "local") {
    const local = new Date(instantMs);
    return { year: local.getFullYear(), month: local.getMonth() + 1, day: local.getDate() };
  }
  const offset = offsetMs(zone, instantMs);
  if (offset === undefined) return undefined;
  const shifted = new Date(instantMs + offset);
  return { year: shifted.getUTCFullYear(), month: shifted.getUTCMonth() + 1, day: shifted.getUTCDate() };
}

/** The next time after `instantMs` at which it is midnight in the zone. */
export function nextMidnight(instantMs: number, zone: Zone): number | undefined {
  const tomorrow = dateAt(instantMs + DAY_MS, zone);
  return tomorrow && instantOf({ ...tomorrow, hour: 0, minute: 0, second: 0 }, zone);
}

function offsetMs(zone: Exclude<Zone, { kind: "local" }>, instantMs: number): number | undefined {
  return zone.kind === "offset" ? zone.minutes * 60_000 : namedOffsetMs(zone.name, instantMs);
}

/** Making a format is dear, and few zones ever occur. Undefined: there is no such zone. */
const FORMATS = new Map<string, Intl.DateTimeFormat | undefined>();
const MOST_FORMATS = 32;

function formatOf(name: string): Intl.DateTimeFormat | undefined {
  if (FORMATS.has(name)) return FORMATS.get(name);
  if (FORMATS.size >= MOST_FORMATS) FORMATS.clear();
  const format = newFormat(name);
  FORMATS.set(name, format);
  return format;
}

function newFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  const numeric = { year: "numeric", month: "numeric", day: "numeric" } as const;
  const clock = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone, ...numeric, ...clock });
  } catch {
    return undefined;
  }
}

/**
 * Has the runtime load its data about zones: 15 ms at the first use of any of them, too long for the
 * first answer that names one.
 */
export function loadZones(): void {
  formatOf("America/Los_Angeles");
}

/** What is to be added to UTC for a zone of the tz database; undefined if the name is none. */
function namedOffsetMs(name: string, instantMs: number): number | undefined {
  const format = Number.isFinite(instantMs) && Math.abs(instantMs) < 8e15 ? formatOf(name) : undefined;
  if (format === undefined) return undefined;
  const part = new Map(format.formatToParts(instantMs).map(({ type, value }) => [type, Number(value)]));
  const read = (type: Intl.DateTimeFormatPartTypes) => part.get(type) ?? 0;
  const date = [read("year"), read("month") - 1, read("day")] as const;
  const shown = Date.UTC(...date, read("hour"), read("minute"), read("second"));
  return shown - Math.floor(instantMs / 1_000) * 1_000;
}

function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}
